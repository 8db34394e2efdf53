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
from collections.abc import Mapping
from fractions import Fraction
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from dtvideo.toon.world.figure import BODY_DIRECTIONS

RATE = Fraction(30)
VARIANTS = 4
THIGH, SHIN, HALF_HIPS = 0.86, 0.84, 0.19  # torso lengths
REACH = 0.995 * (THIGH + SHIN)
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

Track = Float[np.ndarray, "t"]
Vectors = Float[np.ndarray, "t 3"]
Turns = Float[np.ndarray, "t 3 3"]


@cache
def choreographies() -> dict[str, dict[str, Any]]:
    """Return the choreographies by name.

    seconds: of one cycle; turns: whole turns about the vertical in a cycle; body, both, left,
    right: tracks; alternate: tracks of the left side that the right side does half a cycle later.
    """
    text = (files("dtvideo.toon.world") / "choreography.json").read_text()
    found: dict[str, dict[str, Any]] = json.loads(text)
    return found


KINDS: tuple[str, ...] = tuple(choreographies())


def synthesise(
    kind: str, variant: int
) -> tuple[Float[np.ndarray, "t bones 3"], Float[np.ndarray, "t 3"]]:
    """Return one cycle of a kind of motion at RATE: directions and root, as float32.

    Variant 0 is the choreography itself; others differ in tempo, size, posture, side and where
    the cycle begins, as a function of the kind and the variant alone.
    """
    tracks, heading = _performance(choreographies()[kind], rng=_generator(kind, variant))
    pelvis = _turns(tracks, "")
    chest = pelvis @ _turns(tracks, "chest_")
    head = chest @ _turns(tracks, "head_")
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
    turned = Rotation.from_rotvec(heading[:, None] * [0.0, 1.0, 0.0]).as_matrix()
    directions = np.stack([bones[name] for name in BODY_DIRECTIONS], axis=2)
    directions = (turned @ directions).transpose(0, 2, 1)
    root = np.einsum("tij,tj->ti", turned, root)
    return directions.astype(np.float32), root.astype(np.float32)


def _generator(kind: str, variant: int) -> np.random.Generator | None:
    key = tuple(kind.encode())
    return np.random.default_rng((*key, variant)) if variant else None


def _performance(
    plan: Mapping[str, Any], *, rng: np.random.Generator | None
) -> tuple[dict[str, Track], Track]:
    """Return every track of one cycle, in radians and torso lengths, and the heading."""
    tempo, gain, start, flip = 1.0, np.ones(len(TRACKS)), 0.0, False
    if rng is not None:
        tempo, start, flip = rng.uniform(0.8, 1.3), rng.uniform(), bool(rng.integers(2))
        gain = rng.uniform(0.8, 1.15) * rng.uniform(0.85, 1.15, len(TRACKS))
    count = max(12, round(plan["seconds"] / tempo * float(RATE)))
    phase = np.arange(count) / count + start
    values = np.stack([_sampled(keys, phase) for keys in _keys(plan, flip=flip)], axis=1)
    values = _rounded(values) * gain
    if rng is not None:
        values += _posture(rng)
    tracks = {
        name: value if name in _LENGTHS else np.radians(value)
        for name, value in zip(TRACKS, values.T, strict=True)
    }
    for name in _ONE_WAY:
        tracks[name] = np.maximum(tracks[name], 0.0)
    heading = 2 * np.pi * (phase - start) * plan.get("turns", 0) * (-1 if flip else 1)
    return tracks, heading


_LENGTHS = frozenset(
    name
    for name in TRACKS
    if name.endswith(("sway", "rise", "advance", "foot_out", "foot_up", "foot_ahead"))
)
_ONE_WAY = tuple(name for name in TRACKS if name.endswith(("elbow", "foot_up")))
_ACROSS = frozenset(
    name for name in BODY_TRACKS if name == "sway" or name.endswith(("turn", "tilt"))
)
_STILL = ((0.0, 0.0),)


def _keys(plan: Mapping[str, Any], *, flip: bool) -> list[list[tuple[float, float]]]:
    """Return the keys of every track, in order; flip: left and right change places."""
    both, alternate = plan.get("both", {}), plan.get("alternate", {})
    later = {track: [(at + 0.5, value) for at, value in keys] for track, keys in alternate.items()}
    sides = {
        "left": both | alternate | plan.get("left", {}),
        "right": both | later | plan.get("right", {}),
    }
    if flip:
        sides = {"left": sides["right"], "right": sides["left"]}
    body = plan.get("body", {})
    keys = [
        [
            (at, -value if flip and track in _ACROSS else value)
            for at, value in body.get(track, _STILL)
        ]
        for track in BODY_TRACKS
    ]
    return keys + [sides[side].get(track, _STILL) for side in OUTWARDS for track in SIDE_TRACKS]


def _sampled(keys: list[tuple[float, float]], phase: Track) -> Track:
    at, value = np.array(keys, dtype=np.float64).T
    return np.interp(phase, at, value, period=1.0)


def _rounded(values: Float[np.ndarray, "t tracks"]) -> Float[np.ndarray, "t tracks"]:
    """Round the corners of periodic tracks with a Gaussian: no value leaves its range."""
    waves = np.fft.rfft(values, axis=0)
    damping = np.exp(-2 * (np.pi * ROUNDING * np.arange(len(waves))) ** 2)
    rounded: np.ndarray = np.fft.irfft(waves * damping[:, None], n=len(values), axis=0)
    return rounded


def _posture(rng: np.random.Generator) -> Float[np.ndarray, "tracks"]:
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


def _turns(tracks: Mapping[str, Track], part: str) -> Turns:
    """Return the turn of a part on the one below it: about y, then x, then z."""
    angles = [tracks[f"{part}{name}"] for name in ("turn", "lean", "tilt")]
    turns: np.ndarray = Rotation.from_euler("YXZ", np.stack(angles, axis=1)).as_matrix()
    return turns


def _height(tracks: Mapping[str, Track], pelvis: Turns) -> Track:
    """Return how high the pelvis is: as its track says, or as high as the feet let it."""
    height = tracks["rise"]
    for side, outwards in OUTWARDS.items():
        hip = pelvis[:, :, 0] * HALF_HIPS * outwards
        level = _foot(tracks, side)[:, [0, 2]] - hip[:, [0, 2]]
        level = level - np.stack([tracks["sway"], tracks["advance"]], axis=1)
        away = np.minimum((level**2).sum(axis=1), (0.9 * REACH) ** 2)
        limit = tracks[f"{side}_foot_up"] + np.sqrt(REACH**2 - away) - THIGH - SHIN - hip[:, 1]
        height = np.minimum(height, limit)
    return _rounded(height[:, None])[:, 0]


def _foot(tracks: Mapping[str, Track], side: str) -> Vectors:
    """Return where the ankle is, from below the standing pelvis: y from the standing ankle."""
    out = OUTWARDS[side] * (HALF_HIPS + tracks[f"{side}_foot_out"])
    return np.stack([out, tracks[f"{side}_foot_up"], tracks[f"{side}_foot_ahead"]], axis=1)


def _arm(tracks: Mapping[str, Track], side: str, *, chest: Turns) -> dict[str, Vectors]:
    angles = np.stack(
        [
            -tracks[f"{side}_arm_raise"],
            OUTWARDS[side] * tracks[f"{side}_arm_spread"],
            OUTWARDS[side] * tracks[f"{side}_arm_turn"],
        ],
        axis=1,
    )
    arm = chest @ Rotation.from_euler("XZY", angles).as_matrix()
    elbow = tracks[f"{side}_elbow"][:, None]
    return {
        f"{side}_upper_arm": -arm[:, :, 1],
        f"{side}_forearm": np.sin(elbow) * arm[:, :, 2] - np.cos(elbow) * arm[:, :, 1],
    }


def _leg(
    tracks: Mapping[str, Track], side: str, *, pelvis: Turns, root: Vectors
) -> dict[str, Vectors]:
    """Bend a leg so that its foot is where it should be; the knee points where the toes do."""
    hip = root + [0, THIGH + SHIN, 0] + pelvis[:, :, 0] * HALF_HIPS * OUTWARDS[side]
    way = _foot(tracks, side) - hip
    length = np.clip(np.linalg.norm(way, axis=1, keepdims=True), 0.25 * REACH, REACH)
    way = _unit(way)
    toe_out = OUTWARDS[side] * tracks[f"{side}_toe_out"]
    ahead = _swung(np.einsum("tji,tj->ti", pelvis, way), toe_out)
    knee = np.einsum("tij,tj->ti", pelvis, ahead)
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
    return ahead - part[:, None] * between


def _unit(vectors: Vectors) -> Vectors:
    units: np.ndarray = vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
    return units
