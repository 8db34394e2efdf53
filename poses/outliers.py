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


def drop_outliers(
    sequence: PoseSequence, *, cuts: Sequence[int] = ()
) -> tuple[PoseSequence, tuple[Repair, ...]]:
    """Make body joints missing that are far from the median of the seven frames about them.

    Far is more than 0.15 of the body's usual height. Windows never reach across a cut.
    Returns the sequence and the list of what was dropped.
    """
    body = sequence.body.copy()
    height = body_height(body)
    repairs = []
    for first, stop in shots(len(body), cuts):
        shot = body[first:stop]
        far = _far(np.where(confident(shot)[..., None], shot[..., :2], np.nan), height * MAX_JUMP)
        shot[far] = (np.nan, np.nan, 0)
        repairs += [
            Repair("body", name, first + start, first + end - 1, "dropped")
            for joint, name in enumerate(BODY18.joints)
            for start, end in runs(far[:, joint])
        ]
    return sequence.with_body(body), tuple(repairs)


def _far(places: Float[np.ndarray, "t j 2"], limit: float) -> Bool[np.ndarray, "t j"]:
    padding = np.full((WINDOW // 2, *places.shape[1:]), np.nan)
    padded = np.concatenate([padding, places, padding])
    windows = np.lib.stride_tricks.sliding_window_view(padded, WINDOW, axis=0)
    alone = np.isnan(windows).all(axis=-1)
    middle = np.nanmedian(np.where(alone[..., None], 0.0, windows), axis=-1)
    far: np.ndarray = np.linalg.norm(places - middle, axis=-1) > limit
    return far
