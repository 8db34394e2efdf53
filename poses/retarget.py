"""Fit the motion of one body to the proportions of another.

Every segment keeps its direction and its foreshortening and takes the reference's length. Lengths
are those of the whole clip, never of one frame; left and right are believed of each other; what
the reference hides, or shows foreshortened, follows its neighbours or the overall scale. The head
is the reference's own, a rigid shape turned as the driver's is. The feet keep their height above
the ground, and the way the body travels is scaled with its legs.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from poses.errors import PoseError
from poses.frames import in_words
from poses.heads import (
    HEAD_POINTS,
    Head,
    Turns,
    find_attitudes,
    half_width,
    learn_head,
    seen_heads,
    turned,
)
from poses.lengths import LONGEST_PERCENTILE, segment_lengths
from poses.limbs import (
    ANKLES,
    LONG_SEGMENTS,
    NECK,
    NEIGHBOURS,
    NOSE,
    PELVIS,
    SEGMENTS,
    SKULL,
    TREE,
    tree_places,
)
from poses.types import JointTracks, Pose, PoseSequence, confident, parts_of

GROUND_PERCENTILE = 90.0
MAX_STRETCH = 1.3
MAX_UNEVENNESS = 2.0
MAX_DEVIATION = 2.5
MAX_HEAD_DEVIATION = 12.0
# How much of a constant nod may be the design of a face: a portrait looks at the viewer, while a
# dancer may well look down throughout.
REFERENCE_LEVEL = np.radians(45.0)
DRIVER_LEVEL = np.radians(15.0)
# A body that looks so much larger or smaller than usual has not come nearer, but moved.
STEADY_SIZE = 1.15
_CENTRES = {"right_hand": 4, "left_hand": 7, "face": NOSE}
# Wrist to the middle finger's root, and the width of the jaw.
_SPANS = {"right_hand": (0, 9), "left_hand": (0, 9), "face": (0, 16)}

Places = Float[np.ndarray, "t 20 2"]


@dataclass(frozen=True)
class RetargetReport:
    """How a motion was fitted.

    scale: overall, reference to driver; ratios: by segment; anchor: what was aligned ("ground",
    "hips", "neck" or "nose"); ground: its row in the reference in pixels; shortened: how many
    segments of all frames were longer than allowed; lost_frames: no neck, so nothing to hang a
    body from; outside_frames: a joint that the reference shows is outside
    the picture; warnings: in words.
    """

    scale: float
    ratios: dict[str, float]
    anchor: str
    ground: float | None
    shortened: int
    lost_frames: tuple[int, ...]
    outside_frames: tuple[int, ...]
    warnings: tuple[str, ...]

    def describe(self) -> str:
        """Say in one line how the motion was scaled and placed, and what is doubtful."""
        text = f"scaled by {self.scale:.2f}, placed by the {self.anchor}"
        return "; ".join((text, *self.warnings))


def retarget(sequence: PoseSequence, reference: Pose) -> tuple[PoseSequence, RetargetReport]:
    """Give the motion the reference's proportions, place and canvas; a pure function.

    Joints missing in the motion stay missing. No segment becomes longer than 1.3 times the
    length that is believed of the reference's.
    Raises: PoseError P1 when the motion shows no segment, R11 when the reference shows none that
    the motion shows too.
    """
    places, target = tree_places(sequence.body), tree_places(reference.body)[None]
    own_head, turns = _find_head(places, level=DRIVER_LEVEL)
    wanted_head, _ = _find_head(target, level=REFERENCE_LEVEL)
    rate = float(sequence.rate)
    own = _lengths(places, own_head, rate=rate)
    wanted = _lengths(target, wanted_head, rate=rate)
    scale, ratios, warnings = _ratios(own, wanted)
    limits = {name: MAX_STRETCH * ratios[name] * own.get(name, np.inf) for name in SEGMENTS}
    hung, shortened = _hang(places, ratios=ratios, limits=limits)
    if own_head is not None:
        shape = own_head * ratios["head width"] if wanted_head is None else wanted_head
        sizes = _sizes(places, own)
        _put_on_head(hung, places, seen=sizes[:, None, None] * turned(shape, turns))
    offset, anchor, ground = _place(
        places, hung, target[0], leg_scale=_leg_scale(own, ratios, scale=scale)
    )
    fitted = hung + offset[:, None]
    spans = _part_spans(reference, face_width=2 * wanted.get("head width", np.nan))
    parts = _parts(sequence, spans, driver=places, fitted=fitted, ratios=ratios)
    result = PoseSequence(size=reference.size, rate=sequence.rate, **parts)
    lost = _frames(np.isnan(places[:, NECK, 0]) & confident(sequence.body).any(axis=1))
    outside = _frames(_outside(result, shown=confident(reference.body)))
    if lost:
        warnings.append(f"no neck in frames {in_words(lost)}: left empty")
    if outside:
        warnings.append(f"leaves the picture in frames {in_words(outside)}")
    return result, RetargetReport(
        scale=scale,
        ratios=ratios,
        anchor=anchor,
        ground=ground,
        shortened=shortened,
        lost_frames=lost,
        outside_frames=outside,
        warnings=tuple(warnings),
    )


def _find_head(places: Places, *, level: float) -> tuple[Head | None, Turns]:
    """Learn the head of a clip or a picture, put its middle into the places, and how it turns."""
    seen = seen_heads(places)
    head = learn_head(seen, level=level)
    if head is None:
        return None, np.tile(np.eye(3), (len(places), 1, 1))
    turns, places[:, SKULL] = find_attitudes(seen, head)
    return head, turns


def _lengths(places: Places, head: Head | None, *, rate: float) -> dict[str, float]:
    lengths = segment_lengths(places, rate=rate)
    return lengths if head is None else {**lengths, "head width": half_width(head)}


def _sizes(places: Places, own: dict[str, float]) -> Float[np.ndarray, " t"]:
    """Return how much larger than usual bodies look in each frame, as far as it is sure.

    The long segment that looks longest beside its usual length tells; what is little counts as
    nothing, and no body is larger than a segment may be.
    """
    seen = [
        np.linalg.norm(places[:, joint] - places[:, parent], axis=-1) / own[segment]
        for joint, parent, segment in TREE
        if segment in LONG_SEGMENTS and segment in own
    ]
    sizes = np.nan_to_num(np.fmax.reduce(seen), nan=1.0) if seen else np.ones(len(places))
    sure: np.ndarray = sizes / sizes.clip(1 / STEADY_SIZE, STEADY_SIZE)
    bounded: np.ndarray = np.minimum(sure, MAX_STRETCH)
    return bounded


def _put_on_head(hung: Places, places: Places, *, seen: Float[np.ndarray, "t 5 2"]) -> None:
    """Put nose, eyes and ears about the middle of the head where the driver shows them."""
    points = list(HEAD_POINTS)
    known = np.isfinite(places[:, points])
    hung[:, points] = np.where(known, hung[:, [SKULL]] + seen, np.nan)


def _ratios(
    own: dict[str, float], wanted: dict[str, float]
) -> tuple[float, dict[str, float], list[str]]:
    """Return the overall scale, the ratio of every segment, and what had to be assumed."""
    shared = [name for name in SEGMENTS if name in own and name in wanted]
    measured = {name: wanted[name] / own[name] for name in shared}
    if not own:
        raise _too_little("no limb, shoulders or head whole in any frame")
    if not measured:
        raise PoseError(
            "R11",
            "reference",
            f"shows {sorted(wanted) or 'no segment'}, the motion {sorted(own) or 'none'}",
            "give key points of the reference that share a limb with the motion",
        )
    long = [measured[name] for name in LONG_SEGMENTS if name in measured]
    scale = float(np.median(long or list(measured.values())))
    warnings = []
    odd = [name for name in measured if _implausible(name, measured, scale)]
    for name in odd:
        ratio = measured.pop(name)
        warnings.append(f"{name} would be scaled by {ratio:.2f}, foreshortened: scaled like others")
    hidden = [name for name in SEGMENTS if name in own and name not in wanted]
    if hidden:
        warnings.append(f"the reference hides {', '.join(hidden)}: scaled like others")
    return scale, {name: _believed(name, measured, scale) for name in SEGMENTS}, warnings


def _too_little(lacking: str) -> PoseError:
    """Return the error of a motion that cannot be fitted to any reference."""
    remedy = "give a motion in which a whole person is seen, and larger"
    return PoseError("P1", "motion", f"shows {lacking}", remedy)


def _implausible(name: str, measured: dict[str, float], scale: float) -> bool:
    """Tell whether a ratio is more likely a segment seen from its end than a proportion.

    A head may be of nearly any size beside the body, as in cartoons; of the two segments of an
    arm or a leg the one further from the overall scale is doubted.
    """
    deviation = _unevenness(measured[name], scale)
    if name in ("head", "head width"):
        return deviation > MAX_HEAD_DEVIATION
    for neighbour in NEIGHBOURS.get(name, ()):
        other = measured.get(neighbour, measured[name])
        if _unevenness(measured[name], other) > MAX_UNEVENNESS:
            return deviation > _unevenness(other, scale)
    return deviation > MAX_DEVIATION


def _unevenness(one: float, other: float) -> float:
    return max(one / other, other / one)


def _believed(name: str, measured: dict[str, float], scale: float) -> float:
    candidates = (name, *NEIGHBOURS.get(name, ()))
    return next((measured[one] for one in candidates if one in measured), scale)


def _leg_scale(own: dict[str, float], ratios: dict[str, float], *, scale: float) -> float:
    """Return how much longer the reference's legs are: what travelling is scaled with."""
    legs = [name for name in ("thigh", "shin") if name in own]
    if not legs:
        return scale
    return sum(own[name] * ratios[name] for name in legs) / sum(own[name] for name in legs)


def _hang(
    places: Places, *, ratios: dict[str, float], limits: dict[str, float]
) -> tuple[Places, int]:
    """Rebuild the bodies about necks at the origin, with scaled segments.

    A joint whose parent is missing hangs from the next joint that is there; its segment may be
    as long as those it spans. Returns the bodies and how many segments had to be shortened.
    """
    hung = np.full_like(places, np.nan)
    hung[:, NECK] = places[:, NECK] * 0
    nearest, nearest_hung = places.copy(), hung.copy()
    reach = np.zeros(places.shape[:2])
    shortened = 0
    for joint, parent, segment in TREE:
        vector = (places[:, joint] - nearest[:, parent]) * ratios[segment]
        limit = limits[segment] + reach[:, parent]
        length = np.linalg.norm(vector, axis=1)
        shortened += int(np.sum(length > limit))
        vector *= np.minimum(1, limit / np.maximum(length, 1e-9))[:, None]
        hung[:, joint] = nearest_hung[:, parent] + vector
        missing = np.isnan(hung[:, joint, 0])
        nearest[:, joint] = np.where(missing[:, None], nearest[:, parent], places[:, joint])
        nearest_hung[:, joint] = np.where(missing[:, None], nearest_hung[:, parent], hung[:, joint])
        reach[:, joint] = np.where(missing, limit, 0)
    return hung, shortened


def _place(
    places: Places, hung: Places, target: Float[np.ndarray, "20 2"], *, leg_scale: float
) -> tuple[Float[np.ndarray, "t 2"], str, float | None]:
    """Return where to put each body's neck, what was aligned, and the reference's ground.

    The clip's median place comes to the reference's place; where both show feet, the lowest foot
    keeps its height above the ground instead, scaled.
    """
    name, joint = _anchor(places, target)
    travel = (places[:, joint] - np.nanmedian(places[:, joint], axis=0)) * leg_scale
    offset = _fill(target[joint] + travel - hung[:, joint], places, scale=leg_scale)
    feet = target[list(ANKLES), 1]
    low, hung_low = _lowest(places), _lowest(hung)
    present = ~np.isnan(places[:, NECK, 0])
    if np.isnan(feet).all() or np.isnan(low[present]).mean() > 0.5:
        return offset, name, None
    ground = float(np.nanmax(feet))
    height = (low - np.nanpercentile(low, GROUND_PERCENTILE)) * leg_scale
    column = np.column_stack([offset[:, 0], ground + height - hung_low])
    offset[:, 1] = _fill(column, places, scale=leg_scale)[:, 1]
    return offset, "ground", ground


def _anchor(places: Places, target: Float[np.ndarray, "20 2"]) -> tuple[str, int]:
    """Return the joint to align: the first that the reference and half of the necks come with."""
    present = np.isfinite(places[:, NECK, 0])
    for name, joint in (("hips", PELVIS), ("neck", NECK), ("nose", NOSE)):
        shown = present & np.isfinite(places[:, joint, 0])
        if np.isfinite(target[joint]).all() and shown.any() and shown.sum() >= present.sum() / 2:
            return name, joint
    if np.isfinite(target[[PELVIS, NECK, NOSE]]).all():
        raise _too_little("no neck and never both shoulders")
    raise PoseError(
        "R11",
        "reference",
        "shows neither hips, neck nor nose where the motion shows it with a neck or both shoulders",
        "give key points with more of the body",
    )


def _lowest(places: Places) -> Float[np.ndarray, " t"]:
    """Return the row of the lower ankle that is there, NaN where none is."""
    feet = places[:, list(ANKLES), 1]
    lower: np.ndarray = np.fmax(feet[:, 0], feet[:, 1])
    return lower


def _fill(
    offset: Float[np.ndarray, "t 2"], places: Places, *, scale: float
) -> Float[np.ndarray, "t 2"]:
    """Fill frames whose anchor is missing: the neck travels as it does, scaled."""
    travel = places[:, NECK] * scale
    known = np.isfinite(offset - travel).all(axis=1)
    frames = np.arange(len(offset))
    rest = [np.interp(frames, frames[known], (offset - travel)[known, axis]) for axis in (0, 1)]
    return np.stack(rest, axis=-1) + travel


def _part_spans(reference: Pose, *, face_width: float) -> dict[str, float]:
    """Return one span of each hand and of the face of the reference, NaN where it is unknown.

    A face that was not found is as wide as the ears are apart.
    """
    spans = {"right_hand": np.nan, "left_hand": np.nan, "face": face_width}
    for name, ends in _SPANS.items():
        part = getattr(reference, name)
        if part is not None and confident(part[list(ends)]).all():
            spans[name] = float(np.linalg.norm(part[ends[1], :2] - part[ends[0], :2]))
    return spans


def _parts(
    sequence: PoseSequence,
    spans: dict[str, float],
    *,
    driver: Places,
    fitted: Places,
    ratios: dict[str, float],
) -> dict[str, JointTracks]:
    """Return the fitted body, and hands and face scaled about wrists and nose."""
    parts = parts_of(sequence)
    parts["body"] = _joined(fitted[:, :18], parts["body"])
    for name in parts.keys() & {"left_hand", "right_hand", "face"}:
        joint = _CENTRES[name]
        fallback = ratios["head width"] if name == "face" else ratios["forearm"]
        ratio = _part_ratio(parts[name], _SPANS[name], wanted=spans[name], fallback=fallback)
        places = fitted[:, None, joint] + (parts[name][..., :2] - driver[:, None, joint]) * ratio
        parts[name] = _joined(places, parts[name])
    return parts


def _part_ratio(
    tracks: JointTracks, ends: tuple[int, int], *, wanted: float, fallback: float
) -> float:
    """Return the ratio of one span of a hand or face, if both show it and it is plausible."""
    seen = np.where(confident(tracks)[..., None], tracks[..., :2], np.nan)[:, list(ends)]
    lengths = np.linalg.norm(np.diff(seen, axis=1), axis=-1)
    lengths = lengths[np.isfinite(lengths)]
    if not lengths.size or not np.isfinite(wanted):
        return fallback
    ratio = wanted / max(float(np.percentile(lengths, LONGEST_PERCENTILE)), 1.0)
    return ratio if 1 / MAX_DEVIATION < ratio / fallback < MAX_DEVIATION else fallback


def _joined(places: Float[np.ndarray, "t j 2"], tracks: JointTracks) -> JointTracks:
    """Return places with the tracks' confidences; what either does not know is missing."""
    known = (np.isfinite(places).all(axis=-1) & (tracks[..., 2] > 0))[..., None]
    return np.concatenate(
        [np.where(known, places, np.nan), np.where(known, tracks[..., 2:], 0)], axis=-1
    )


def _frames(flags: Bool[np.ndarray, " t"]) -> tuple[int, ...]:
    return tuple(np.flatnonzero(flags).tolist())


def _outside(sequence: PoseSequence, *, shown: Bool[np.ndarray, "18"]) -> Bool[np.ndarray, " t"]:
    """Tell in which frames a joint that the reference shows lies outside the picture."""
    places = sequence.body[..., :2]
    inside = ((places >= 0) & (places <= sequence.size)).all(axis=-1)
    outside: np.ndarray = np.any(confident(sequence.body) & ~inside & shown, axis=1)
    return outside
