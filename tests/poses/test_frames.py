"""Frame numbers as runs, shots and words."""

import numpy as np
import pytest

from poses.frames import in_words, runs, shots


def test_runs_are_found_at_the_ends_too():
    assert runs(np.array([True, False, True, True])) == [(0, 1), (2, 4)]


def test_nothing_true_has_no_runs():
    assert runs(np.zeros(3, dtype=bool)) == []


def test_cuts_divide_a_clip_into_shots():
    assert shots(10, [7, 3]) == [(0, 3), (3, 7), (7, 10)]
    assert shots(10, []) == [(0, 10)]


def test_a_cut_outside_the_clip_is_refused_by_number():
    with pytest.raises(ValueError, match="12"):
        shots(10, [12])


@pytest.mark.parametrize(
    ("frames", "words"),
    [
        ([], "none"),
        ([4], "4"),
        ([3, 4, 5, 9], "3-5, 9"),
        (list(range(0, 20, 2)), "0, 2, 4, 6, 8, 10, 12, 14 and 2 more"),
    ],
)
def test_frames_are_written_as_ranges(frames, words):
    assert in_words(frames) == words
