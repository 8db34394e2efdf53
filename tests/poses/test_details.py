"""Faces are kept, weakened or dropped; hands stay where they can belong to the body."""

from dataclasses import replace

import numpy as np
import pytest

from poses.details import keep_face, keep_hands
from poses.synthetic import walk
from poses.types import confident

FOREARM = 0.15 * 0.8 * 512


def with_face():
    return replace(walk(4), face=np.ones((4, 70, 3)))


def with_hand(*, shift=0.0, size=0.5):
    """A right hand of a size in forearms, shifted by so many forearms from the wrist."""
    sequence = walk(4, turn=0.0)
    hand = np.repeat(sequence.body[:, 4:5], 21, axis=1)
    hand[..., 0] += shift * FOREARM
    hand[:, 20, 0] += size * FOREARM
    return replace(sequence, right_hand=hand)


def test_a_full_face_is_untouched_and_off_is_none():
    sequence = with_face()
    assert keep_face(sequence, "full") is sequence
    assert keep_face(sequence, "off").face is None
    assert keep_face(walk(4), "weak").face is None


def test_a_weak_face_is_eyes_and_mouth():
    kept = confident(keep_face(with_face(), "weak").face)
    assert not kept[:, :36].any()
    assert kept[:, 36:].all()


def test_hands_that_are_not_wanted_are_dropped():
    assert keep_hands(with_hand(), wanted=False).right_hand is None


def test_a_hand_at_the_wrist_is_untouched():
    sequence = with_hand()
    np.testing.assert_array_equal(keep_hands(sequence, wanted=True).right_hand, sequence.right_hand)


@pytest.mark.parametrize("change", [{"shift": 0.8}, {"size": 2.0}])
def test_a_hand_that_cannot_belong_to_the_arm_is_missing(change):
    kept = keep_hands(with_hand(**change), wanted=True).right_hand
    assert np.isnan(kept[..., :2]).all()


def test_a_hand_of_an_arm_that_is_not_sure_is_missing():
    sequence = with_hand()
    sequence.body[2, 3, 2] = 0.1
    kept = confident(keep_hands(sequence, wanted=True).right_hand)
    assert kept.all(axis=1).tolist() == [True, True, False, True]
