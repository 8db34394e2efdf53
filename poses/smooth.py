"""Mend a sequence: fill short gaps and take the jitter out, without lag and never across a cut.

A cut is the index of the first frame of a new shot. Joints are confident or not by
`poses.types.confident`; those that are not count as missing.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float
from scipy.interpolate import PchipInterpolator
from scipy.linalg import solveh_banded

from poses.frames import in_words, runs, shots
from poses.skeleton import BODY18, FACE70, HAND21
from poses.types import JointTracks, PoseSequence, confident, parts_of

Track = Float[np.ndarray, "t 3"]
Flags = Bool[np.ndarray, " t"]

ORDER = 3
# Stiffer, and rounding errors come into sight: reached at 200 frames for a period of the cut-off.
MAX_STIFFNESS = 1e9
_SKELETONS = {"body": BODY18, "left_hand": HAND21, "right_hand": HAND21, "face": FACE70}


RepairKind = Literal["interpolated", "held", "dropped", "exchanged"]


@dataclass(frozen=True)
class Repair:
    """One joint, or one group of joints, mended in the frames first to last, both included."""

    part: str
    joint: str
    first: int
    last: int
    kind: RepairKind


@dataclass(frozen=True)
class RepairReport:
    """What was mended, and the frames in which nobody could be brought back."""

    repairs: tuple[Repair, ...]
    empty_frames: tuple[int, ...]

    @property
    def frames(self) -> tuple[int, ...]:
        """Every frame in which some joint was mended."""
        mended = {frame for one in self.repairs for frame in range(one.first, one.last + 1)}
        return tuple(sorted(mended))

    def describe(self) -> str:
        """Say in one line which frames were mended and which are empty."""
        text = f"repaired frames {in_words(self.frames)}"
        return text + (f", nobody in {in_words(self.empty_frames)}" if self.empty_frames else "")


def fill_gaps(
    sequence: PoseSequence,
    *,
    max_gap_seconds: float = 0.5,
    fade_seconds: float = 0.25,
    cuts: Sequence[int] = (),
) -> tuple[PoseSequence, RepairReport]:
    """Fill gaps in each joint's track: short ones by interpolation, others by hold and fade.

    A gap with confident frames on both sides and not longer than `max_gap_seconds` follows a
    monotone cubic (PCHIP). Elsewhere the nearest confident place is held while its confidence
    falls to nothing within `fade_seconds`, so the joint disappears instead of freezing.
    Returns the sequence and a list of all repairs.
    """
    max_gap = round(max_gap_seconds * float(sequence.rate))
    fade = round(fade_seconds * float(sequence.rate))
    repairs: list[Repair] = []
    filled = {}
    for part, tracks in parts_of(sequence).items():
        filled[part] = tracks.copy()
        for joint, name in enumerate(_SKELETONS[part].joints):
            for first, stop in shots(len(tracks), cuts):
                track = filled[part][first:stop, joint]
                for kind, found in _fill(track, max_gap=max_gap, fade=fade):
                    repairs.extend(
                        Repair(part, name, first + start, first + end - 1, kind)
                        for start, end in runs(found)
                    )
    mended = _with_parts(sequence, filled)
    empty = np.flatnonzero(~confident(mended.body).any(axis=1))
    return mended, RepairReport(tuple(repairs), tuple(int(frame) for frame in empty))


def smooth(
    sequence: PoseSequence,
    *,
    cutoff_hz: float = 5.0,
    cuts: Sequence[int] = (),
) -> PoseSequence:
    """Smooth confident runs, without lag: what moves at `cutoff_hz` keeps half its amplitude.

    Each run becomes the path that is nearest to it with a small third difference (Whittaker's
    graduation), so that steady, falling and turning motion stays as it is. Confidences, joints
    that are not confident and runs of three frames or fewer stay as they are.
    """
    rate = float(sequence.rate)
    smoothed = {part: tracks.copy() for part, tracks in parts_of(sequence).items()}
    for tracks in smoothed.values():
        for first, stop in shots(len(tracks), cuts):
            for joint in range(tracks.shape[1]):
                track = tracks[first:stop, joint]
                known = confident(track)
                steady = smooth_runs(track[:, :2], known, cutoff_hz=cutoff_hz, rate=rate)
                track[known, :2] = steady[known]
    return _with_parts(sequence, smoothed)


def smooth_runs(
    values: Float[np.ndarray, "t n"], known: Flags, *, cutoff_hz: float, rate: float
) -> Float[np.ndarray, "t n"]:
    """Return columns of values smoothed as by `smooth`, inside runs of known frames only."""
    stiffness = _stiffness(cutoff_hz, rate)
    smoothed = values.copy()
    for start, stop in runs(known):
        if stop - start > ORDER:
            bands = stiffness * _roughness_bands(stop - start)
            bands[0] += 1
            smoothed[start:stop] = solveh_banded(bands, values[start:stop], lower=True)
    return smoothed


def jitter(sequence: PoseSequence) -> float:
    """Return the RMS acceleration of the body's confident joints in pixels per frame squared."""
    places = np.where(confident(sequence.body)[..., None], sequence.body[..., :2], np.nan)
    acceleration = np.linalg.norm(np.diff(places, n=2, axis=0), axis=-1)
    known = acceleration[np.isfinite(acceleration)]
    return float(np.sqrt(np.mean(known**2))) if known.size else 0.0


def _with_parts(sequence: PoseSequence, parts: dict[str, JointTracks]) -> PoseSequence:
    return PoseSequence(size=sequence.size, rate=sequence.rate, **parts)


def _fill(track: Track, *, max_gap: int, fade: int) -> Iterator[tuple[RepairKind, Flags]]:
    """Fill one joint's track in place; yields which frames were filled and how."""
    known = confident(track)
    if not known.any() or known.all():
        return
    inside = np.zeros(len(track), dtype=bool)
    for start, stop in runs(~known):
        inside[start:stop] = start > 0 and stop < len(track) and stop - start <= max_gap
    held = _hold(track, known=known, where=~known & ~inside, fade=fade)
    if inside.any():
        frames, gap = np.flatnonzero(known), np.flatnonzero(inside)
        track[gap, :2] = PchipInterpolator(frames, track[frames, :2])(gap)
        track[gap, 2] = np.interp(gap, frames, track[frames, 2])
    yield "interpolated", inside
    yield "held", held


def _hold(track: Track, *, known: Flags, where: Flags, fade: int) -> Flags:
    """Hold the nearest known place with falling confidence; returns where it stays confident."""
    frames, wanted = np.flatnonzero(known), np.flatnonzero(where)
    after = np.searchsorted(frames, wanted).clip(max=len(frames) - 1)
    before = (after - 1).clip(min=0)
    nearer = np.abs(frames[before] - wanted) <= np.abs(frames[after] - wanted)
    source = frames[np.where(nearer, before, after)]
    remaining = (1 - np.abs(source - wanted) / (fade + 1)).clip(min=0)
    near = remaining > 0
    track[wanted[near], :2] = track[source[near], :2]
    track[wanted[near], 2] = track[source[near], 2] * remaining[near]
    held = np.zeros(len(track), dtype=bool)
    held[wanted] = confident(track[wanted])
    return held


def _stiffness(cutoff_hz: float, rate: float) -> float:
    """Return the weight of the squared third differences that halves the cut-off frequency."""
    stiffness = (2 * np.sin(np.pi * min(cutoff_hz / rate, 0.5))) ** (-2 * ORDER)
    return min(float(stiffness), MAX_STIFFNESS)


@lru_cache(maxsize=64)
def _roughness_bands(length: int) -> Float[np.ndarray, "4 n"]:
    """Return the lower bands of the matrix whose form is the sum of squared third differences."""
    weights = np.array([-1.0, 3.0, -3.0, 1.0])
    bands = np.zeros((ORDER + 1, length))
    for below in range(ORDER + 1):
        for column in range(ORDER + 1 - below):
            last = length - ORDER + column
            bands[below, column:last] += weights[column] * weights[column + below]
    return bands
