"""Joints that jump away for a moment are dropped, fast motion is not."""

import numpy as np

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


def test_a_cut_is_no_outlier():
    sequence = walk(40)
    body = sequence.body.copy()
    body[37:, :, 0] += 200
    assert drop_outliers(sequence.with_body(body), cuts=[37])[1] == ()
    assert drop_outliers(sequence.with_body(body))[1] != ()
