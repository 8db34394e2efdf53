"""Undo exchanges of left and right: detectors now and then take one side for the other.

Within each shot the sides of arms, legs and head are chosen so that the joints travel least
(dynamic programming over two states), with a small price on every frame that is changed, so
that what the detector said most of the time stands; where both were said as often, as in a few
frames of a small figure, the body faces the camera. The points of a head lie close together, so
that their way tells little; but a head does not look backwards, so its sides lie as the shoulders'.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float

from poses.frames import runs, shots
from poses.skeleton import BODY18
from poses.smooth import Repair
from poses.types import JointTracks, PoseSequence, body_height, confident

# Pairs of (right, left) joints that a detector exchanges together.
GROUPS = {
    "arms": ((2, 5), (3, 6), (4, 7)),
    "legs": ((8, 11), (9, 12), (10, 13)),
    "head": ((14, 15), (16, 17)),
}
SHOULDERS = (2, 5)
CHANGE_PRICE = 0.01
AWAY_PRICE = CHANGE_PRICE / 20
"""Of a frame in which the body turns its back: it settles ties, and little else."""


def undo_swaps(
    sequence: PoseSequence, *, cuts: Sequence[int] = ()
) -> tuple[PoseSequence, tuple[Repair, ...]]:
    """Give each side its own joints back; hands go with the arms.

    Returns the sequence and the list of what was exchanged: arms, legs or head.
    """
    mended = sequence
    repairs: list[Repair] = []
    for name, pairs in GROUPS.items():
        swapped = np.zeros(len(sequence), dtype=bool)
        for first, stop in shots(len(sequence), cuts):
            shot = mended.body[first:stop]
            prices = np.tile([0.0, CHANGE_PRICE], (len(shot), 1))
            prices += (_looks_backwards if name == "head" else _turns_its_back)(shot, pairs)
            swapped[first:stop] = _swapped(shot, pairs, prices)
        mended = mended.with_body(_exchanged(mended.body, pairs, swapped))
        if name == "arms":
            mended = _with_hands_exchanged(mended, swapped)
        repairs += [
            Repair("body", name, first, stop - 1, "exchanged") for first, stop in runs(swapped)
        ]
    return mended, tuple(repairs)


def _swapped(
    body: JointTracks, pairs: tuple[tuple[int, int], ...], prices: Float[np.ndarray, "t 2"]
) -> Bool[np.ndarray, " t"]:
    """Return the frames to exchange: the cheapest path through kept (0) and exchanged (1)."""
    kept, crossed = _travel(body, pairs)
    total = prices[0]
    came_from = np.zeros((len(body), 2), dtype=int)
    for frame in range(1, len(body)):
        straight, across = kept[frame - 1], crossed[frame - 1]
        costs = total + np.array([[straight, across], [across, straight]])
        came_from[frame] = costs.argmin(axis=1)
        total = costs.min(axis=1) + prices[frame]
    state = int(total.argmin())
    path = np.zeros(len(body), dtype=bool)
    for frame in range(len(body) - 1, -1, -1):
        path[frame] = state
        state = came_from[frame, state]
    return path


def _turns_its_back(
    body: JointTracks, pairs: tuple[tuple[int, int], ...]
) -> Float[np.ndarray, "t 2"]:
    """Return the price of every frame, kept and exchanged, whose left sides lie to the left."""
    way = _across(body, pairs)[:, 0]
    return AWAY_PRICE * np.column_stack([way < 0, way > 0])


def _looks_backwards(
    body: JointTracks, pairs: tuple[tuple[int, int], ...]
) -> Float[np.ndarray, "t 2"]:
    """Return how far the sides of a head, kept and exchanged, lie against those of the shoulders.

    Measured along the shoulders in units of the body's usual size, none where they are unknown.
    """
    shoulders = _across(body, (SHOULDERS,))
    width = np.linalg.norm(shoulders, axis=-1).clip(min=1.0)
    alike = (_across(body, pairs) * shoulders).sum(axis=-1) / width / body_height(body)
    return np.column_stack([-alike, alike]).clip(min=0)


def _across(body: JointTracks, pairs: tuple[tuple[int, int], ...]) -> Float[np.ndarray, "t 2"]:
    """Return the mean way from the right joints to the left ones, of pairs that are known."""
    places = np.where(confident(body)[..., None], body[..., :2], np.nan)
    right, left = np.array(pairs).T
    ways = places[:, left] - places[:, right]
    known = np.isfinite(ways).all(axis=-1, keepdims=True)
    mean: np.ndarray = np.where(known, ways, 0).sum(axis=1) / known.sum(axis=1).clip(min=1)
    return mean


def _travel(
    body: JointTracks, pairs: tuple[tuple[int, int], ...]
) -> tuple[Float[np.ndarray, " s"], Float[np.ndarray, " s"]]:
    """Return how far the joints travel from each frame to the next, sides kept and exchanged.

    In units of the body's usual size; only pairs that are whole in both frames count.
    """
    places = np.where(confident(body)[..., None], body[..., :2], np.nan)
    right, left = (places[:, [pair[side] for pair in pairs]] for side in (0, 1))
    kept = _distance(right[:-1], right[1:]) + _distance(left[:-1], left[1:])
    crossed = _distance(right[:-1], left[1:]) + _distance(left[:-1], right[1:])
    counted = np.isfinite(kept)
    size = 2 * counted.sum(axis=1).clip(min=1) * body_height(body)
    return (
        np.where(counted, kept, 0).sum(axis=1) / size,
        np.where(counted, crossed, 0).sum(axis=1) / size,
    )


def _distance(
    one: Float[np.ndarray, "s p 2"], other: Float[np.ndarray, "s p 2"]
) -> Float[np.ndarray, "s p"]:
    distance: np.ndarray = np.linalg.norm(one - other, axis=-1)
    return distance


def _exchanged(
    body: JointTracks, pairs: tuple[tuple[int, int], ...], frames: Bool[np.ndarray, " t"]
) -> JointTracks:
    order = np.arange(len(BODY18))
    for right, left in pairs:
        order[right], order[left] = left, right
    return np.where(frames[:, None, None], body[:, order], body)


def _with_hands_exchanged(sequence: PoseSequence, frames: Bool[np.ndarray, " t"]) -> PoseSequence:
    if sequence.left_hand is None or sequence.right_hand is None:
        return sequence
    where = frames[:, None, None]
    return replace(
        sequence,
        left_hand=np.where(where, sequence.right_hand, sequence.left_hand),
        right_hand=np.where(where, sequence.left_hand, sequence.right_hand),
    )
