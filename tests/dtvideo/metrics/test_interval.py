import numpy as np
import pytest

from dtvideo.metrics.interval import mean_interval, ratio_interval


def test_equal_values_leave_no_doubt() -> None:
    interval = mean_interval([3.0] * 5)
    assert (interval.mean, interval.low, interval.high, interval.count) == (3, 3, 3, 5)


def test_the_interval_is_near_that_of_the_normal_distribution() -> None:
    values = np.random.default_rng(1).normal(10, 2, 400)
    interval = mean_interval(list(values))
    error = 1.96 * values.std() / 20
    assert interval.low == pytest.approx(values.mean() - error, abs=0.03)
    assert interval.high == pytest.approx(values.mean() + error, abs=0.03)


def test_not_a_number_is_left_out_and_no_value_gives_none() -> None:
    assert mean_interval([1.0, float("nan"), 3.0]).count == 2
    assert np.isnan(mean_interval([]).mean)


def test_the_same_key_gives_the_same_interval() -> None:
    values = [1.0, 2.0, 4.0, 8.0]
    assert mean_interval(values, key=3) == mean_interval(values, key=3)
    assert str(mean_interval([3.0])) == "3.00 [3.00, 3.00]"


def test_a_ratio_divides_sums_and_leaves_pairs_with_a_gap_out():
    found = ratio_interval([1.0, 3.0, np.nan, 5.0], [2.0, 2.0, 1.0, np.nan])
    assert (found.mean, found.count) == (1.0, 2)
    assert found.low == 0.5
    assert found.high == 1.5
    assert ratio_interval([1.0], [0.0]).count == 0
    assert ratio_interval([], []).count == 0
