"""Throw out joints that jump away for a moment and come back."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float

from poses.frames import runs, shots
from poses.skeleton import BODY18
from poses.smooth import Repair
from poses.types import PoseSequence, body_height, confident

WINDOW = 7
MAX_JUMP = 0.15

Path = Float[np.ndarray, "t n"]


def drop_outliers(
    sequence: PoseSequence, *, cuts: Sequence[int] = ()
) -> tuple[PoseSequence, tuple[Repair, ...]]:
    """Make body joints missing that jump away from where they were and back again.

    A joint is suspected where it is more than 0.15 of the body's usual height from the median of
    the seven frames about it, and dropped where it also comes there or goes from there by as
    much beside where it was going: a fast limb turns back in a curve. Never looks across a cut.
    Returns the sequence and the list of what was dropped.
    """
    body = sequence.body.copy()
    limit = MAX_JUMP * body_height(body)
    repairs = []
    for first, stop in shots(len(body), cuts):
        shot = body[first:stop]
        places = np.where(confident(shot)[..., None], shot[..., :2], np.nan)
        for joint, name in enumerate(BODY18.joints):
            away = leaping(places[:, joint], limit=limit)
            shot[away, joint] = (np.nan, np.nan, 0)
            repairs += [
                Repair("body", name, first + start, first + end - 1, "dropped")
                for start, end in runs(away)
            ]
    return sequence.with_body(body), tuple(repairs)


def leaping(path: Path, *, limit: float) -> Bool[np.ndarray, " t"]:
    """Tell in which frames a path leaps away; of neighbours, what leaps most goes first."""
    rest = path.copy()
    while leaps := [
        (leap, *run) for run in runs(_far(rest, limit)) if (leap := _leap(rest, *run)) > limit
    ]:
        near = np.zeros(len(path), dtype=bool)
        for _, start, end in sorted(leaps, reverse=True):
            if not near[start:end].any():
                rest[start:end] = np.nan
                near[max(0, start - WINDOW) : end + WINDOW] = True
    taken: np.ndarray = np.isfinite(path[:, 0]) & ~np.isfinite(rest[:, 0])
    return taken


def _leap(path: Path, start: int, end: int) -> float:
    """Return how far a path leaves its course to reach some frames, or to go on from them.

    Nothing where two frames are known neither before nor after them.
    """
    before = _departure(path[max(0, start - 2) : start + 1])
    after = _departure(path[end - 1 : end + 2][::-1])
    return max((way for way in (before, after) if np.isfinite(way)), default=0.0)


def _departure(path: Path) -> float:
    """Return how far the last of three places is from where the two before it lead."""
    return float(np.linalg.norm(path[2] - 2 * path[1] + path[0])) if len(path) == 3 else np.nan


def _far(path: Path, limit: float) -> Bool[np.ndarray, " t"]:
    padded = np.pad(path, ((WINDOW // 2, WINDOW // 2), (0, 0)), constant_values=np.nan)
    windows = np.lib.stride_tricks.sliding_window_view(padded, WINDOW, axis=0)
    known = np.isfinite(path[:, 0])
    far = np.zeros(len(path), dtype=bool)
    middle = np.nanmedian(windows[known], axis=-1)
    far[known] = np.linalg.norm(path[known] - middle, axis=-1) > limit
    return far
