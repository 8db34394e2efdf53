"""Which pixels each part of a character claims, before they are shared out.

A limb claims what is near its bone, in half widths that are measured on the picture; the torso the
polygon of its joints, the head a circle, a skirt what is above its hem, hair what has its colour.
"""

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
from dtvideo.puppet.boxes import Box, box_around, offsets
from dtvideo.puppet.hair import Circle, falling_hair, with_outline, without_rim
from dtvideo.puppet.head import head_centre
from dtvideo.puppet.skirt import Skirt, above, find_shirt_hem

# All in torso lengths, unless a factor is meant; found by trying on drawn characters.
TORSO_PRIORITY = 0.6  # a limb's own pixels, up to this share of its half width, beat the torso
TORSO_REACH = 0.25  # how far beyond its corners the torso competes for pixels
HEAD_REACH = 0.4  # how far beyond its circle the head competes: hair, but never a hand
HAND_LENGTH = 0.2  # how far a forearm goes on beyond its wrist
LARGEST_TIP = 0.4  # radius of the largest hand or foot
TORSO_MARGIN = 0.12  # how far it goes on below its neighbours
LIMB_SLACK = 1.1  # on the measured half width
TIP_SLACK = 1.3  # on the measured radius of a hand or foot, which are not quite round
HEAD_SLACK = 1.05  # on the measured radius
NARROWEST, WIDEST = 0.4, 1.8  # half widths believed, against the usual ones
LIMB_EDGE = 1.25  # half widths, beyond which a limb's claim weakens ...
BEYOND_EDGE = 11.0  # ... so many times as fast: wings, tails and wide capes are the trunk's
MIDDLE = NARROWEST / WIDEST  # of a limb, in half widths: the thinnest limb is as thick
HEM_UNSURE = 0.05  # thighs above and below a shirt's hem, where the torso claims as much as they
HAIR_CLAIM = 0.2  # of what has the colour of hair; as a limb's half widths
FAR = 1e4

Image = UInt8[np.ndarray, "h w 3"]
Mask = Float[np.ndarray, "h w"]
Region = Bool[np.ndarray, "h w"]


@dataclass(frozen=True, eq=False)
class Claims:
    """What parts claim, by name, in the box around a character.

    scores: the smaller the stronger, about half widths of a limb; wholes: all that a part covers
    if nothing hides it; plain: whose colours go on there, if not those of all its own; along: of
    limbs, how far along the bone a pixel is, 0 its start, 1 its end.
    """

    scores: dict[str, Mask]
    wholes: dict[str, Region]
    plain: dict[str, Region]
    along: dict[str, Mask]


def claims_on(
    picture: Image, inside: Region, solid: Region, points: Points, *, skirt: Skirt | None
) -> Claims:
    """Return what the parts of a body claim of the picture.

    inside: where anything of the character is seen; solid: where it is more than half.
    """
    length, box = torso_length(points), box_around(inside)
    hull = _distance_to_hull(points[list(TORSO)], inside.shape)[box]
    claims = Claims(
        scores={"torso": TORSO_PRIORITY + hull / (TORSO_REACH * length)},
        wholes={"torso": hull <= TORSO_MARGIN * length},
        plain={},
        along={},
    )
    _claim_limbs(claims, solid, points, box=box)
    centre = head_centre(points)
    if known(centre):
        radius = HEAD_SLACK * _head_radius(solid, points, centre, length)
        _claim_head(claims, centre, radius, length=length, box=box)
        head = Circle(centre - (box[1].start, box[0].start), radius)
        hair = _claim_hair(claims, picture[box], inside[box], points, head=head, box=box)
        if hair is not None:
            bare = solid.copy()
            bare[box] &= ~hair
            _claim_limbs(claims, bare, points, box=box)
    if skirt is not None:
        _claim_skirt(claims, skirt, points, shape=inside.shape, box=box)
    elif (hem := find_shirt_hem(picture, solid, points)) is not None:
        _claim_shirt(claims, points, hem=hem, box=box)
    return claims


def _claim_limbs(claims: Claims, solid: Region, points: Points, *, box: Box) -> None:
    """Let limbs claim what is near, in half widths; what lies farther off the less."""
    length = torso_length(points)
    for name, half_width in _half_widths(solid, points, length).items():
        limb = LIMBS[name]
        distance, claims.along[name] = _along_bone(box, points, limb, tip=_tip(limb, length))
        widths = distance / half_width
        beyond = np.maximum(widths - LIMB_EDGE, 0) * ~_in_tip(box, solid, points, limb)
        claims.scores[name] = widths + (BEYOND_EDGE - 1) * beyond
        claims.wholes[name] = distance <= half_width


def _claim_head(claims: Claims, centre: Point, radius: float, *, length: float, box: Box) -> None:
    """Let the head claim its circle, and what is around it the less."""
    right, down = offsets(box, centre)
    distance = np.sqrt(right**2 + down**2)
    beyond = np.maximum(distance - radius, 0) / (HEAD_REACH * length)
    claims.scores["head"] = np.minimum(distance / radius, 1) + beyond


def _claim_hair(
    claims: Claims,
    picture: Image,
    inside: Region,
    points: Points,
    *,
    head: Circle,
    box: Box,
) -> Region | None:
    """Let hair that falls below the head claim what has its colour, and the line around that.

    Return where it is seen, None where none falls.
    """
    torso = claims.scores["torso"] <= TORSO_PRIORITY
    arms = [
        (inside & claims.wholes[name] & ~torso, inside & (claims.scores[name] < MIDDLE))
        for name in claims.along
        if name.endswith("arm")
    ]
    limbs = [claims.wholes[name] for name in claims.along]
    free = inside & ~np.any([torso, *limbs], axis=0)
    hair = falling_hair(
        picture,
        free,
        inside & torso,
        points - (box[1].start, box[0].start),
        arms=arms,
        head=head,
    )
    if hair is not None:
        lined = with_outline(hair, inside, length=torso_length(points))
        claims.scores["hair"] = np.where(hair | (lined & free), HAIR_CLAIM, FAR)
        claims.plain["hair"] = without_rim(hair)
        claims.wholes["hair"] = _hull(hair)
    return hair


def _claim_skirt(
    claims: Claims, skirt: Skirt, points: Points, *, shape: tuple[int, ...], box: Box
) -> None:
    """Let a skirt claim what is above its hem, and legs nothing there."""
    length, covered = torso_length(points), skirt.above_hem(box, points)
    hull = _distance_to_hull(skirt.corners, shape)[box]
    claims.scores["skirt"] = np.where(covered, TORSO_PRIORITY + hull / (TORSO_REACH * length), FAR)
    claims.wholes["skirt"] = covered & (hull <= TORSO_MARGIN * length)
    _take_from_legs(claims, covered)


def _claim_shirt(claims: Claims, points: Points, *, hem: float, box: Box) -> None:
    """Let the torso claim what is above a shirt's hem; near it, let edges decide."""
    covered = above(hem - HEM_UNSURE, box, points)
    _take_from_legs(claims, covered)
    legs = [claims.scores[name] for name in claims.along if name.endswith("thigh")]
    near = ~covered & above(hem + HEM_UNSURE, box, points)
    claims.scores["torso"] = np.where(
        near, np.minimum(claims.scores["torso"], np.min(legs, axis=0)), claims.scores["torso"]
    )


def _take_from_legs(claims: Claims, covered: Region) -> None:
    """Let legs claim nothing of what a skirt or a shirt covers."""
    for name, score in claims.scores.items():
        if name.endswith(("thigh", "shin")):
            claims.scores[name] = np.where(covered, FAR, score)


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


def _hull(region: Region) -> Region:
    """Return the convex hull of a region."""
    columns, rows = np.nonzero(region)[::-1]
    filled = np.zeros(region.shape, dtype=np.uint8)
    corners = cv2.convexHull(np.stack([columns, rows], axis=-1).astype(np.int32))
    return np.asarray(cv2.fillConvexPoly(filled, corners, 1) > 0)
