"""A mean with its uncertainty."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

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


NO_VALUE = Interval(np.nan, np.nan, np.nan, 0)


def mean_interval(values: Sequence[float], *, key: int = 0) -> Interval:
    """Return the mean and its 95 % percentile bootstrap interval (2,000 resamples).

    NaN values are left out; without any value all three numbers are NaN. The resamples depend
    on `key` alone.
    """
    known = np.asarray(values, dtype=np.float64)
    known = known[~np.isnan(known)]
    if len(known) == 0:
        return NO_VALUE
    mean = float(known.mean())
    if not np.isfinite(known).all():
        return Interval(mean, mean, mean, len(known))
    return _interval(mean, known[_resamples(len(known), key)].mean(axis=1), len(known))


def ratio_interval(values: Sequence[float], bases: Sequence[float], *, key: int = 0) -> Interval:
    """Return the sum of the values divided by that of their bases, resampled in pairs.

    Pairs with a NaN are left out; a sum of bases of 0 gives NaN.
    """
    pairs = np.array([values, bases], dtype=np.float64)
    pairs = pairs[:, ~np.isnan(pairs).any(axis=0)]
    count = pairs.shape[1]
    if count == 0 or pairs[1].sum() == 0:
        return NO_VALUE
    above, below = pairs[:, _resamples(count, key)].sum(axis=2)
    ratios = np.divide(above, below, out=np.full(RESAMPLES, np.nan), where=below > 0)
    return _interval(float(pairs[0].sum() / pairs[1].sum()), ratios[below > 0], count)


def _resamples(count: int, key: int) -> Int[np.ndarray, "times count"]:
    return np.random.default_rng(key).integers(count, size=(RESAMPLES, count))


def _interval(mean: float, means: Float[np.ndarray, " times"], count: int) -> Interval:
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    return Interval(mean, float(low), float(high), count)
