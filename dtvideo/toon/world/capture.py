"""From the paths of a body's joints to a motion of any body."""

from collections.abc import Mapping
from fractions import Fraction

import numpy as np
from jaxtyping import Float

from dtvideo.toon.world.figure import BODY_DIRECTIONS, LEGS_PER_TORSO
from dtvideo.toon.world.motion import Motion, unit

RATE = Fraction(30)
WALK_SECONDS = 0.75  # what the pelvis does in longer than this is a walk, not a sway
HIGHEST = 0.7  # torso lengths above standing; a body that climbs higher stays there
LOOP_DEGREES = 30.0  # a clip whose ends are nearer than this is closed to a loop

Points = Float[np.ndarray, "t 3"]
Joints = Mapping[str, Points]

SIDES = ("right", "left")
LIMBS = {
    "upper_arm": ("shoulder", "elbow"),
    "forearm": ("elbow", "wrist"),
    "thigh": ("hip", "knee"),
    "shin": ("knee", "ankle"),
    "foot": ("ankle", "toe"),
}


def motion_from_joints(name: str, joints: Joints, *, seconds: Float[np.ndarray, " t"]) -> Motion:
    """Turn the paths of a body's joints into a motion at RATE.

    joints: crown, face (where the head looks, a unit vector) and right_ and left_ shoulder,
    elbow, wrist, hip, knee, ankle and toe, in any unit of length, y up; seconds: when.
    The walk over the ground is taken out (the sway stays), and the body is turned so that it
    faces +z on the whole.
    """
    count = int(seconds[-1] * float(RATE) + 0.1) + 1
    times = np.minimum(np.arange(count) / float(RATE), seconds[-1])
    joints = {key: _resample(path, seconds, times) for key, path in joints.items()}
    pelvis = (joints["right_hip"] + joints["left_hip"]) / 2
    neck = (joints["right_shoulder"] + joints["left_shoulder"]) / 2
    leg = _leg_length(joints)
    root = (pelvis - [0, _ground(joints) + leg, 0]) * (LEGS_PER_TORSO / leg)
    directions = _directions(joints, pelvis=pelvis, neck=neck)
    directions, root = _face_viewer(directions, root)
    loop = _gap_degrees(directions) < LOOP_DEGREES
    root = _in_place(root)
    if loop:
        directions, root = unit(_closed(directions)), _closed(root)
    return Motion(name, directions.astype(np.float32), root.astype(np.float32), RATE, loop)


def _directions(joints: Joints, *, pelvis: Points, neck: Points) -> Float[np.ndarray, "t bones 3"]:
    bones = {
        "spine": neck - pelvis,
        "head": joints["crown"] - neck,
        "face": joints["face"],
        "shoulders": joints["left_shoulder"] - joints["right_shoulder"],
        "hips": joints["left_hip"] - joints["right_hip"],
    }
    bones["chest"] = np.cross(bones["shoulders"], bones["spine"])
    for side in SIDES:
        for limb, (start, end) in LIMBS.items():
            bones[f"{side}_{limb}"] = joints[f"{side}_{end}"] - joints[f"{side}_{start}"]
    return unit(np.stack([bones[name] for name in BODY_DIRECTIONS], axis=1))


def _resample(
    path: Points, seconds: Float[np.ndarray, " t"], times: Float[np.ndarray, " n"]
) -> Float[np.ndarray, "n 3"]:
    from scipy.interpolate import CubicSpline

    resampled: np.ndarray = CubicSpline(seconds, path)(times)
    return resampled


def _ground(joints: Joints) -> float:
    """Return how high the ankle of a foot on the ground is."""
    low = np.minimum(joints["right_ankle"][:, 1], joints["left_ankle"][:, 1])
    return float(np.percentile(low, 5))


def _leg_length(joints: Joints) -> float:
    thigh = np.linalg.norm(joints["right_hip"] - joints["right_knee"], axis=1)
    shin = np.linalg.norm(joints["right_knee"] - joints["right_ankle"], axis=1)
    return float(thigh.mean() + shin.mean())


def _face_viewer(
    directions: Float[np.ndarray, "t bones 3"], root: Points
) -> tuple[Float[np.ndarray, "t bones 3"], Points]:
    """Turn a body about the vertical until its chest faces +z on the whole."""
    x, _, z = directions[:, BODY_DIRECTIONS.index("chest")].mean(axis=0)
    length = np.hypot(x, z)
    cos, sin = z / length, x / length
    turn = np.array([[cos, 0, -sin], [0, 1, 0], [sin, 0, cos]])
    return directions @ turn.T, root @ turn.T


def _in_place(root: Points) -> Points:
    """Keep a path near its origin: take out the walk, keep the sway, and stop high climbs."""
    from scipy.ndimage import gaussian_filter1d

    part = np.linspace(0, 1, len(root))[:, None]
    path: np.ndarray = root - root[0] - (root[-1] - root[0]) * part
    path -= gaussian_filter1d(path, WALK_SECONDS * float(RATE), axis=0, mode="nearest")
    path[:, 1] = np.minimum(root[:, 1], HIGHEST)
    return path


def _gap_degrees(directions: Float[np.ndarray, "t bones 3"]) -> float:
    cosines = (directions[0] * directions[-1]).sum(axis=-1)
    return float(np.degrees(np.arccos(np.clip(cosines, -1, 1))).max())


def _closed(
    track: Float[np.ndarray, "t bones 3"] | Points,
) -> Float[np.ndarray, "u bones 3"] | Float[np.ndarray, "u 3"]:
    """Spread the difference between the ends over a track and drop the last frame."""
    part = np.linspace(-0.5, 0.5, len(track)).reshape(-1, *[1] * (track.ndim - 1))
    closed: np.ndarray = track - (track[-1] - track[0]) * part
    return closed[:-1]
