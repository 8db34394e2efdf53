"""A paper figure on a plain ground and a short dance for it, as files."""

from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import UInt8

from dtvideo.images import save_png
from poses.io import write_clip
from poses.standing import fit_skeleton
from poses.types import Pose, PoseSequence

SIDE = 64
GROUND = (230, 235, 240)
LIMBS = ((1, 2), (2, 3), (3, 4), (1, 5), (5, 6), (6, 7), (1, 8), (8, 9), (9, 10), (1, 11),
         (11, 12), (12, 13))  # fmt: skip


def standing() -> Pose:
    """The hero's pose: upright, arms a little away from the body."""
    return fit_skeleton((18.0, 4.0, 46.0, 60.0), (SIDE, SIDE))


def dance(frames: int = 4) -> PoseSequence:
    """The hero's pose with the left arm rising frame by frame."""
    body = np.repeat(standing().body[None], frames, axis=0)
    lift = np.linspace(0, 12, frames)
    body[:, 6, 1] -= lift / 2
    body[:, 7, 1] -= lift
    body[..., 2] = 0.9
    return PoseSequence(body=body, size=(SIDE, SIDE), rate=Fraction(25))


def figure(pose: Pose) -> UInt8[np.ndarray, "h w 3"]:
    """Draw a figure of thick limbs and a round head."""
    canvas = np.full((SIDE, SIDE, 3), GROUND, np.uint8)
    points = pose.body[:, :2].round().astype(int)
    for start, end in LIMBS:
        colour = (180, 40, 40) if end in (9, 10, 12, 13) else (40, 60, 160)
        cv2.line(canvas, points[start].tolist(), points[end].tolist(), colour, 7)
    cv2.circle(canvas, points[0].tolist(), 6, (240, 190, 150), -1)
    return canvas


def write_stage(folder: Path) -> Path:
    """Write hero.png, pose.json (its key points) and dance.json; return the folder."""
    pose = standing()
    save_png(folder / "hero.png", figure(pose))
    write_clip(PoseSequence.from_poses([pose]), folder / "pose.json")
    write_clip(dance(), folder / "dance.json")
    return folder
