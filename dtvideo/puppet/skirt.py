"""Whether a character wears a skirt, or a shirt over its thighs, and how far down that hangs.

A skirt covers both legs, so that it must not be cut along them. It is told by its outline and its
colours: above its hem the way from leg to leg lies in the character and shows the skirt's colours,
at the hem the outline steps in to the legs, and their colours change. A cape fails the second,
trousers the last. A shirt that ends on the thighs is told by its colours, those of the trunk.
Heights are shares of the legs: 0 the hips, 1 the knees, 2 the ankles.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, UInt8

from dtvideo.puppet.body import HIPS, NECK, Points, known, torso_length, ways_out
from dtvideo.puppet.boxes import Box, offsets

LEGS = ((8, 9, 10), (11, 12, 13))  # hip, knee, ankle
HEIGHTS = np.arange(0.1, 1.96, 0.05)
HIGHEST_HEM = 0.55
LEAST_STEP = 1.35  # of the outline at the hem, as a ratio
LEAST_CHANGE = 25.0  # of the colours at the hem, in levels
MOST_BETWEEN = 0.5  # of that change: how much the colours between the legs may differ
BETWEEN = np.array([[0.65, 0.35], [0.5, 0.5], [0.35, 0.65]])  # shares of right and left leg
NEAR_HEM = (0.1, 0.3)  # where colours are compared, above and below it
SHIRT_HEMS = np.arange(0.1, 0.41, 0.025)
NEAR_SHIRT_HEM = (0.03, 0.15)
AS_MUCH = 0.95  # of the greatest change: the hem is in the middle of what changes so much
WAIST = (0.05, 0.3)  # shares of the spine, between which the trunk's own colour is looked for

Image = UInt8[np.ndarray, "h w 3"]
Region = Bool[np.ndarray, "h w"]
Heights = Float[np.ndarray, " n"]


@dataclass(frozen=True, eq=False)
class Skirt:
    """A skirt down to a height of the legs; corners: of its outline in the reference."""

    hem: float
    corners: Float[np.ndarray, "4 2"]

    def bone(self, points: Points) -> Float[np.ndarray, "2 2"]:
        """Return the middle of the hips, and that of the legs at the hem; NaN if not known."""
        return middle_bone(self.hem, points)

    def above_hem(self, box: Box, points: Points) -> Region:
        """Return which pixels of a box do not lie below the hem."""
        return above(self.hem, box, points)


def find_skirt(picture: Image, solid: Region, arms: Region, points: Points) -> Skirt | None:
    """Return the skirt of a character, None where nothing speaks for one.

    solid: where the character is; arms: where its arms are, which may hang beside a skirt.
    """
    spine = points[NECK] - points[list(HIPS)].mean(axis=0)
    if not known(legs_at(points, HEIGHTS)).all() or not known(spine):
        return None
    pairs = legs_at(points, HEIGHTS)
    end = next((row for row, pair in enumerate(pairs) if not _covers(solid, *pair)), len(pairs))
    sides = _sides(points, spine)
    widths = _widths(solid & ~arms, points, sides)
    hem = _step_of(widths.mean(axis=1), end=end)
    if hem is None or not _looks_like_one(picture, points, hem):
        return None
    worn = widths[HEIGHTS <= hem].max(axis=1)
    ends = legs_at(points, np.array([0.0, hem]))
    return Skirt(hem, (ends + sides * worn[[0, -1], None, None]).reshape(4, 2))


def find_shirt_hem(picture: Image, solid: Region, points: Points) -> float | None:
    """Return how far down the thighs a shirt hangs, None where none hangs over them.

    What is above its hem has the colours of the trunk, on the thighs and between them.
    """
    hips = points[list(HIPS)]
    if not known(legs_at(points, HEIGHTS)).all() or not known(points[NECK]):
        return None
    up = points[NECK] - hips.mean(axis=0)
    trunk = _colour(picture, BETWEEN @ hips + np.linspace(*WAIST, 6)[:, None, None] * up)
    near, far = NEAR_SHIRT_HEM
    changes: dict[float, float] = {}
    for hem in SHIRT_HEMS:
        if not _covers(solid, *legs_at(points, np.array([hem - near]))[0]):
            break
        legs, middle, under = _around_hem(picture, points, hem, near=near, far=far)
        change = float(np.linalg.norm(under - legs))
        alike = max(float(np.linalg.norm(each - legs)) for each in (middle, trunk))
        if change > max(LEAST_CHANGE, alike / MOST_BETWEEN):
            changes[float(hem)] = change
    most = AS_MUCH * max(changes.values(), default=0.0)
    best = [hem for hem, change in changes.items() if change >= most]
    return float(np.mean(best)) if best else None


def middle_bone(hem: float, points: Points) -> Float[np.ndarray, "2 2"]:
    """Return the middle of the hips, and that of the legs at a height; NaN if not known."""
    return np.asarray(legs_at(points, np.array([0.0, hem])).mean(axis=1))


def above(hem: float, box: Box, points: Points) -> Region:
    """Return which pixels of a box do not lie below a height of the legs."""
    top, low = middle_bone(hem, points)
    right, down = offsets(box, low)
    return np.asarray(right * (low - top)[0] + down * (low - top)[1] <= 0)


def legs_at(points: Points, heights: Heights) -> Float[np.ndarray, "n 2 2"]:
    """Return where the right and the left leg are at some heights."""
    down = heights[:, None]
    legs = [
        points[hip]
        + np.minimum(down, 1) * (points[knee] - points[hip])
        + np.maximum(down - 1, 0) * (points[ankle] - points[knee])
        for hip, knee, ankle in LEGS
    ]
    return np.stack(legs, axis=1)


def _covers(solid: Region, right: np.ndarray, left: np.ndarray) -> bool:
    """Return whether the whole way between two points lies inside."""
    count = max(3, int(2 * np.linalg.norm(left - right)))
    way = right + np.linspace(0, 1, count)[:, None] * (left - right)
    return bool(solid[_pixels(way, solid.shape)].all())


def _sides(points: Points, spine: Float[np.ndarray, "2"]) -> Float[np.ndarray, "2 2"]:
    """Return the directions outwards of the right and of the left leg, of length 1."""
    side = np.array([-spine[1], spine[0]]) / max(float(np.linalg.norm(spine)), 1.0)
    right, left = legs_at(points, HEIGHTS).mean(axis=0)
    return np.stack([side, -side]) if (right - left) @ side >= 0 else np.stack([-side, side])


def _widths(
    body: Region, points: Points, sides: Float[np.ndarray, "2 2"]
) -> Float[np.ndarray, "n 2"]:
    """Return the way from each leg outwards to the outline, at each height."""
    legs = legs_at(points, HEIGHTS)
    return ways_out(body, legs, np.broadcast_to(sides, legs.shape), 1.5 * torso_length(points))


def _step_of(widths: Heights, *, end: int) -> float | None:
    """Return the height at which the outline steps in most, while the legs are covered."""
    best: tuple[float, float | None] = (LEAST_STEP, None)
    first = int(np.searchsorted(HEIGHTS, HIGHEST_HEM - 1e-6))
    for index in range(first, min(end + 2, len(HEIGHTS) - 4)):
        above, below = widths[index - 4 : index + 1].max(), widths[index + 1 : index + 4].min()
        best = max(best, (above / max(below, 1.0), float(HEIGHTS[index])), key=lambda each: each[0])
    return best[1] if end >= first else None


def _looks_like_one(picture: Image, points: Points, hem: float) -> bool:
    """Return whether colours change at the hem, and not between the legs above it."""
    near, far = NEAR_HEM
    legs, middle, under = _around_hem(picture, points, hem, near=near, far=far)
    change = float(np.linalg.norm(under - legs))
    return change > max(LEAST_CHANGE, float(np.linalg.norm(middle - legs)) / MOST_BETWEEN)


def _around_hem(
    picture: Image, points: Points, hem: float, *, near: float, far: float
) -> list[Float[np.ndarray, "3"]]:
    """Return the colours on the legs above a hem, between them, and on the legs below it."""
    upper = legs_at(points, np.linspace(hem - far, hem - near, 6))
    lower = legs_at(points, np.linspace(hem + near, hem + far, 6).clip(max=2))
    between = np.einsum("nld,kl->nkd", upper, BETWEEN)
    return [_colour(picture, places) for places in (upper, between, lower)]


def _colour(picture: Image, places: Float[np.ndarray, "n k 2"]) -> Float[np.ndarray, "3"]:
    pixels = _pixels(places.reshape(-1, 2), picture.shape)
    return np.asarray(np.median(picture[pixels].astype(float), axis=0))


def _pixels(places: Float[np.ndarray, "n 2"], shape: tuple[int, ...]) -> tuple[np.ndarray, ...]:
    """Return the rows and columns of the pixels at some places, the nearest in the picture."""
    columns, rows = np.round(places).astype(int).T
    return rows.clip(0, shape[0] - 1), columns.clip(0, shape[1] - 1)
