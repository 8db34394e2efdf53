"""Motions: a body moving through time, for any body, and the two sets of them.

`motions("train")` and `motions("held-out")` hold real motion capture (the file motions.npz,
made by `dtvideo.toon.world.mocap`) and synthesised moves (`dtvideo.toon.world.synthesis`).
No motion of one set is made from the same take or the same choreography as one of the other.

Axes are those of `dtvideo.toon.world.figure`: x to the picture's right, y up, z to the viewer.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int16

from dtvideo.errors import UsageError
from dtvideo.toon.world.figure import BODY_DIRECTIONS, Stance
from dtvideo.toon.world.synthesis import RATE, VARIANTS, choreographies, synthesise

Directions = Float[np.ndarray, "t bones 3"]
Roots = Float[np.ndarray, "t 3"]

HELD_OUT_TAKES: frozenset[str] = frozenset({"dance-b", "run", "kick"})
HELD_OUT_KINDS: frozenset[str] = frozenset({"wave", "star-jump", "side-step", "disco"})

DIRECTION_STEPS = 32767  # one unit, in the steps of a stored direction
ROOT_STEPS = 4096  # one torso length, in the steps of a stored displacement
MIRRORED = "-mirrored"


@dataclass(frozen=True, eq=False)
class Motion:
    """A motion of any body: one stance a frame.

    directions: unit vectors in the order of BODY_DIRECTIONS; root: how far the pelvis is from
    where it is in standing, in torso lengths, as a Stance tells it; rate: frames per second;
    loop: whether frame 0 follows the last frame.
    """

    name: str
    directions: Directions
    root: Roots
    rate: Fraction
    loop: bool

    def __post_init__(self) -> None:
        frames = len(self.root)
        if frames == 0 or self.directions.shape != (frames, len(BODY_DIRECTIONS), 3):
            raise UsageError(
                "M11",
                self.name,
                f"{self.directions.shape} directions for {self.root.shape} displacements",
                f"give (frames, {len(BODY_DIRECTIONS)}, 3) and (frames, 3)",
            )

    def __len__(self) -> int:
        return len(self.root)

    @property
    def seconds(self) -> float:
        """Return how long the motion lasts, a loop's way back to frame 0 included."""
        return float((len(self) - (not self.loop)) / self.rate)

    def stance(self, index: int) -> Stance:
        """Return one frame; a loop goes round, so any index does."""
        index = index % len(self) if self.loop else index
        return Stance(directions=self.directions[index], root=self.root[index])

    def at(self, seconds: float) -> Stance:
        """Return the moment between two frames; beyond its ends a motion holds or loops."""
        place = seconds * float(self.rate)
        if not self.loop:
            place = min(max(place, 0.0), len(self) - 1.0)
        first = int(np.floor(place))
        before = self.stance(first)
        if (part := place - first) == 0.0:
            return before
        after = self.stance(first + 1)
        directions = before.directions * (1 - part) + after.directions * part
        root = before.root * (1 - part) + after.root * part
        return Stance(directions=unit(directions), root=root)

    def mirrored(self) -> "Motion":
        """Return the motion as a mirror shows it: left and right change places."""
        directions = self.directions[:, _MIRROR_ORDER] * _MIRROR_SIGNS
        name = self.name.removesuffix(MIRRORED)
        return Motion(
            name=name if name != self.name else self.name + MIRRORED,
            directions=directions.astype(self.directions.dtype),
            root=self.root * np.array([-1, 1, 1], self.root.dtype),
            rate=self.rate,
            loop=self.loop,
        )


def unit(vectors: Float[np.ndarray, "*shape 3"]) -> Float[np.ndarray, "*shape 3"]:
    """Return vectors of length one; a vector of no length points up."""
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    up = np.array([0, 1, 0], vectors.dtype)
    return np.where(length > 1e-9, vectors / np.maximum(length, 1e-9), up).astype(vectors.dtype)


@cache
def motions(split: str) -> tuple[Motion, ...]:
    """Return every motion of a set, "train" or "held-out", always in the same order.

    Raises: UsageError for a name that is no set.
    """
    if split not in ("train", "held-out"):
        raise UsageError("M11", "motions", f"no set named {split!r}", 'use "train" or "held-out"')
    held_out = split == "held-out"
    taken = [take for take in _captured() if (_take(take.name) in HELD_OUT_TAKES) == held_out]
    made = [
        Motion(f"{kind}-{variant}", directions, root, rate=RATE, loop=True)
        for kind in choreographies()
        if (kind in HELD_OUT_KINDS) == held_out
        for variant, (directions, root) in enumerate(synthesise(kind, range(VARIANTS)))
    ]
    return (*taken, *made)


def motion_by_name(name: str) -> Motion:
    """Return the motion of a name, from either set; "NAME-mirrored" is its mirror picture.

    Raises: UsageError when there is none, with the names there are.
    """
    known = {motion.name: motion for motion in (*motions("train"), *motions("held-out"))}
    if (plain := name.removesuffix(MIRRORED)) not in known:
        raise UsageError("M11", name, "no such motion", f"use one of {', '.join(known)}")
    return known[plain].mirrored() if name != plain else known[plain]


def pack(takes: Sequence[Motion], about: Sequence[Mapping[str, str]]) -> dict[str, np.ndarray]:
    """Return motions as arrays to save: whole numbers, and a catalogue in JSON.

    about: what else the catalogue tells of each motion (its source and licence).
    """
    rows = [
        {"name": take.name, "frames": len(take), "rate": str(take.rate), "loop": take.loop, **told}
        for take, told in zip(takes, about, strict=True)
    ]
    directions = np.concatenate([take.directions for take in takes]) * DIRECTION_STEPS
    root = np.concatenate([take.root for take in takes]) * ROOT_STEPS
    return {
        "directions": np.rint(directions).astype(np.int16),
        "root": np.rint(root).astype(np.int16),
        "catalogue": np.frombuffer(json.dumps(rows, indent=1).encode(), np.uint8),
    }


def unpack(arrays: Mapping[str, np.ndarray]) -> tuple[Motion, ...]:
    """Return the motions that `pack` made into arrays."""
    rows = catalogue(arrays)
    ends = np.cumsum([row["frames"] for row in rows])[:-1]
    parts = zip(
        rows,
        np.split(_steps(arrays["directions"], DIRECTION_STEPS), ends),
        np.split(_steps(arrays["root"], ROOT_STEPS), ends),
        strict=True,
    )
    return tuple(
        Motion(row["name"], unit(directions), root, rate=Fraction(row["rate"]), loop=row["loop"])
        for row, directions, root in parts
    )


def catalogue(arrays: Mapping[str, np.ndarray]) -> list[dict[str, Any]]:
    """Return what is told of each packed motion: name, frames, rate, loop, source, licence."""
    rows: list[dict[str, Any]] = json.loads(arrays["catalogue"].tobytes())
    return rows


def _captured() -> tuple[Motion, ...]:
    path = Path(str(files("dtvideo.toon.world") / "motions.npz"))
    with np.load(path, allow_pickle=False) as arrays:
        return unpack(arrays)


def _steps(whole: Int16[np.ndarray, "*shape"], steps: int) -> Float[np.ndarray, "*shape"]:
    return whole.astype(np.float32) / np.float32(steps)


def _take(name: str) -> str:
    """Return the recording that a motion was cut from: "climb/3" is a part of "climb"."""
    return name.split("/")[0]


def _mirror_order() -> list[int]:
    swap = {"left": "right", "right": "left"}
    names = ["_".join(swap.get(word, word) for word in name.split("_")) for name in BODY_DIRECTIONS]
    return [BODY_DIRECTIONS.index(name) for name in names]


def _mirror_signs() -> Float[np.ndarray, "bones 3"]:
    """Return the signs of a mirror in x; a vector from right to left is also turned round."""
    across = np.array([name in ("shoulders", "hips") for name in BODY_DIRECTIONS])
    return np.where(across[:, None], (1.0, -1.0, -1.0), (-1.0, 1.0, 1.0))


_MIRROR_ORDER = _mirror_order()
_MIRROR_SIGNS = _mirror_signs()
