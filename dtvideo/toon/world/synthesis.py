"""Made-up motions: choreographies (data) turned into bone directions by simple mechanics.

A choreography (`choreography.json`) gives tracks: values at moments of one cycle, in degrees
and torso lengths, all zero in standing. Legs follow the feet, so a foot that a track leaves on
the ground stays there while the hips sway; the pelvis sinks as far as the legs demand. Arms
follow angles. Knees and elbows can bend one way only.

    body    sway rise advance    where the pelvis is (x, y, z)
            turn lean tilt       the pelvis turned to its left, bent forward, tilted to its right
            chest_... head_...   the same three, of the chest on the pelvis, the head on the chest
    feet    foot_out foot_up foot_ahead    where a foot is, from where it is in standing
            toe_out heel                   toes turned outwards; heel raised
    arms    arm_raise arm_spread arm_turn  forward and up; away from the side; about itself,
            elbow                          outwards
"""

import json
from collections.abc import Iterable, Mapping
from fractions import Fraction
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
from jaxtyping import Float

from dtvideo.toon.world.figure import BODY_DIRECTIONS, LEGS_PER_TORSO

RATE = Fraction(30)
VARIANTS = 4
THIGH, HALF_HIPS = 0.86, 0.19  # torso lengths
SHIN = LEGS_PER_TORSO - THIGH
REACH = 0.995 * LEGS_PER_TORSO
ROUNDING = 0.025  # how far in time, in cycles, a corner of a track is rounded

BODY_TRACKS = (
    "sway rise advance turn lean tilt chest_turn chest_lean chest_tilt head_turn head_lean "
    "head_tilt"
).split()
SIDE_TRACKS = (
    "foot_out foot_up foot_ahead toe_out heel arm_raise arm_spread arm_turn elbow"
).split()
TRACKS = (
    *BODY_TRACKS,
    *(f"{side}_{track}" for side in ("left", "right") for track in SIDE_TRACKS),
)
OUTWARDS = {"left": 1.0, "right": -1.0}
LENGTH_WORDS = ("sway", "rise", "advance", "foot_out", "foot_up", "foot_ahead")
LENGTHS = np.array([track.endswith(LENGTH_WORDS) for track in TRACKS])
ACROSS = np.array(
    [track in BODY_TRACKS and track.endswith(("sway", "turn", "tilt")) for track in TRACKS]
)
ONE_WAY = tuple(track for track in TRACKS if track.endswith(("elbow", "foot_up")))
STEPS = 240  # of a cycle, at which tracks are worked out before they are sampled

Track = Float[np.ndarray, " t"]
Vectors = Float[np.ndarray, "t 3"]
Turns = Float[np.ndarray, "t 3 3"]
Table = Float[np.ndarray, "t tracks"]


@cache
def choreographies() -> dict[str, dict[str, Any]]:
    """Return the choreographies by name.

    seconds: of one cycle; turns: whole turns about the vertical in a cycle; body, both, left,
    right: tracks; alternate: tracks of the left side that the right side does half a cycle later.
    """
    text = (files("dtvideo.toon.world") / "choreography.json").read_text()
    found: dict[str, dict[str, Any]] = json.loads(text)
    return found


def synthesise(
    kind: str, variants: Iterable[int]
) -> list[tuple[Float[np.ndarray, "t bones 3"], Float[np.ndarray, "t 3"]]]:
    """Return one cycle of each variant of a kind of motion at RATE: directions and root.

    Variant 0 is the choreography itself; others differ in tempo, size, posture, side and where
    the cycle begins, as a function of the kind and the variant alone.
    """
    performances = [_performance(kind, variant) for variant in variants]
    values = np.concatenate([values for values, _ in performances])
    heading = np.concatenate([heading for _, heading in performances])
    directions, root = _body(_tracks(values), _about("y", heading))
    ends = np.cumsum([len(values) for values, _ in performances])[:-1]
    return list(zip(np.split(directions, ends), np.split(root, ends), strict=True))


def _body(
    tracks: Mapping[str, Track], heading: Turns
) -> tuple[Float[np.ndarray, "t bones 3"], Vectors]:
    """Return the directions and the root of a body that does what its tracks say."""
    pelvis = _turned(tracks, "")
    chest = pelvis @ _turned(tracks, "chest_")
    head = chest @ _turned(tracks, "head_")
    root = np.stack([tracks["sway"], _height(tracks, pelvis), tracks["advance"]], axis=1)
    spine = _unit(0.45 * pelvis[:, :, 1] + 0.55 * chest[:, :, 1])
    bones = {
        "spine": spine,
        "head": head[:, :, 1],
        "face": head[:, :, 2],
        "chest": _unit(np.cross(chest[:, :, 0], spine)),
        "shoulders": chest[:, :, 0],
        "hips": pelvis[:, :, 0],
    }
    for side in OUTWARDS:
        bones |= _arm(tracks, side, chest=chest) | _leg(tracks, side, pelvis=pelvis, root=root)
    directions = np.stack([bones[name] for name in BODY_DIRECTIONS], axis=1)
    directions = directions @ heading.transpose(0, 2, 1)
    return directions.astype(np.float32), _applied(heading, root).astype(np.float32)


def _performance(kind: str, variant: int) -> tuple[Table, Track]:
    """Return the tracks of one cycle and the heading, in radians."""
    rng = np.random.default_rng((*kind.encode(), variant))
    tempo, gain, posture, start, flip = 1.0, np.ones(1), np.zeros(1), 0.0, False
    if variant:
        tempo, start, flip = rng.uniform(0.8, 1.3), rng.uniform(), bool(rng.integers(2))
        gain = rng.uniform(0.8, 1.15) * rng.uniform(0.85, 1.15, len(TRACKS))
        posture = _posture(rng)
    plan = choreographies()[kind]
    count = max(12, round(plan["seconds"] / tempo * float(RATE)))
    part = np.arange(count) / count
    values = _sampled(_table(kind), part + start)
    values = (_flipped(values) if flip else values) * gain + posture
    return values, 2 * np.pi * part * plan.get("turns", 0) * (-1 if flip else 1)


def _tracks(values: Table) -> dict[str, Track]:
    """Name the columns of a table; angles in radians, and none where no joint can go."""
    values = np.where(LENGTHS, values, np.radians(values))
    tracks = dict(zip(TRACKS, values.T, strict=True))
    return tracks | {name: np.maximum(tracks[name], 0.0) for name in ONE_WAY}


@cache
def _table(kind: str) -> Table:
    """Return the tracks of a choreography through one cycle of STEPS, corners rounded."""
    plan = choreographies()[kind]
    alternate = plan.get("alternate", {})
    later = {track: [(at + 0.5, value) for at, value in keys] for track, keys in alternate.items()}
    tracks = dict(plan.get("body", {}))
    for side, swung in (("left", alternate), ("right", later)):
        own = plan.get("both", {}) | swung | plan.get(side, {})
        tracks |= {f"{side}_{track}": keys for track, keys in own.items()}
    phase = np.arange(STEPS) / STEPS
    table = np.zeros((STEPS, len(TRACKS)))
    for track, keys in tracks.items():
        at, value = np.array(keys, dtype=np.float64).T
        table[:, TRACKS.index(track)] = np.interp(phase, at, value, period=1.0)
    return _rounded(table)


def _rounded(values: Table) -> Table:
    """Round the corners of periodic tracks with a Gaussian: no value leaves its range."""
    waves = np.fft.rfft(values, axis=0)
    damping = np.exp(-2 * (np.pi * ROUNDING * np.arange(len(waves))) ** 2)
    rounded: np.ndarray = np.fft.irfft(waves * damping[:, None], n=len(values), axis=0)
    return rounded


def _sampled(table: Float[np.ndarray, "steps tracks"], phase: Track) -> Table:
    """Return a table's rows at moments of the cycle, between two steps where need be."""
    step, part = np.divmod(phase * STEPS, 1.0)
    before = step.astype(int) % STEPS
    part = part[:, None]
    sampled: np.ndarray = table[before] * (1 - part) + table[(before + 1) % STEPS] * part
    return sampled


def _flipped(values: Table) -> Table:
    """Swap left and right: the tracks of the sides, and the sign of what goes across."""
    middle, left, right = np.split(values, [len(BODY_TRACKS), len(BODY_TRACKS + SIDE_TRACKS)], 1)
    return np.concatenate([middle, right, left], axis=1) * np.where(ACROSS, -1.0, 1.0)


def _posture(rng: np.random.Generator) -> Float[np.ndarray, " tracks"]:
    """Return what a variant adds to every track all the time: how this one carries itself."""
    spread = {"lean": 4.0, "chest_lean": 4.0, "head_lean": 6.0, "head_turn": 12.0}
    posture = {name: rng.uniform(-size, size) for name, size in spread.items()}
    both = {
        "foot_out": rng.uniform(-0.03, 0.12),
        "toe_out": rng.uniform(-5, 20),
        "arm_spread": rng.uniform(-3, 12),
        "elbow": rng.uniform(-5, 20),
    }
    posture |= {f"{side}_{track}": value for side in OUTWARDS for track, value in both.items()}
    return np.array([posture.get(name, 0.0) for name in TRACKS])


def _about(axis: str, angle: Track) -> Turns:
    """Return turns about an axis, counterclockwise as seen from its positive end."""
    turns = np.zeros((len(angle), 3, 3))
    first, second = {"x": (1, 2), "y": (2, 0), "z": (0, 1)}[axis]
    turns[:, "xyz".index(axis), "xyz".index(axis)] = 1.0
    turns[:, first, first] = turns[:, second, second] = np.cos(angle)
    turns[:, second, first] = np.sin(angle)
    turns[:, first, second] = -turns[:, second, first]
    return turns


def _applied(turns: Turns, vectors: Vectors) -> Vectors:
    turned: np.ndarray = np.einsum("tij,tj->ti", turns, vectors)
    return turned


def _turned(tracks: Mapping[str, Track], part: str) -> Turns:
    """Return how a part is turned against the one below it."""
    turn, lean, tilt = (tracks[f"{part}{name}"] for name in ("turn", "lean", "tilt"))
    turns: np.ndarray = _about("y", turn) @ _about("x", lean) @ _about("z", tilt)
    return turns


def _height(tracks: Mapping[str, Track], pelvis: Turns) -> Track:
    """Return how high the pelvis is: as its track says, or as high as the feet let it."""
    height = tracks["rise"]
    for side, outwards in OUTWARDS.items():
        hip = pelvis[:, :, 0] * HALF_HIPS * outwards
        level = _foot(tracks, side)[:, [0, 2]] - hip[:, [0, 2]]
        level = level - np.stack([tracks["sway"], tracks["advance"]], axis=1)
        away = np.minimum((level**2).sum(axis=1), (0.9 * REACH) ** 2)
        limit = tracks[f"{side}_foot_up"] + np.sqrt(REACH**2 - away) - LEGS_PER_TORSO - hip[:, 1]
        height = np.minimum(height, limit)
    return height


def _foot(tracks: Mapping[str, Track], side: str) -> Vectors:
    """Return where the ankle is, from below the standing pelvis: y from the standing ankle."""
    out = OUTWARDS[side] * (HALF_HIPS + tracks[f"{side}_foot_out"])
    return np.stack([out, tracks[f"{side}_foot_up"], tracks[f"{side}_foot_ahead"]], axis=1)


def _arm(tracks: Mapping[str, Track], side: str, *, chest: Turns) -> dict[str, Vectors]:
    raised, spread, turn = (tracks[f"{side}_arm_{name}"] for name in ("raise", "spread", "turn"))
    arm = chest @ _about("x", -raised)
    arm = arm @ _about("z", OUTWARDS[side] * spread) @ _about("y", OUTWARDS[side] * turn)
    elbow = tracks[f"{side}_elbow"][:, None]
    return {
        f"{side}_upper_arm": -arm[:, :, 1],
        f"{side}_forearm": np.sin(elbow) * arm[:, :, 2] - np.cos(elbow) * arm[:, :, 1],
    }


def _leg(
    tracks: Mapping[str, Track], side: str, *, pelvis: Turns, root: Vectors
) -> dict[str, Vectors]:
    """Bend a leg so that its foot is where it should be; the knee points where the toes do."""
    hip = root + [0, LEGS_PER_TORSO, 0] + pelvis[:, :, 0] * HALF_HIPS * OUTWARDS[side]
    way = _foot(tracks, side) - hip
    length = np.clip(np.linalg.norm(way, axis=1, keepdims=True), 0.25 * REACH, REACH)
    way = _unit(way)
    toe_out = OUTWARDS[side] * tracks[f"{side}_toe_out"]
    knee = _swung(way, toe_out)
    cosine = (THIGH**2 + length**2 - SHIN**2) / (2 * THIGH * length)
    thigh = cosine * way + np.sqrt(1 - np.minimum(cosine, 1.0) ** 2) * knee
    heel = tracks[f"{side}_heel"]
    toes = [np.sin(toe_out) * np.cos(heel), -np.sin(heel), np.cos(toe_out) * np.cos(heel)]
    return {
        f"{side}_thigh": _unit(thigh),
        f"{side}_shin": _unit(way * length - thigh * THIGH),
        f"{side}_foot": np.stack(toes, axis=1),
    }


def _swung(way: Vectors, toe_out: Track) -> Vectors:
    """Return where "ahead" (turned outwards by toe_out) goes when a leg swings from down to way.

    The shortest turn that takes down to way, applied to a level vector.
    """
    ahead = np.stack([np.sin(toe_out), np.zeros_like(toe_out), np.cos(toe_out)], axis=1)
    between = way - [0.0, 1.0, 0.0]
    part = (between * ahead).sum(axis=1) / np.maximum(1.0 - way[:, 1], 1e-6)
    swung: np.ndarray = ahead - part[:, None] * between
    return swung


def _unit(vectors: Vectors) -> Vectors:
    units: np.ndarray = vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
    return units
