"""A mean with its uncertainty."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

RESAMPLES = 2000
LEVEL = 0.95


@dataclass(frozen=True)
class Interval:
    """A mean, the two ends of its 95 % bootstrap interval, and how many values made it."""

    mean: float
    low: float
    high: float
    count: int

    def __str__(self) -> str:
        return f"{self.mean:.2f} [{self.low:.2f}, {self.high:.2f}]"


def mean_interval(values: Sequence[float], *, key: int = 0) -> Interval:
    """Return the mean and its 95 % percentile bootstrap interval (2,000 resamples).

    NaN values are left out; without any value all three numbers are NaN. The resamples depend
    on `key` alone.
    """
    known = np.asarray(values, dtype=np.float64)
    known = known[~np.isnan(known)]
    if len(known) == 0:
        return Interval(np.nan, np.nan, np.nan, 0)
    mean = float(known.mean())
    if not np.isfinite(known).all():
        return Interval(mean, mean, mean, len(known))
    choices = np.random.default_rng(key).integers(len(known), size=(RESAMPLES, len(known)))
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(known[choices].mean(axis=1), [tail, 1 - tail])
    return Interval(mean, float(low), float(high), len(known))
