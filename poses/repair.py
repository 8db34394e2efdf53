"""Mend what a detector got wrong, in the order that works: sides, outliers, heads, gaps."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Bool

from poses.nods import steady_heads
from poses.outliers import drop_outliers
from poses.smooth import Repair, RepairReport, fill_gaps
from poses.swaps import undo_swaps
from poses.types import PoseSequence


def repair(
    sequence: PoseSequence, *, cuts: Sequence[int] = ()
) -> tuple[PoseSequence, RepairReport]:
    """Undo exchanged sides, drop joints that jump away, steady heads that whirl, fill the gaps.

    cuts: the first frame of each new shot; nothing reaches across one. Returns the sequence and
    every repair; see `undo_swaps`, `drop_outliers`, `steady_heads` and `fill_gaps`.
    """
    sided, swaps = undo_swaps(sequence, cuts=cuts)
    steady, dropped = drop_outliers(sided, cuts=cuts)
    calm, turned = steady_heads(steady, cuts=cuts, guessed=_seen_from_behind(swaps, len(sequence)))
    filled, report = fill_gaps(calm, cuts=cuts)
    return filled, replace(report, repairs=(*swaps, *dropped, *turned, *report.repairs))


def _seen_from_behind(swaps: Sequence[Repair], frames: int) -> Bool[np.ndarray, " t"]:
    """Tell in which frames the detector took a front for a back, and so made up the face."""
    behind = np.zeros(frames, dtype=bool)
    for swap in swaps:
        if swap.joint == "head":
            behind[swap.first : swap.last + 1] = True
    return behind
