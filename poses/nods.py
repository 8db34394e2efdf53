"""Undo impossible turns of the head, which a detector guesses when it hardly sees a face.

Where a face is small, hidden or made unreadable, its points stay together but whirl about from
frame to frame; where a front is taken for a back, the face is made up. Where they are is still
right, so only how they lie about their middle is mended.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float

from poses.frames import runs, shots
from poses.heads import HEAD_POINTS, find_attitudes, learn_head, seen_heads
from poses.limbs import tree_places
from poses.outliers import leaping
from poses.smooth import Repair
from poses.types import PoseSequence

# Beside the course of the frames before or after; true heads stay below 20 at 25 frames a second.
MAX_LEAP = np.radians(30.0)
MINIMUM_POINTS = 3

Frames = Bool[np.ndarray, " t"]


def steady_heads(
    sequence: PoseSequence, *, cuts: Sequence[int] = (), guessed: Frames | None = None
) -> tuple[PoseSequence, tuple[Repair, ...]]:
    """Give heads that leap into another attitude and back the attitude of the frames about them.

    The points of the head keep their middle, and lie about it as between the nearest frames that
    do not leap. Never looks across a cut. Returns the sequence and the list of what was mended.

    guessed: frames whose heads are mended too, because the detector did not see the face there.
    """
    body = sequence.body.copy()
    if guessed is None:
        guessed = np.zeros(len(body), dtype=bool)
    repairs = []
    for first, stop in shots(len(body), cuts):
        shot = body[first:stop]
        places = tree_places(shot)
        leaps = _leaping_heads(places, guessed[first:stop])
        _turn_back(shot, seen_heads(places)[:, : len(HEAD_POINTS)], leaps)
        repairs += [
            Repair("body", "head", first + start, first + end - 1, "interpolated")
            for start, end in runs(leaps)
        ]
    return sequence.with_body(body), tuple(repairs)


def _leaping_heads(places: Float[np.ndarray, "t 20 2"], guessed: Frames) -> Frames:
    seen = seen_heads(places)
    head = learn_head(seen, level=0.0)
    if head is None:
        return np.zeros(len(places), dtype=bool)
    turns, _ = find_attitudes(seen, head)
    attitudes = turns.reshape(len(turns), -1)
    few = np.isfinite(seen[:, : len(HEAD_POINTS), 0]).sum(axis=1) < MINIMUM_POINTS
    attitudes[few] = np.nan
    # Two attitudes that are an angle apart differ by so much as matrices.
    leaps = guessed & ~guessed.all()  # where nothing else is known, what was guessed stands
    leaps[~leaps] = leaping(attitudes[~leaps], limit=2 * np.sqrt(2) * np.sin(MAX_LEAP / 2))
    return leaps


def _turn_back(
    shot: Float[np.ndarray, "t 18 3"],
    points: Float[np.ndarray, "t 5 2"],
    leaps: Frames,
) -> None:
    """Put the points of leaping heads about their middle as neighbours have them, in place."""
    frames = np.arange(len(shot))
    known = np.isfinite(points[..., 0])
    middles = np.where(known[..., None], points, 0).sum(axis=1) / known.sum(axis=1)[:, None].clip(1)
    for column, joint in enumerate(HEAD_POINTS):
        steady = known[:, column] & ~leaps
        mended = known[:, column] & leaps
        if not steady.any():
            continue
        about = points[:, column] - middles
        for axis in (0, 1):
            between = np.interp(frames[mended], frames[steady], about[steady, axis])
            shot[mended, joint, axis] = middles[mended, axis] + between
