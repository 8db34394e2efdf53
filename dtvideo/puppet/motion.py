"""Where each part of the puppet goes: from the reference's key points to the target's."""

import numpy as np
from jaxtyping import Float

from dtvideo.puppet.body import (
    HIPS,
    LIMBS,
    NECK,
    SHOULDERS,
    Limb,
    Point,
    Points,
    known,
)
from dtvideo.puppet.head import HeadPose, head_centre
from dtvideo.puppet.skirt import Skirt

# Factors on the body's scale; found by trying on drawn characters.
NARROWEST_TORSO, WIDEST_TORSO = 0.8, 1.4
SHORTEST_TORSO, LONGEST_TORSO = 0.4, 1.6
SHORTEST_LIMB = 0.25
HAIR_SWING = 0.3  # the share of the head's tilt that hair which falls from it takes
FOOT_TURN = 0.25  # a foot takes this share of its shin's turn

Matrix = Float[np.ndarray, "2 3"]
Square = Float[np.ndarray, "2 2"]


def part_transforms(
    reference: Points, target: Points, *, scale: float, skirt: Skirt | None = None
) -> dict[str, Matrix]:
    """Return each part's affine map from reference to target pixels.

    scale: how much larger the body is in the target. Limbs change length but not width, hands
    and feet neither. A part that cannot be placed follows the one it hangs on.
    """
    torso = _place_torso(reference, target, scale)
    head = _place_head(reference, target, scale)
    hair = _place_head(reference, target, scale, share=HAIR_SWING)
    maps = {"torso": torso, "head": torso if head is None else head}
    maps["hair"] = torso if hair is None else hair
    if skirt is not None:
        maps["skirt"] = _place_skirt(reference, target, skirt, scale=scale, torso=torso)
    for name, limb in LIMBS.items():
        parent = maps[limb.parent]
        maps[name] = _place_limb(reference, target, limb, scale=scale, parent=parent)
        if limb.tip:
            maps[limb.tip] = _place_tip(reference, target, limb, scale=scale, shaft=maps[name])
    return maps


def head_transform(before: HeadPose, after: HeadPose, *, share: float = 1.0) -> Matrix:
    """Return the map of a head in the picture's plane: from centre to centre, as it tilts.

    share: how much of its tilt is taken.
    """
    turn = _rotation(share * (after.tilt - before.tilt))
    return _anchored(turn * (after.radius / before.radius), before.centre, after.centre)


def is_from_behind(torso: Matrix) -> bool:
    """Tell whether a torso's map mirrors it: one of the two pictures shows its back."""
    return bool(np.linalg.det(torso[:, :2]) < 0)


def _place_torso(reference: Points, target: Points, scale: float) -> Matrix:
    """Map spine to spine; the width follows shoulders and hips, mirrored when seen from behind."""
    both = known(reference) & known(target)
    before, after = _spine(reference), _spine(target)
    if not (known(before).all() and known(after).all()):
        if not both.any():
            return np.eye(2, 3)
        return _anchored(np.eye(2) * scale, reference[both].mean(axis=0), target[both].mean(axis=0))
    (top, bottom), (new_top, new_bottom) = before, after
    rise, new_rise = top - bottom, new_top - new_bottom
    if min(np.linalg.norm(rise), np.linalg.norm(new_rise)) < 1:
        return _anchored(np.eye(2) * scale, top, new_top)
    along = float(np.linalg.norm(new_rise) / np.linalg.norm(rise)) / scale
    matrix = _stretch(
        rise,
        new_rise,
        along=scale * float(np.clip(along, SHORTEST_TORSO, LONGEST_TORSO)),
        across=scale * _torso_widening(reference, target, scale),
    )
    return _anchored(matrix, (top + bottom) / 2, (new_top + new_bottom) / 2)


def _spine(points: Points) -> Float[np.ndarray, "2 2"]:
    """Return neck (or the middle of the shoulders) and the middle of the known hips."""
    shoulders, hips = points[list(SHOULDERS)], points[list(HIPS)]
    top = points[NECK] if known(points[NECK]) else shoulders.mean(axis=0)
    bottom = hips[known(hips)].mean(axis=0) if known(hips).any() else np.full(2, np.nan)
    return np.stack([top, bottom])


def _torso_widening(reference: Points, target: Points, scale: float) -> float:
    """Return how much wider the torso looks at one scale; negative when seen from behind."""
    before, after = _torso_width(reference), _torso_width(target)
    if not np.isfinite(before + after) or abs(before) < 1:
        return 1.0
    ratio = after / before / scale
    sign = -1.0 if ratio < 0 else 1.0
    return sign * float(np.clip(abs(ratio), NARROWEST_TORSO, WIDEST_TORSO))


def _torso_width(points: Points) -> float:
    """Return the mean of shoulder and hip width across the spine, signed; NaN if unknown."""
    top, bottom = _spine(points)
    rise = (top - bottom) / max(float(np.linalg.norm(top - bottom)), 1e-6)
    pairs = [points[list(pair)] for pair in (SHOULDERS, HIPS)]
    widths = [pair[1] - pair[0] for pair in pairs if known(pair).all()]
    if not widths:
        return float("nan")
    return float(np.mean(widths, axis=0) @ (-rise[1], rise[0]))


def _place_head(
    reference: Points, target: Points, scale: float, *, share: float = 1.0
) -> Matrix | None:
    """Map head centre to head centre, turned by a share of the neck's turn."""
    centre, new_centre = head_centre(reference), head_centre(target)
    if not (known(centre) and known(new_centre)):
        return None
    turn = 0.0
    if known(reference[NECK]) and known(target[NECK]):
        turn = _turn(centre - reference[NECK], new_centre - target[NECK])
    return _anchored(_rotation(share * turn) * scale, centre, new_centre)


def _place_skirt(
    reference: Points, target: Points, skirt: Skirt, *, scale: float, torso: Matrix
) -> Matrix:
    """Hang a skirt from the hips to the middle of the legs; it widens and turns as the torso."""
    (top, low), (new_top, new_low) = skirt.bone(reference), skirt.bone(target)
    if not known(np.stack([top, low, new_top, new_low])).all():
        return torso
    bone, way = low - top, new_low - new_top
    length, new_length = float(np.linalg.norm(bone)), float(np.linalg.norm(way))
    if min(length, new_length) < 1:
        return torso
    along = max(new_length / length, SHORTEST_TORSO * scale)
    across = scale * _torso_widening(reference, target, scale)
    return _anchored(_stretch(bone, way, along=along, across=across), top, new_top)


def _place_limb(
    reference: Points, target: Points, limb: Limb, *, scale: float, parent: Matrix
) -> Matrix:
    """Map joints to joints, as thick as before."""
    ends, new_ends = reference[[limb.start, limb.end]], target[[limb.start, limb.end]]
    bone, new_bone = ends[1] - ends[0], new_ends[1] - new_ends[0]
    length, new_length = np.linalg.norm(bone), np.linalg.norm(new_bone)
    if not np.isfinite(length + new_length) or length < 1:
        return parent
    way = new_bone if new_length > 0.5 else parent[:, :2] @ bone
    along = max(float(new_length / length), SHORTEST_LIMB * scale)
    matrix = _stretch(bone, way, along=along, across=scale)
    return _anchored(matrix, ends.mean(axis=0), new_ends.mean(axis=0))


def _place_tip(
    reference: Points, target: Points, limb: Limb, *, scale: float, shaft: Matrix
) -> Matrix:
    """Map a hand or foot to the end of its limb, turned with it, at the body's scale."""
    bone = reference[limb.end] - reference[limb.start]
    if not known(bone) or not known(target[[limb.start, limb.end]]).all():
        return shaft
    turn = _turn(bone, shaft[:, :2] @ bone)
    if limb.tip and limb.tip.endswith("foot"):
        turn *= FOOT_TURN
    return _anchored(_rotation(turn) * scale, reference[limb.end], target[limb.end])


def _anchored(matrix: Square, start: Point, goal: Point) -> Matrix:
    """Return the affine map with this linear part that takes start to goal."""
    return np.column_stack([matrix, goal - matrix @ start])


def _rotation(turn: float) -> Square:
    cosine, sine = np.cos(turn), np.sin(turn)
    return np.array([[cosine, -sine], [sine, cosine]])


def _turn(before: Point, after: Point) -> float:
    """Return the angle from one vector to another, in (-pi, pi]."""
    first, second = before @ (1, 1j), after @ (1, 1j)
    return float(np.angle(second * np.conj(first)))


def _stretch(before: Point, after: Point, *, along: float, across: float) -> Square:
    """Return the map that turns one direction into another and stretches along and across it."""
    first, second = before / np.linalg.norm(before), after / np.linalg.norm(after)
    from_axes = np.array([first, [-first[1], first[0]]])
    to_axes = np.array([second, [-second[1], second[0]]]).T
    return np.asarray(to_axes @ np.diag([along, across]) @ from_axes)
