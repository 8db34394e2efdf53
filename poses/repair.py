"""Mend what a detector got wrong, in the order that works: sides, outliers, gaps."""

from collections.abc import Sequence
from dataclasses import replace

from poses.outliers import drop_outliers
from poses.smooth import RepairReport, fill_gaps
from poses.swaps import undo_swaps
from poses.types import PoseSequence


def repair(
    sequence: PoseSequence, *, cuts: Sequence[int] = ()
) -> tuple[PoseSequence, RepairReport]:
    """Undo exchanged sides, drop joints that jump away, then fill the gaps.

    cuts: the first frame of each new shot; nothing reaches across one.
    Returns the sequence and every repair; see `undo_swaps`, `drop_outliers` and `fill_gaps`.
    """
    sided, swaps = undo_swaps(sequence, cuts=cuts)
    steady, dropped = drop_outliers(sided, cuts=cuts)
    filled, report = fill_gaps(steady, cuts=cuts)
    return filled, replace(report, repairs=(*swaps, *dropped, *report.repairs))
