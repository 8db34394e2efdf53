"""Whether hair falls behind a character, and where.

Long hair hangs from the head, not from the trunk that it falls behind. It is told by its colour:
the commonest beside and above the face, which is not the face's, and goes on from there down past
the shoulders.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8

from dtvideo.puppet.body import FACE, Point, Points, known, torso_length
from dtvideo.puppet.borders import closed
from dtvideo.puppet.boxes import offsets
from dtvideo.puppet.colours import Colour, commonest

RING = 0.7, 1.0  # radii of the head between which its colour is looked for ...
LOWEST = 0.2  # ... no farther below its centre
FACE_SPOT = 0.15  # radii around the joints of the face, where the face's colour is
LEAST_CHANGE = 45.0  # between the colours of hair and face, in levels
SHADES = 0.6, 1.15  # times its colour: shadows and lights of hair
TOLERANCE = 24.0  # levels that a pixel may differ from them
BRIDGE = 0.06  # torso lengths: how wide lines in hair may be
LEAST_FALL = 0.3  # torso lengths below the head: less than that turns with the head
WIDEST = 1.5  # radii of the head that hair falls beside its centre
MOST_WORN = 0.17  # share of torso and middles of arms that may have its colour: more is fur
MOST_IN_MIDDLE = 0.1  # share of an arm's middle that may have it: more is a sleeve of that colour
BEHIND = 0.4  # torso lengths of arm or torso, behind which hair goes on
LEAST_AREA = 0.06  # square torso lengths
LINE = 0.05  # torso lengths: how wide the line around hair is
THINNEST = 0.08  # radii of the head: what is thinner is a line, not hair

Image = UInt8[np.ndarray, "h w 3"]
Region = Bool[np.ndarray, "h w"]
Arm = tuple[Region, Region]
Lengths = Float[np.ndarray, "_ _"]


@dataclass(frozen=True, eq=False)
class Circle:
    """About where a head is: its centre and radius in pixels."""

    centre: Point
    radius: float

    def around(self, shape: tuple[int, ...]) -> tuple[Lengths, Lengths, Lengths]:
        """Return how far right of and below the centre each pixel lies, and how far from it."""
        right, down = offsets(np.s_[: shape[0], : shape[1]], self.centre)
        return right, down, np.sqrt(right**2 + down**2)


def falling_hair(
    picture: Image,
    free: Region,
    torso: Region,
    points: Points,
    *,
    arms: Sequence[Arm],
    head: Circle,
) -> Region | None:
    """Return where hair falls below a head, None where it falls no farther than the shoulders.

    free: what of the picture is the character's and no limb's or torso's; points: the body's.
    torso, arms: behind which hair goes on; of an arm all that it may cover beside the torso, and
    its middle. Where hair falls, what has its colour beside the middle of an arm is hair too.
    """
    shade = _shades_of_hair(picture, free, points, head=head)
    if shade is None or _share(shade, np.any([torso, *(m for _, m in arms)], axis=0)) > MOST_WORN:
        return None
    length = torso_length(points)
    covering = np.any([torso, *(arm for arm, _ in arms)], axis=0)
    hair = _fallen(shade, free, covering, head=head, length=length)
    if hair is None:
        return None
    for arm, middle in arms:
        if _share(shade, middle) < MOST_IN_MIDDLE:
            free = free | (arm & shade)
    return _fallen(shade, free, covering, head=head, length=length)


def _share(shade: Region, of: Region) -> float:
    """Return how much of a region has a colour, 0 of one that is empty."""
    return float(shade[of].sum() / max(of.sum(), 1))


def _shades_of_hair(picture: Image, free: Region, points: Points, *, head: Circle) -> Region | None:
    """Return which pixels have the colour of hair, None where the face has it too."""
    right, down, distance = head.around(free.shape)
    inner, outer = (share * head.radius for share in RING)
    ring = free & (distance > inner) & (distance < outer) & (down < LOWEST * head.radius)
    face = free & _near(points[list(FACE)], free.shape, FACE_SPOT * head.radius)
    if not (ring.any() and face.any()):
        return None
    colour = 255 * commonest(picture[ring] / 255)
    if np.linalg.norm(colour - np.median(picture[face], axis=0)) < LEAST_CHANGE:
        return None
    return np.asarray(_is_shade(picture, colour) & (np.abs(right) < WIDEST * head.radius))


def _fallen(
    shade: Region, free: Region, covering: Region, *, head: Circle, length: float
) -> Region | None:
    """Return what hangs below the head of the free pixels of a colour, None if that is little."""
    _, down, distance = head.around(free.shape)
    line, thinnest = BRIDGE * length / 2, THINNEST * head.radius
    alike = free & _thick(closed(shade & free, reach=line), thinnest)
    behind = covering & _grown(shade & (free | covering), BEHIND * length / 2)
    start = alike & (distance < head.radius) & (down > -LOWEST * head.radius)
    hair = alike & _joined_to(start, alike | behind) & (distance > head.radius) & (down > 0)
    low = hair & (down > head.radius + LEAST_FALL * length)
    return hair if low.any() and hair.sum() > LEAST_AREA * length**2 else None


def with_outline(hair: Region, inside: Region, *, length: float) -> Region:
    """Return hair with the line between it and the ground; length: of the torso, in pixels."""
    width = max(1.0, LINE * length)
    rim = inside & _grown(~inside, width)
    return np.asarray(hair | (rim & _grown(hair, width)))


def without_rim(hair: Region) -> Region:
    """Return the hair that lies on nothing's border, where colours mix; all if that is none."""
    inner = hair & ~_grown(~hair, 1.0)
    return inner if inner.any() else hair


def _near(spots: Float[np.ndarray, "n 2"], shape: tuple[int, ...], radius: float) -> Region:
    """Return which pixels lie around some places."""
    region = np.zeros(shape, dtype=bool)
    for spot in spots[known(spots)]:
        right, down = offsets(np.s_[: shape[0], : shape[1]], spot)
        region |= right**2 + down**2 <= radius**2
    return region


def _is_shade(picture: Image, colour: Colour) -> Region:
    """Return which pixels show a colour, darker or lighter."""
    levels = picture.astype(np.float32)
    share = np.clip(levels @ colour / max(float(colour @ colour), 1.0), *SHADES)
    return np.asarray(np.linalg.norm(levels - share[..., None] * colour, axis=-1) < TOLERANCE)


def _grown(region: Region, margin: float) -> Region:
    """Return a region that is wider by a margin in pixels, rounded, on all sides."""
    brush = np.ones((2 * round(margin) + 1,) * 2, np.uint8)
    return np.asarray(cv2.dilate(region.astype(np.uint8), brush) > 0)


def _thick(region: Region, width: float) -> Region:
    """Return a region without what is thinner than a width in pixels: lines around parts."""
    return np.asarray(region & _grown(~_grown(~region, width / 2), width / 2))


def _joined_to(start: Region, region: Region) -> Region:
    """Return the pieces of a region that hold some of its pixels."""
    _, labels = cv2.connectedComponents(region.astype(np.uint8), connectivity=4)
    return np.isin(labels, np.unique(labels[start]))
