"""Whether hair falls behind a character, and where.

Long hair hangs from the head, not from the trunk that it falls behind. It is told by its colour:
the commonest beside and above the face, which is not the face's, and goes on from there down past
the shoulders.
"""

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
MOST_COVERING = 0.3  # share of arms and torso that may have its colour: more is fur, or a robot
BEHIND = 0.4  # torso lengths of arm or torso, behind which hair goes on
LEAST_AREA = 0.06  # square torso lengths
LINE = 0.05  # torso lengths: how wide the line around hair is
THINNEST = 0.08  # radii of the head: what is thinner is a line, not hair

Image = UInt8[np.ndarray, "h w 3"]
Region = Bool[np.ndarray, "h w"]


def falling_hair(
    picture: Image,
    free: Region,
    covering: Region,
    points: Points,
    *,
    centre: Point,
    radius: float,
) -> Region | None:
    """Return where hair falls below a head, None where it falls no farther than the shoulders.

    free: what of the picture is the character's and no limb's or torso's; covering: the arms and
    the torso, behind which hair goes on; points: the body's; centre, radius: of the head in pixels.
    """
    length = torso_length(points)
    right, down = offsets(np.s_[: free.shape[0], : free.shape[1]], centre)
    distance = np.sqrt(right**2 + down**2)
    ring = (distance > RING[0] * radius) & (distance < RING[1] * radius) & (down < LOWEST * radius)
    face = free & _near(points[list(FACE)], free.shape, FACE_SPOT * radius)
    if not ((ring & free).any() and face.any()):
        return None
    colour = 255 * commonest(picture[ring & free] / 255)
    if np.linalg.norm(colour - np.median(picture[face], axis=0)) < LEAST_CHANGE:
        return None
    shade = _is_shade(picture, colour) & (np.abs(right) < WIDEST * radius)
    if shade[covering].sum() > MOST_COVERING * covering.sum():
        return None
    alike = free & _thick(closed(shade & free, reach=BRIDGE * length / 2), THINNEST * radius)
    behind = covering & _grown(shade & (free | covering), BEHIND * length / 2)
    start = alike & (distance < radius) & (down > -LOWEST * radius)
    hair = alike & _joined_to(start, alike | behind) & (distance > radius) & (down > 0)
    fallen = hair & (down > radius + LEAST_FALL * length)
    return hair if fallen.any() and hair.sum() > LEAST_AREA * length**2 else None


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
