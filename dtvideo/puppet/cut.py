"""Cut a picture into the parts of a puppet and fill the ground behind it."""

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8

from dtvideo.puppet.body import LIMBS, Points, torso_length
from dtvideo.puppet.borders import along_edges, closed, in_one_piece
from dtvideo.puppet.boxes import box_around
from dtvideo.puppet.claims import claims_on
from dtvideo.puppet.skirt import Skirt

# All in torso lengths, unless a factor is meant; found by trying on drawn characters.
TIP_MARGIN = 0.06  # how far a limb goes on below its hand or foot
ENCLOSED = 0.2  # what the trunk has on two sides, no farther away, it goes on behind
OPAQUE = 0.98  # soft edges are laid once only

TRUNK = ("torso", "head", "skirt")

Image = UInt8[np.ndarray, "h w 3"]
Mask = Float[np.ndarray, "h w"]
Region = Bool[np.ndarray, "h w"]


@dataclass(frozen=True, eq=False)
class Patch:
    """A piece of picture: premultiplied RGBA in [0, 1], its first pixel at `origin` (x, y)."""

    pixels: Float[np.ndarray, "rows columns 4"]
    origin: tuple[int, int]


@dataclass(frozen=True, eq=False)
class Part:
    """One part: its own pixels, and `below` them its guessed shape under its neighbours."""

    own: Patch
    below: Patch | None


@dataclass(frozen=True, eq=False)
class Outline:
    """Where a part is: its own pixels, and all that it covers if nothing hid it.

    plain: those of its own whose colours go on where it is hidden.
    """

    own: Region
    whole: Region
    plain: Region


def cut_parts(
    reference: Image, mask: Mask, points: Points, *, ground: Image, skirt: Skirt | None = None
) -> dict[str, Part]:
    """Return the parts found, by name: each pixel of the mask belongs to one of them.

    mask in [0, 1]. The ground's share is taken out of the soft edge. Under its neighbours a
    part goes on in the nearest of its own colours.
    """
    inside, solid = mask > 0.02, mask > 0.5
    if not inside.any():
        return {}
    box = box_around(inside)
    alpha = mask[box].astype(np.float32)
    picture = _without_ground(reference[box], alpha, ground[box])
    outlines = _outlines(reference, inside, solid, points, skirt=skirt)
    corner = (box[1].start, box[0].start)
    return {
        name: _part(picture, alpha, outline, corner=corner)
        for name, outline in outlines.items()
        if outline.own.any()
    }


def fill_ground(reference: Image, mask: Mask) -> Image:
    """Return the reference with its character replaced by what the hole's rim makes likely.

    The mean of two guesses: the smooth continuation of the rim, and each row filled between its
    two ends, which keeps horizons and floors level.
    """
    reach = max(3, round(max(mask.shape) / 64)) | 1
    hole = cv2.dilate((mask > 0.02).astype(np.uint8), np.ones((reach, reach), np.uint8))
    smooth = cv2.inpaint(reference, hole, 3, cv2.INPAINT_NS).astype(np.float64)
    level = _bridge_rows(smooth, hole > 0)
    return np.asarray(np.round((smooth + level) / 2), dtype=np.uint8)


def _bridge_rows(picture: Float[np.ndarray, "h w 3"], hole: Region) -> Float[np.ndarray, "h w 3"]:
    """Return the picture, each row linear across its holes; a row that is all hole stays."""
    width = picture.shape[1]
    columns = np.broadcast_to(np.arange(width), hole.shape)
    before = np.maximum.accumulate(np.where(hole, -1, columns), axis=1)
    after = np.minimum.accumulate(np.where(hole, width, columns)[:, ::-1], axis=1)[:, ::-1]
    rows, places = np.nonzero(hole & ~hole.all(axis=1, keepdims=True))
    left, right = before[rows, places], after[rows, places]
    left, right = np.where(left < 0, right, left), np.where(right == width, left, right)
    start, end = picture[rows, left], picture[rows, right]
    slope = (end - start) / np.maximum(right - left, 1)[:, None]
    bridged = picture.copy()
    bridged[rows, places] = start + slope * (places - left)[:, None]
    return bridged


def _without_ground(reference: Image, alpha: Mask, ground: Image) -> Float[np.ndarray, "h w 3"]:
    """Return the colour that gives the reference when it is laid over the ground."""
    share = alpha[..., None]
    mixed = reference.astype(np.float32) / 255
    behind = ground.astype(np.float32) / 255
    return np.asarray(np.clip((mixed - (1 - share) * behind) / np.maximum(share, 0.02), 0, 1))


def _outlines(
    picture: Image, inside: Region, solid: Region, points: Points, *, skirt: Skirt | None
) -> dict[str, Outline]:
    """Give each pixel inside to the part that claims it most.

    The outlines are those in the box around what is inside.
    """
    box = box_around(inside)
    claims = claims_on(picture, inside, solid, points, skirt=skirt)
    scores, inside = claims.scores, inside[box]
    owner = along_edges(picture[box], np.stack(list(scores.values())), inside)
    owner = in_one_piece(owner, inside, len(scores))
    outlines = {}
    for index, name in enumerate(scores):
        own = inside & (owner == index)
        whole = own | (inside & claims.wholes.get(name, own))
        if name in TRUNK:
            whole |= inside & closed(own, reach=ENCLOSED * torso_length(points))
        plain = own & claims.plain.get(name, own)
        outlines[name] = Outline(own, whole, plain=plain if plain.any() else own)
    return _split_tips(outlines, claims.along, points)


def _split_tips(
    outlines: dict[str, Outline], along: dict[str, Mask], points: Points
) -> dict[str, Outline]:
    """Give what lies beyond wrist and ankle to the hand and the foot."""
    split = dict(outlines)
    for name, share in along.items():
        limb = LIMBS[name]
        if limb.tip:
            bone = max(float(np.linalg.norm(points[limb.end] - points[limb.start])), 1.0)
            end = 1 + TIP_MARGIN * torso_length(points) / bone
            whole = outlines[name]
            tip, shaft = whole.own & (share > 1), whole.own & (share <= 1)
            split[limb.tip] = Outline(tip, whole.whole & (share > 1), plain=tip)
            split[name] = Outline(shaft, whole.whole & (share < end), plain=shaft)
    return split


def _part(
    picture: Float[np.ndarray, "h w 3"], alpha: Mask, outline: Outline, *, corner: tuple[int, int]
) -> Part:
    """Cut one part from a box of the picture that begins at `corner` (x, y)."""
    own = _patch(picture, alpha * outline.own, corner=corner)
    if (outline.whole == outline.own).all():
        return Part(own, None)
    below = outline.whole & (~outline.own | (alpha > OPAQUE))
    box = box_around(outline.whole)
    guessed = spread(picture[box], outline.plain[box])
    start = (corner[0] + box[1].start, corner[1] + box[0].start)
    return Part(own, _patch(guessed, alpha[box] * below[box], corner=start))


def _patch(picture: Float[np.ndarray, "h w 3"], alpha: Mask, *, corner: tuple[int, int]) -> Patch:
    """Return the box around what is visible, with a clear rim of one pixel."""
    box = box_around(alpha > 0)
    colour = picture[box] * alpha[box][..., None]
    pixels = np.concatenate([colour, alpha[box][..., None]], axis=-1)
    origin = (corner[0] + box[1].start - 1, corner[1] + box[0].start - 1)
    return Patch(np.pad(pixels, ((1, 1), (1, 1), (0, 0))), origin)


def spread(picture: Float[np.ndarray, "h w 3"], own: Region) -> Float[np.ndarray, "h w 3"]:
    """Return the picture, pixels that are not a part's own in its nearest own colour."""
    _, labels = cv2.distanceTransformWithLabels(
        (~own).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    colours = np.zeros((int(labels.max()) + 1, 3), dtype=np.float32)
    colours[labels[own]] = picture[own]
    return np.where(own[..., None], picture, colours[labels])
