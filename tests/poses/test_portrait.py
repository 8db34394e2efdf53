"""Hips of a portrait lie below its neck; those that are seen stay where they are."""

import numpy as np
import pytest

from poses.portrait import with_guessed_hips
from poses.synthetic import ADULT, stand
from poses.types import confident

LEGS, HIPS = (8, 9, 10, 11, 12, 13), (8, 11)


def without(pose, joints):
    body = pose.body.copy()
    body[list(joints)] = (np.nan, np.nan, 0)
    return type(pose)(body=body, size=pose.size)


def test_hips_are_guessed_where_an_adult_nearly_has_them():
    whole = stand(size=(200, 400), height=0.9)
    guessed = with_guessed_hips(without(whole, LEGS))
    assert confident(guessed.body)[list(HIPS)].all()
    torso = 0.9 * 400 * ADULT.torso
    error = np.linalg.norm(guessed.body[list(HIPS), :2] - whole.body[list(HIPS), :2], axis=1)
    assert error.max() < 0.2 * torso
    rest = [joint for joint in range(18) if joint not in HIPS]
    np.testing.assert_array_equal(guessed.body[rest], without(whole, LEGS).body[rest])


def test_a_back_keeps_its_right_on_the_right():
    whole = stand(size=(200, 400), height=0.9)
    body = whole.body.copy()
    body[:, 0] = 200 - body[:, 0]
    back = type(whole)(body=body, size=whole.size)
    guessed = with_guessed_hips(without(back, LEGS)).body
    assert guessed[8, 0] > guessed[11, 0]


@pytest.mark.parametrize("hidden", [(), (8,), (2, *LEGS), (1, *LEGS)])
def test_a_hip_that_is_seen_is_believed_and_without_shoulders_nothing_is_guessed(hidden):
    pose = without(stand(size=(200, 400), height=0.9), hidden)
    assert with_guessed_hips(pose) is pose
