"""Where on the body a place of a picture is, from the key points alone.

Each place gets three numbers, 1 being a torso length: two say where it would be on a canonical
body that stands with its limbs spread, so that what is near on the body is near in number and
hands are far from feet; the third is 0 on the body and rises beyond it. Away from the body the
first two turn into the place in the picture.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from dtvideo.puppet.body import (
    HIPS,
    LIMBS,
    NECK,
    Points,
    known,
    points_in,
    torso_length,
)
from dtvideo.puppet.head import head_centre
from poses.types import Pose

Places = Callable[[tuple[int, int]], Float[Tensor, "*b n p"]]
"""Give the coordinates of every cell of a grid, (rows, columns), row by row."""

OFF_BODY = 1.5  # third number of a place that is not on the body
PICTURE_SIDE = 4.0  # the longer side of a picture, where a place is not on the body
CROWN = 0.8  # the crown is beyond the head's centre by this share of the way from the neck
HEAD_HALF_WIDTH = 0.55  # in ways from neck to crown
TORSO_HALF_WIDTH = 0.33

# The canonical body: neck at (0, 0), pelvis at (0, 1), x to the right, y down.
CANONICAL_JOINTS = {
    2: (-0.35, 0.0), 3: (-0.9, -0.2), 4: (-1.45, -0.4),
    5: (0.35, 0.0), 6: (0.9, -0.2), 7: (1.45, -0.4),
    8: (-0.2, 1.0), 9: (-0.5, 1.75), 10: (-0.8, 2.5),
    11: (0.2, 1.0), 12: (0.5, 1.75), 13: (0.8, 2.5),
}  # fmt: skip
CANONICAL_CROWN = (0.0, -1.0)

Vector = Float[np.ndarray, "2"]
Grid = Float[np.ndarray, "n 2"]


@dataclass(frozen=True, eq=False)
class Bone:
    """One bone in a picture, in torso lengths, and where it lies on the canonical body.

    side_scale: canonical lengths across for one torso length across.
    """

    start: Vector
    end: Vector
    canonical_start: Vector
    canonical_end: Vector
    half_width: float
    side_scale: float = 1.0


@dataclass(frozen=True, eq=False)
class PosePlaces:
    """The body coordinates of one pose, or of one a row of a batch, on any grid."""

    poses: Pose | Sequence[Pose]
    device: torch.device | str = "cpu"
    _made: dict[tuple[int, int], Tensor] = field(default_factory=dict)

    def __call__(self, grid: tuple[int, int]) -> Float[Tensor, "*b n 3"]:
        """Return the coordinates of every cell, (n, 3) or (batch, n, 3)."""
        if grid not in self._made:
            single = isinstance(self.poses, Pose)
            poses = [self.poses] if isinstance(self.poses, Pose) else self.poses
            stacked = np.stack([body_places(pose, grid) for pose in poses])
            places = torch.from_numpy(stacked).to(self.device)
            self._made[grid] = places[0] if single else places
        return self._made[grid]


def body_places(pose: Pose, grid: tuple[int, int]) -> Float[np.ndarray, "n 3"]:
    """Return the body coordinates of the cells of a grid, (rows, columns), row by row.

    A cell belongs to the bone that is nearest in half widths. It is on the body up to one half
    width, off it from two half widths on, and in between in between.
    """
    rows, columns = grid
    width, height = pose.size
    row, column = np.mgrid[:rows, :columns].reshape(2, -1) + 0.5
    corner = np.stack([column * width / columns, row * height / rows], axis=1)
    in_picture = (corner - (width / 2, height / 2)) * (PICTURE_SIDE / max(width, height))
    points = points_in(pose, pose.size)
    pixels = corner - 0.5  # as `points_in` counts
    length = torso_length(points)
    bones = _bones(points / length)
    if not bones:
        return _coordinates(in_picture, in_picture, off=np.ones(len(corner)))
    found = [_on_bone(pixels / length, bone) for bone in bones]
    scores = np.stack([score for score, _ in found])
    nearest = scores.argmin(axis=0)
    on_body = np.stack([places for _, places in found])[nearest, np.arange(len(pixels))]
    return _coordinates(on_body, in_picture, off=np.clip(scores.min(axis=0) - 1, 0, 1))


def _coordinates(
    on_body: Grid, in_picture: Grid, *, off: Float[np.ndarray, " n"]
) -> Float[np.ndarray, "n 3"]:
    share = off[:, None]
    place = on_body * (1 - share) + in_picture * share
    return np.concatenate([place, OFF_BODY * share], axis=1).astype(np.float32)


def _bones(points: Points) -> list[Bone]:
    """Return the bones whose joints are known; points in torso lengths."""
    bones = []
    for limb in LIMBS.values():
        if known(points[[limb.start, limb.end]]).all():
            start, end = (np.array(CANONICAL_JOINTS[joint]) for joint in (limb.start, limb.end))
            bone = Bone(points[limb.start], points[limb.end], start, end, limb.half_width)
            bones.append(bone)
    hips = points[list(HIPS)][known(points[list(HIPS)])]
    if not known(points[NECK]):
        return bones
    neck, origin = points[NECK], np.zeros(2)
    if len(hips):
        pelvis = hips.mean(axis=0)
        bones.append(Bone(neck, pelvis, origin, np.array((0.0, 1.0)), TORSO_HALF_WIDTH))
    centre = head_centre(points)
    if known(centre):
        crown = centre + CROWN * (centre - neck)
        length = max(float(np.linalg.norm(crown - neck)), 0.1)
        half_width = HEAD_HALF_WIDTH * length
        bones.append(Bone(neck, crown, origin, np.array(CANONICAL_CROWN), half_width, 1 / length))
    return bones


def _on_bone(places: Grid, bone: Bone) -> tuple[Float[np.ndarray, " n"], Grid]:
    """Return each place's distance to a bone in half widths, and its canonical place."""
    offset, axis = places - bone.start, bone.end - bone.start
    length = max(float(np.linalg.norm(axis)), 0.02)
    forward = axis / length
    along = offset @ forward / length
    across = offset @ np.array((-forward[1], forward[0]))
    beyond = (along - np.clip(along, 0, 1)) * length
    score = np.hypot(beyond, across) / bone.half_width
    canonical = bone.canonical_end - bone.canonical_start
    normal = np.array((-canonical[1], canonical[0])) / np.linalg.norm(canonical)
    sideways = (across * bone.side_scale)[:, None] * normal
    return score, bone.canonical_start + along[:, None] * canonical + sideways
