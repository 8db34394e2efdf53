"""Joints that jump away for a moment are dropped, fast motion is not."""

import numpy as np
import pytest

from poses.outliers import drop_outliers
from poses.smooth import Repair
from poses.synthetic import walk


def test_a_jump_of_one_frame_is_dropped_and_listed():
    sequence = walk(40)
    body = sequence.body.copy()
    body[17, 4, :2] += (150, -60)
    steady, dropped = drop_outliers(sequence.with_body(body))
    assert dropped == (Repair("body", "right_wrist", 17, 17, "dropped"),)
    assert np.isnan(steady.body[17, 4, :2]).all()
    rest = np.ones((40, 18), dtype=bool)
    rest[17, 4] = False
    np.testing.assert_array_equal(steady.body[rest], sequence.body[rest])


def test_an_ordinary_walk_has_no_outliers():
    assert drop_outliers(walk(100, sway=1.0))[1] == ()


def test_a_hand_that_swings_fast_is_kept():
    sequence = walk(50)
    body = sequence.body.copy()
    swing = np.sin(2 * np.pi * 2.5 * np.arange(50) / 25)
    body[:, 4, 0] += 0.3 * np.ptp(body[0, :, 1]) * swing
    moving = sequence.with_body(body)
    assert drop_outliers(moving)[1] == ()
    body[20, 4, 1] -= 150
    assert [one.first for one in drop_outliers(sequence.with_body(body))[1]] == [20]


def test_a_body_that_runs_off_is_kept_in_the_first_and_last_frames():
    sequence = walk(30)
    body = sequence.body.copy()
    body[..., 0] += 0.12 * np.ptp(body[0, :, 1]) * np.arange(30)[:, None]
    assert drop_outliers(sequence.with_body(body))[1] == ()


@pytest.mark.parametrize(("first", "last"), [(0, 0), (12, 14), (29, 29)])
def test_what_is_elsewhere_for_up_to_three_frames_is_dropped(first, last):
    sequence = walk(30)
    body = sequence.body.copy()
    body[first : last + 1, 7, :2] += (130, -80)
    found = drop_outliers(sequence.with_body(body))[1]
    assert found == (Repair("body", "left_wrist", first, last, "dropped"),)


def test_a_cut_is_no_outlier():
    sequence = walk(40)
    body = sequence.body.copy()
    body[37:, :, 0] += 200
    assert drop_outliers(sequence.with_body(body), cuts=[37])[1] == ()
    assert drop_outliers(sequence.with_body(body))[1] != ()
