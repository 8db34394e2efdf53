"""What the puppet needs to know of a body: its parts, its size and what hides what.

Points are (18, 2) in pixels of the picture; a missing joint is NaN.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from poses.types import Pose

NECK = 1
SHOULDERS, HIPS = (2, 5), (8, 11)
TORSO = (NECK, *SHOULDERS, *HIPS)
FACE = (0, 14, 15)
EYES, EARS = (14, 15), (16, 17)
ANKLES = (10, 13)

# A bone turned away from the viewer looks shorter, so a high quantile of the ratios is the
# best guess of the ratio of sizes: right to 3 % on drawn characters.
SCALE_QUANTILE = 0.72

Points = Float[np.ndarray, "18 2"]
Point = Float[np.ndarray, "2"]


@dataclass(frozen=True)
class Limb:
    """One bone with flesh: joints, what it hangs on, its usual half width in torso lengths.

    tip: what goes on beyond its end (a hand or a foot) as a part of its own.
    """

    start: int
    end: int
    parent: str
    half_width: float
    tip: str | None = None


LIMBS = {
    "right_upper_arm": Limb(2, 3, "torso", 0.16),
    "right_forearm": Limb(3, 4, "right_upper_arm", 0.14, "right_hand"),
    "left_upper_arm": Limb(5, 6, "torso", 0.16),
    "left_forearm": Limb(6, 7, "left_upper_arm", 0.14, "left_hand"),
    "right_thigh": Limb(8, 9, "torso", 0.22),
    "right_shin": Limb(9, 10, "right_thigh", 0.18, "right_foot"),
    "left_thigh": Limb(11, 12, "torso", 0.22),
    "left_shin": Limb(12, 13, "left_thigh", 0.18, "left_foot"),
}
MEASURED_BONES = (
    *((limb.start, limb.end) for limb in LIMBS.values()),
    *((NECK, hip) for hip in HIPS),
)

RIGHT_ARM = ("right_upper_arm", "right_forearm", "right_hand")
LEFT_ARM = ("left_upper_arm", "left_forearm", "left_hand")
RIGHT_LEG = ("right_foot", "right_shin", "right_thigh")
LEFT_LEG = ("left_foot", "left_shin", "left_thigh")


def points_in(pose: Pose, size: tuple[int, int]) -> Points:
    """Return body points in pixels of a picture of `size` (width, height).

    The centre of the first pixel is (0, 0), as OpenCV counts; in a pose it is (0.5, 0.5).
    """
    points = pose.body[:, :2] * (np.array(size) / np.array(pose.size)) - 0.5
    return np.where(pose.body[:, 2:] > 0, points, np.nan)


def known(points: Float[np.ndarray, "*n 2"]) -> Bool[np.ndarray, "*n"]:
    """Return which points are there."""
    return np.asarray(np.isfinite(points).all(axis=-1))


def torso_length(points: Points) -> float:
    """Return neck to the middle of the hips, or a guess from what is known; at least 1."""
    hips = points[list(HIPS)][known(points[list(HIPS)])]
    if len(hips) and known(points[NECK]):
        return max(float(np.linalg.norm(hips.mean(axis=0) - points[NECK])), 1.0)
    spread = points[known(points)]
    return max(float(np.ptp(spread, axis=0).max()) / 3, 1.0) if len(spread) else 1.0


def body_scale(reference: Points, target: Points) -> float:
    """Return how much larger the body is in the target, whatever its pose."""
    starts, ends = np.array(MEASURED_BONES).T
    before = np.linalg.norm(reference[starts] - reference[ends], axis=1)
    after = np.linalg.norm(target[starts] - target[ends], axis=1)
    usable = np.isfinite(before + after) & (before > 1)
    if not usable.any():
        return 1.0
    weights, ratios = before[usable], (after[usable] / before[usable])
    order = np.argsort(ratios)
    rank = np.cumsum(weights[order])
    middle = np.searchsorted(rank, SCALE_QUANTILE * rank[-1])
    return max(float(ratios[order][middle]), 0.05)


def back_to_front(points: Points, *, behind: bool = False) -> tuple[str, ...]:
    """Return part names from the farthest to the nearest.

    Hair, legs, skirt, torso, upper arms, head, the rest of the arms; when one ear is seen, the arm
    of the other side goes behind. Hair falls over the torso of a body that is seen from `behind`.
    """
    right, left = known(points[list(EARS)])
    far: tuple[str, ...] = ()
    near: tuple[tuple[str, ...], ...] = (RIGHT_ARM, LEFT_ARM)
    legs = (*RIGHT_LEG, *LEFT_LEG)
    if right and not left:
        far, near, legs = LEFT_ARM, (RIGHT_ARM,), (*LEFT_LEG, *RIGHT_LEG)
    elif left and not right:
        far, near = RIGHT_ARM, (LEFT_ARM,)
    shoulders = tuple(upper for upper, *_ in near)
    reaching = tuple(name for _, *rest in near for name in rest)
    if behind:
        return (*far, *legs, "skirt", "torso", "hair", *shoulders, "head", *reaching)
    return ("hair", *far, *legs, "skirt", "torso", *shoulders, "head", *reaching)


def ways_out(
    solid: Bool[np.ndarray, "h w"],
    starts: Float[np.ndarray, "*n 2"],
    ways: Float[np.ndarray, "*n 2"],
    limit: float,
) -> Float[np.ndarray, "*n"]:
    """Return how far one can go from each start inside a region, in steps of half a pixel."""
    steps = np.arange(0, limit, 0.5)
    places = np.round(starts[..., None, :] + steps[:, None] * ways[..., None, :]).astype(int)
    columns, rows = places[..., 0], places[..., 1]
    height, width = solid.shape
    within = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    inside = within & solid[rows.clip(0, height - 1), columns.clip(0, width - 1)]
    return np.where(inside.all(axis=-1), limit, steps[inside.argmin(axis=-1)])
