"""When frames are shown: constant rate or not, and the frame nearest to each tick. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from itertools import pairwise
from typing import TypeVar

import numpy as np

WELL_KNOWN_RATES = tuple(
    sorted(
        [
            Fraction(rate)
            for rate in (5, 6, 8, 10, 12, 15, 16, 18, 20, 24, 25, 30, 48, 50, 60, 90, 100, 120, 240)
        ]
        + [Fraction(rate * 1000, 1001) for rate in (24, 30, 48, 60, 120)]
    )
)
RATE_LIMITS = (Fraction(1), Fraction(240))
REGULAR_WITHIN = 0.45  # of a frame interval; under 0.5 the nearest frame of tick k is frame k
SNAP_WITHIN = 0.005
ROUNDED_WITHIN = 0.0003
USUAL_WITHIN = 0.25

Item = TypeVar("Item")


def steady_times(stamps: Iterable[Fraction | None], step: Fraction) -> Iterator[Fraction]:
    """Turn raw time stamps into times from 0 that never run backwards, in seconds.

    A missing stamp is one `step` after its predecessor; after a jump backwards the clock goes
    on one `step` later, as if the file had been joined there.
    """
    shift, previous = Fraction(0), None
    for stamp in stamps:
        if previous is None:
            shift, time = -(stamp or Fraction(0)), Fraction(0)
        elif stamp is None:
            time = previous + step
        else:
            time = stamp + shift
            if time < previous:
                time = previous + step
                shift = time - stamp
        previous = time
        yield time


def is_regular(times: Sequence[Fraction], rate: Fraction) -> bool:
    """Tell whether frame k is shown at k / rate, to less than half an interval, for all k."""
    ticks = np.array([float(time * rate) for time in times])
    return bool(np.all(np.abs(ticks - np.arange(len(ticks))) < REGULAR_WITHIN))


def choose_rate(
    times: Sequence[Fraction], declared: Iterable[Fraction | None]
) -> tuple[Fraction | None, bool]:
    """Return the frame rate and whether the clip's own rate varies.

    The first declared rate that the times obey wins, and before it a well-known one that was
    rounded to it, such as 30000/1001 to 29.97. If none does, the rate is that of the usual gap,
    moved to a well-known rate within half a per cent. None: nothing usable.
    """
    usable = [rate for rate in declared if rate and RATE_LIMITS[0] <= rate <= RATE_LIMITS[1]]
    usual = usual_rate(times)
    told = [near for one in usable for near in (_unrounded(one), one)]
    for rate in [*told, usual]:
        if rate and is_regular(times, rate):
            return rate, False
    return usual, True


def _unrounded(rate: Fraction) -> Fraction:
    """Return the well-known rate that a declared one is a rounding of, or itself."""
    nearest = min(WELL_KNOWN_RATES, key=lambda known: abs(known - rate))
    return nearest if abs(nearest - rate) <= ROUNDED_WITHIN * rate else rate


def usual_rate(times: Sequence[Fraction]) -> Fraction | None:
    """Return one over the usual gap, snapped to a well-known rate; None if out of limits.

    The usual gap is the mean of those near the median: stamps may be whole milliseconds.
    """
    gaps = sorted(gap for before, after in pairwise(times) if (gap := after - before) > 0)
    if not gaps:
        return None
    median = gaps[len(gaps) // 2]
    usual = [gap for gap in gaps if abs(gap - median) <= USUAL_WITHIN * median]
    rate = len(usual) / sum(usual, Fraction(0))
    nearest = min(WELL_KNOWN_RATES, key=lambda known: abs(known - rate))
    if abs(nearest - rate) <= SNAP_WITHIN * rate:
        rate = nearest
    rate = rate.limit_denominator(1001)
    return rate if RATE_LIMITS[0] <= rate <= RATE_LIMITS[1] else None


def count_ticks(duration: Fraction, rate: Fraction) -> int:
    """Return how many frames fill a duration, at least one."""
    return max(1, round(duration * rate))


def nearest_frames(
    timed: Iterable[tuple[Fraction, Item]], *, rate: Fraction, count: int
) -> Iterator[Item]:
    """Yield `count` items, for tick k the one whose time is nearest to k / rate.

    Of two equally near, the earlier. After the last time the last item is held.
    """
    tick, held = 0, None
    for time, item in timed:
        if held is not None:
            middle = (held[0] + time) / 2
            while tick < count and tick / rate <= middle:
                yield held[1]
                tick += 1
        held = (time, item)
    while held is not None and tick < count:
        yield held[1]
        tick += 1
