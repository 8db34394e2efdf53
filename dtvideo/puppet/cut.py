"""Cut a picture into the parts of a puppet and fill the ground behind it."""

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8

from dtvideo.puppet.body import (
    LIMBS,
    NECK,
    TORSO,
    Limb,
    Point,
    Points,
    known,
    torso_length,
    ways_out,
)
from dtvideo.puppet.borders import along_edges, closed, in_one_piece
from dtvideo.puppet.boxes import Box, box_around, offsets
from dtvideo.puppet.head import head_centre
from dtvideo.puppet.skirt import Skirt

# All in torso lengths, unless a factor is meant; found by trying on drawn characters.
TORSO_PRIORITY = 0.6  # a limb's own pixels, up to this share of its half width, beat the torso
TORSO_REACH = 0.25  # how far beyond its corners the torso competes for pixels
HEAD_REACH = 0.4  # how far beyond its circle the head competes: hair, but never a hand
HAND_LENGTH = 0.2  # how far a forearm goes on beyond its wrist
LARGEST_TIP = 0.4  # radius of the largest hand or foot
TORSO_MARGIN = 0.12  # how far it goes on below its neighbours
TIP_MARGIN = 0.06  # how far a limb goes on below its hand or foot
LIMB_SLACK = 1.1  # on the measured half width
TIP_SLACK = 1.3  # on the measured radius of a hand or foot, which are not quite round
HEAD_SLACK = 1.05  # on the measured radius
NARROWEST, WIDEST = 0.4, 1.8  # half widths believed, against the usual ones
LIMB_EDGE = 1.25  # half widths, beyond which a limb's claim weakens ...
BEYOND_EDGE = 11.0  # ... so many times as fast: wings, tails and wide capes are the trunk's
ENCLOSED = 0.2  # what the trunk has on two sides, no farther away, it goes on behind
OPAQUE = 0.98  # soft edges are laid once only
FAR = 1e4

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
    """Where a part is: pixels nearest to it, and all that it covers if nothing hid it."""

    own: Region
    whole: Region


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


def arm_region(solid: Region, points: Points) -> Region:
    """Return where the arms and hands are, in the box around what is solid."""
    length, arms = torso_length(points), np.zeros_like(solid)
    if not solid.any():
        return arms
    box = box_around(solid)
    for name, half_width in _half_widths(solid, points, length).items():
        if name.endswith("arm"):
            distance, _ = _along_bone(box, points, LIMBS[name], tip=_tip(LIMBS[name], length))
            arms[box] |= distance <= half_width
    return arms


def _tip(limb: Limb, length: float) -> float:
    """Return how far a limb goes on beyond its end, in pixels."""
    return HAND_LENGTH * length if limb.tip and limb.tip.endswith("hand") else 0.0


def _outlines(
    picture: Image, inside: Region, solid: Region, points: Points, *, skirt: Skirt | None
) -> dict[str, Outline]:
    """Give each pixel inside to the part whose bone is nearest in half widths.

    The outlines are those in the box around what is inside.
    """
    length, box = torso_length(points), box_around(inside)
    hull = _distance_to_hull(points[list(TORSO)], inside.shape)[box]
    scores = {"torso": TORSO_PRIORITY + hull / (TORSO_REACH * length)}
    wholes = {"torso": hull <= TORSO_MARGIN * length}
    centre = head_centre(points)
    if known(centre):
        radius = HEAD_SLACK * _head_radius(solid, points, centre, length)
        right, down = offsets(box, centre)
        distance = np.sqrt(right**2 + down**2)
        beyond = np.maximum(distance - radius, 0) / (HEAD_REACH * length)
        scores["head"] = np.minimum(distance / radius, 1) + beyond
    along = {}
    for name, half_width in _half_widths(solid, points, length).items():
        limb = LIMBS[name]
        distance, along[name] = _along_bone(box, points, limb, tip=_tip(limb, length))
        widths = distance / half_width
        beyond = np.maximum(widths - LIMB_EDGE, 0) * ~_in_tip(box, solid, points, limb)
        scores[name] = widths + (BEYOND_EDGE - 1) * beyond
        wholes[name] = distance <= half_width
    if skirt is not None:
        above = skirt.above_hem(box, points)
        hull = _distance_to_hull(skirt.corners, inside.shape)[box]
        scores["skirt"] = np.where(above, TORSO_PRIORITY + hull / (TORSO_REACH * length), FAR)
        wholes["skirt"] = above & (hull <= TORSO_MARGIN * length)
        for name in scores:
            if name.endswith(("thigh", "shin")):
                scores[name] = np.where(above, FAR, scores[name])
    inside = inside[box]
    owner = along_edges(picture[box], np.stack(list(scores.values())), inside)
    owner = in_one_piece(owner, inside, len(scores))
    outlines = {}
    for index, name in enumerate(scores):
        own = inside & (owner == index)
        whole = own | (inside & wholes.get(name, own))
        if name in TRUNK:
            whole |= inside & closed(own, reach=ENCLOSED * length)
        outlines[name] = Outline(own, whole)
    return _split_tips(outlines, along, points)


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
            split[limb.tip] = Outline(whole.own & (share > 1), whole.whole & (share > 1))
            split[name] = Outline(whole.own & (share <= 1), whole.whole & (share < end))
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
    guessed = spread(picture[box], outline.own[box])
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


def _half_widths(solid: Region, points: Points, length: float) -> dict[str, float]:
    """Measure each limb's half width in pixels; a limb is as thin as its twin."""
    widths = {
        name: _half_width(solid, points, limb, usual=limb.half_width * length)
        for name, limb in LIMBS.items()
        if known(points[[limb.start, limb.end]]).all()
    }
    return {
        name: LIMB_SLACK * min(width, widths.get(_twin(name), width))
        for name, width in widths.items()
    }


def _twin(name: str) -> str:
    side, kind = name.split("_", 1)
    return f"{'left' if side == 'right' else 'right'}_{kind}"


def _half_width(solid: Region, points: Points, limb: Limb, *, usual: float) -> float:
    """Return the way from the bone to the mask's nearer side, at four places, their median."""
    bone = points[limb.end] - points[limb.start]
    length = float(np.linalg.norm(bone))
    if length < 2:
        return usual
    across = np.array([-bone[1], bone[0]]) / length
    places = points[limb.start] + np.array((0.4, 0.55, 0.7, 0.85))[:, None, None] * bone
    sides = np.broadcast_to(np.stack([across, -across]), (len(places), 2, 2))
    starts = np.broadcast_to(places, sides.shape)
    found = ways_out(solid, starts, sides, 2.5 * usual).min(axis=1)
    return float(np.clip(np.median(found), NARROWEST * usual, WIDEST * usual))


def _head_radius(solid: Region, points: Points, centre: Point, length: float) -> float:
    """Return the way from the head's centre to the mask's end, upwards and sideways."""
    up = centre - points[NECK] if known(points[NECK]) else np.array([0.0, -1.0])
    height = float(np.linalg.norm(up))
    up = up / height if height > 1 else np.array([0.0, -1.0])
    return max(_radius(solid, centre, up, 1.5 * length), 0.2 * length)


def _radius(solid: Region, centre: Point, ahead: Point, limit: float) -> float:
    """Return the median of the ways from a centre to the mask's end, ahead and sideways."""
    side = np.array([-ahead[1], ahead[0]])
    ways = np.stack([ahead, (ahead + side) / np.sqrt(2), (ahead - side) / np.sqrt(2), side, -side])
    return float(np.median(ways_out(solid, np.broadcast_to(centre, ways.shape), ways, limit)))


def _in_tip(
    box: Box, solid: Region, points: Points, limb: Limb
) -> Bool[np.ndarray, "rows columns"]:
    """Return which pixels of a box lie in the round of a limb's hand or foot, however thick."""
    bone, length = points[limb.end] - points[limb.start], torso_length(points)
    reach = float(np.linalg.norm(bone))
    if limb.tip is None or reach < 1:
        return np.zeros((1, 1), dtype=bool)  # whatever the box
    centre = points[limb.end] + HAND_LENGTH * length / reach * bone
    radius = _radius(solid, centre, bone / reach, LARGEST_TIP * length)
    right, down = offsets(box, centre)
    return np.asarray(right**2 + down**2 <= (TIP_SLACK * radius) ** 2)


def _along_bone(box: Box, points: Points, limb: Limb, *, tip: float) -> tuple[Mask, Mask]:
    """Return each pixel's distance to the bone and its place along it: 0 start, 1 end.

    tip: how far the bone goes on beyond its end, in pixels.
    """
    bone = points[limb.end] - points[limb.start]
    right, down = offsets(box, points[limb.start])
    along = (right * bone[0] + down * bone[1]) / max(float(bone @ bone), 1e-3)
    end = 1 + tip / max(float(np.linalg.norm(bone)), 1.0)
    nearest = np.clip(along, 0, end)
    distance = np.sqrt((right - nearest * bone[0]) ** 2 + (down - nearest * bone[1]) ** 2)
    return distance, along


def _distance_to_hull(corners: Float[np.ndarray, "n 2"], shape: tuple[int, ...]) -> Mask:
    """Return each pixel's distance to the polygon around the known corners; far without any."""
    outside = np.ones(shape[:2], dtype=np.uint8)
    if known(corners).any():
        hull = cv2.convexHull(np.round(corners[known(corners)]).astype(np.int32))
        cv2.fillConvexPoly(outside, hull, 0)
    if outside.all():
        return np.full(shape[:2], FAR)
    return np.asarray(cv2.distanceTransform(outside, cv2.DIST_L2, 5), dtype=np.float64)
