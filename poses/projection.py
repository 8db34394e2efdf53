"""A captured body in space, seen by a camera: key points of the picture it would give.

Axes of the stage: y up; the body faces +z on the whole, so that its own left is at +x.
"""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from jaxtyping import Bool, Float

from poses.errors import PoseError
from poses.formats.bvh import SIDES, Capture, Points
from poses.types import PoseSequence, missing_joints

BODY_ROWS = {"right": (2, 3, 4, 8, 9, 10), "left": (5, 6, 7, 11, 12, 13)}
BODY_NAMES = ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
NECK = 1
MARGIN = 0.06
VIEW_LIMIT, TILT_LIMIT, LENS_LIMITS = 360.0, 89.0, (1.0, 120.0)

# A head of usual size, in lengths of the torso from shoulders to hips: how far to the side,
# upwards from where the head hangs, and forwards each point is. Files hold no faces.
_FACE = {"nose": (0.0, 0.12, 0.26), "eye": (0.065, 0.19, 0.21), "ear": (0.15, 0.15, 0.04)}
# A point is hidden where its own outward direction is turned from the camera by more than this.
_OUTWARD = {"nose": (0.0, 1.0), "eye": (0.35, 0.94), "ear": (1.0, 0.0)}
_HIDDEN_BEYOND = {"nose": -0.25, "eye": -0.15, "ear": -0.6}
_HEAD_ROWS = {"nose": (0, 0), "eye": (14, 15), "ear": (16, 17)}


@dataclass(frozen=True)
class Camera:
    """Where a captured body is seen from.

    view: degrees that the camera stands round the body, 0 before its chest (on the whole of the
    take), 90 at its left, 180 behind; tilt: degrees that it looks down from above; lens: its
    vertical field of view in degrees, 1 being nearly without perspective; follow: it goes along
    with the body's way over the ground. It stands as near as the whole take allows.
    Raises: PoseError M11 for a value that no camera has.
    """

    size: tuple[int, int] = (512, 512)
    view: float = 0.0
    tilt: float = 0.0
    lens: float = 30.0
    follow: bool = False

    def __post_init__(self) -> None:
        limits = {
            "view": (-VIEW_LIMIT, VIEW_LIMIT),
            "tilt": (-TILT_LIMIT, TILT_LIMIT),
            "lens": LENS_LIMITS,
        }
        for name, (low, high) in limits.items():
            value = getattr(self, name)
            if not low <= value <= high:
                problem = f"{value} is out of range"
                raise PoseError("M11", name, problem, f"give degrees from {low:g} to {high:g}")


def project(
    capture: Capture, camera: Camera | None = None, *, rate: Fraction | None = None
) -> PoseSequence:
    """Return the key points of a captured body as a camera sees it.

    rate: frames per second to take; the motion stays as long as it is. Points of the head are
    those of a usual one; what of it is turned away is missing, other joints never are.
    Raises: PoseError P6 when the body has no size, or its way is too long to be seen.
    """
    camera = camera or Camera()
    joints = _resampled({**capture.joints, "face": capture.face}, capture, rate or capture.rate)
    face = _unit(joints.pop("face"))
    if camera.follow:
        joints = _in_place(joints)
    turn = _heading(joints)
    joints, face = {name: path @ turn for name, path in joints.items()}, face @ turn
    body, hidden_by = _body(joints, face)
    seen = _camera_axes(camera)
    places, towards = _shot(body @ seen.T, camera)
    hidden = _hidden(hidden_by @ seen.T, towards)
    tracks = missing_joints(*body.shape[:2])
    tracks[~hidden] = np.concatenate([places, np.ones_like(places[..., :1])], axis=-1)[~hidden]
    return PoseSequence(body=tracks, size=camera.size, rate=rate or capture.rate)


def _resampled(
    joints: dict[str, Points], capture: Capture, rate: Fraction
) -> dict[str, Float[np.ndarray, "n 3"]]:
    """Take joints at another rate, as long in seconds; the file's own is left as it is."""
    if rate == capture.rate:
        return joints
    own = np.arange(len(capture)) / float(capture.rate)
    times = np.arange(max(1, round(len(capture) / capture.rate * rate))) / float(rate)
    times = times.clip(max=own[-1])
    return {
        name: np.stack([np.interp(times, own, path[:, axis]) for axis in range(3)], axis=-1)
        for name, path in joints.items()
    }


def _middle(joints: dict[str, Points], name: str) -> Points:
    middle: Points = (joints[f"right_{name}"] + joints[f"left_{name}"]) / 2
    return middle


def _in_place(joints: dict[str, Points]) -> dict[str, Points]:
    way = _middle(joints, "hip") * (1, 0, 1)
    return {name: path - way for name, path in joints.items()}


def _heading(joints: dict[str, Points]) -> Float[np.ndarray, "3 3"]:
    """Return the turn about the vertical after which the chest faces +z on the whole."""
    across = joints["left_shoulder"] - joints["right_shoulder"]
    spine = _middle(joints, "shoulder") - _middle(joints, "hip")
    x, _, z = np.cross(across, spine).mean(axis=0)
    length = np.hypot(x, z)
    cos, sin = (z / length, x / length) if length > 0 else (1.0, 0.0)
    return np.array([[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]])


def _body(
    joints: dict[str, Points], face: Points
) -> tuple[Float[np.ndarray, "t 18 3"], Float[np.ndarray, "t 18 3"]]:
    """Return body-18 in space, and the outward direction of each point that can be hidden."""
    shoulders, hips = _middle(joints, "shoulder"), _middle(joints, "hip")
    body = np.zeros((len(face), 18, 3))
    outward = np.zeros_like(body)
    body[:, NECK] = shoulders
    for side in SIDES:
        for row, name in zip(BODY_ROWS[side], BODY_NAMES, strict=True):
            body[:, row] = joints[f"{side}_{name}"]
    torso = float(np.median(np.linalg.norm(shoulders - hips, axis=1)))
    up = _unit(joints.get("crown", 2 * joints["head"] - shoulders) - joints["head"])
    up = _unit(up - face * np.sum(up * face, axis=1, keepdims=True))
    left = np.cross(up, face)
    for name, (aside, above, ahead) in _FACE.items():
        sideways, forward = _OUTWARD[name]
        for row, sign in zip(_HEAD_ROWS[name], (-1, 1), strict=True):
            offset = sign * aside * left + above * up + ahead * face
            body[:, row] = joints["head"] + torso * offset
            outward[:, row] = sign * sideways * left + forward * face
    return body, outward


def _camera_axes(camera: Camera) -> Float[np.ndarray, "3 3"]:
    """Return the camera's right, up and backward axes, one a row."""
    view, tilt = np.radians(camera.view), np.radians(camera.tilt)
    right = np.array([np.cos(view), 0, -np.sin(view)])
    back = np.array([np.sin(view) * np.cos(tilt), np.sin(tilt), np.cos(view) * np.cos(tilt)])
    return np.stack([right, np.cross(back, right), back])


def _shot(
    body: Float[np.ndarray, "t 18 3"], camera: Camera
) -> tuple[Float[np.ndarray, "t 18 2"], Float[np.ndarray, "t 18 3"]]:
    """Return places in the picture, and the unit vectors from the points to the camera."""
    width, height = camera.size
    low, high = body.min(axis=(0, 1)), body.max(axis=(0, 1))
    centred = body - (low + high) / 2
    if not 0 < float(np.max(high - low)) < np.inf:
        raise PoseError("P6", "capture", "all joints are in one place", "give another take")
    focal = height / 2 / np.tan(np.radians(camera.lens) / 2)
    room = np.array([width, height]) * (0.5 - MARGIN) / focal
    distance = float((centred[..., 2:] + np.abs(centred[..., :2]) / room).max())
    depth = distance - centred[..., 2:]
    places = np.array([width, height]) / 2 + focal * centred[..., :2] / depth * (1, -1)
    towards = np.array([0, 0, distance]) - centred
    return places, _unit(towards)


def _hidden(
    outward: Float[np.ndarray, "t 18 3"], towards: Float[np.ndarray, "t 18 3"]
) -> Bool[np.ndarray, "t 18"]:
    """Tell which points of the head the head itself hides."""
    facing = np.sum(outward * towards, axis=-1)
    hidden = np.zeros(facing.shape, dtype=bool)
    for name, rows in _HEAD_ROWS.items():
        for row in set(rows):
            hidden[:, row] = facing[:, row] < _HIDDEN_BEYOND[name]
    return hidden


def _unit(vectors: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    unit: np.ndarray = vectors / np.maximum(lengths, 1e-12)
    return unit
