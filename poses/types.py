"""Poses as data: one body in one picture, and one body through a clip.

Convention: x to the right and y down, in pixels of a canvas of `size` (width, height), whose
corner is (0, 0) and whose first pixel has its centre at (0.5, 0.5); confidence in [0, 1]. A
missing joint is (NaN, NaN, 0). "Left" is the body's own left.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
from jaxtyping import Bool, Float

from poses.errors import PoseError

BODY_JOINTS = 18
HAND_JOINTS = 21
FACE_JOINTS = 70
CONFIDENT = 0.3

Joints = Float[np.ndarray, "_ 3"]
JointTracks = Float[np.ndarray, "t _ 3"]


def missing_joints(*shape: int) -> Float[np.ndarray, "*shape 3"]:
    """Return joints that are all missing: (NaN, NaN, 0)."""
    joints = np.full((*shape, 3), np.nan)
    joints[..., 2] = 0.0
    return joints


def confident(joints: Float[np.ndarray, "*shape 3"]) -> Bool[np.ndarray, "*shape"]:
    """Tell which joints are known well enough to be used: finite, confidence 0.3 or more."""
    return np.asarray(np.isfinite(joints).all(axis=-1) & (joints[..., 2] >= CONFIDENT))


def body_height(body: JointTracks) -> float:
    """Return the median height of the box of the confident joints, at least one pixel."""
    rows = np.where(confident(body), body[..., 1], np.nan)
    shown = rows[np.isfinite(rows).any(axis=1)]
    if not len(shown):
        return 1.0
    return max(float(np.median(np.nanmax(shown, axis=1) - np.nanmin(shown, axis=1))), 1.0)


@dataclass(frozen=True, eq=False)
class Pose:
    """One person in one picture.

    body (18, 3) in OpenPose's body-18 order; hands (21, 3) and face (70, 3) where known.
    Raises: PoseError when an array has another shape.
    """

    body: Joints
    size: tuple[int, int]
    left_hand: Joints | None = None
    right_hand: Joints | None = None
    face: Joints | None = None

    def __post_init__(self) -> None:
        _check_parts(self, rank=2)


@dataclass(frozen=True, eq=False)
class PoseSequence:
    """One person through a clip: pose k belongs to frame k.

    body (t, 18, 3), hands (t, 21, 3), face (t, 70, 3); `rate` in frames per second.
    """

    body: JointTracks
    size: tuple[int, int]
    rate: Fraction = Fraction(25)
    left_hand: JointTracks | None = None
    right_hand: JointTracks | None = None
    face: JointTracks | None = None

    def __post_init__(self) -> None:
        _check_parts(self, rank=3)

    def __len__(self) -> int:
        return len(self.body)

    def __getitem__(self, index: int) -> Pose:
        parts = {name: tracks[index] for name, tracks in parts_of(self).items()}
        return Pose(size=self.size, **parts)

    def __iter__(self) -> Iterator[Pose]:
        return (self[index] for index in range(len(self)))

    @classmethod
    def from_poses(cls, poses: Sequence[Pose], *, rate: Fraction = Fraction(25)) -> "PoseSequence":
        """Stack poses of one canvas size; a hand or face that any pose has is kept.

        Raises: PoseError when there are no poses or their sizes differ.
        """
        if not poses:
            raise PoseError("P1", "poses", "no poses to stack", "give at least one")
        sizes = {pose.size for pose in poses}
        if len(sizes) > 1:
            raise PoseError("P6", "poses", f"canvas sizes differ: {sorted(sizes)}", "use one size")
        tracks = {"body": np.stack([pose.body for pose in poses])}
        for name, joints in (
            ("left_hand", HAND_JOINTS),
            ("right_hand", HAND_JOINTS),
            ("face", FACE_JOINTS),
        ):
            found = [getattr(pose, name) for pose in poses]
            if any(part is not None for part in found):
                tracks[name] = np.stack(
                    [missing_joints(joints) if part is None else part for part in found]
                )
        return cls(size=poses[0].size, rate=rate, **tracks)

    def with_body(self, body: JointTracks) -> "PoseSequence":
        """Return a copy with another body track of the same length."""
        return replace(self, body=body)


def parts_of(pose: Pose | PoseSequence) -> dict[str, np.ndarray]:
    """Return the parts that are there, by field name: body, left_hand, right_hand, face."""
    names = ("body", "left_hand", "right_hand", "face")
    return {name: part for name in names if (part := getattr(pose, name)) is not None}


def _check_parts(pose: Pose | PoseSequence, *, rank: int) -> None:
    joints = {
        "body": BODY_JOINTS,
        "left_hand": HAND_JOINTS,
        "right_hand": HAND_JOINTS,
        "face": FACE_JOINTS,
    }
    for name, part in parts_of(pose).items():
        if part.ndim != rank or part.shape[-2:] != (joints[name], 3):
            raise PoseError(
                "P6",
                name,
                f"has shape {part.shape}, not (..., {joints[name]}, 3)",
                "give x, y and confidence for every joint",
            )
