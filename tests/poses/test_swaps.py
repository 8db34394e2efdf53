"""Exchanged sides are found by how far the joints would travel."""

import numpy as np
import pytest

from poses.skeleton import BODY18
from poses.smooth import Repair
from poses.swaps import undo_swaps
from poses.synthetic import walk


def exchanged(sequence, frames, joints=range(18)):
    body = sequence.body.copy()
    order = np.arange(18)
    order[list(joints)] = np.array(BODY18.mirrored)[list(joints)]
    body[frames] = body[frames][:, order]
    return sequence.with_body(body)


def test_a_walk_in_which_legs_cross_is_left_alone():
    sequence = walk(100, turn=1.5)
    mended, repairs = undo_swaps(sequence)
    assert repairs == ()
    np.testing.assert_array_equal(mended.body, sequence.body)


@pytest.mark.parametrize("frames", [slice(20, 21), slice(20, 32), slice(0, 5), slice(95, 100)])
def test_a_whole_body_taken_for_its_mirror_image_is_turned_back(frames):
    sequence = walk(100)
    mended, repairs = undo_swaps(exchanged(sequence, frames))
    arms_and_legs = list(range(2, 14))
    np.testing.assert_array_equal(mended.body[:, arms_and_legs], sequence.body[:, arms_and_legs])
    bounds = (frames.start, frames.stop - 1)
    for joint in ("arms", "legs"):
        assert Repair("body", joint, *bounds, "exchanged") in repairs


def test_legs_alone_are_turned_back_alone():
    sequence = walk(60)
    mended, repairs = undo_swaps(exchanged(sequence, slice(30, 35), range(8, 14)))
    assert repairs == (Repair("body", "legs", 30, 34, "exchanged"),)
    np.testing.assert_array_equal(mended.body, sequence.body)


def test_a_head_taken_for_its_mirror_image_most_of_the_time_is_turned_back():
    sequence = walk(60)
    frames = np.array([k for k in range(60) if k % 4])
    mended, repairs = undo_swaps(exchanged(sequence, frames, (14, 15, 16, 17)))
    np.testing.assert_array_equal(mended.body, sequence.body)
    assert {repair.joint for repair in repairs} == {"head"}


def test_a_head_of_a_body_that_turns_its_back_is_left_alone():
    sequence = walk(60, turn=np.pi)
    mended, repairs = undo_swaps(sequence)
    assert repairs == ()
    np.testing.assert_array_equal(mended.body, sequence.body)


def test_a_new_shot_may_show_the_other_side():
    sequence = exchanged(walk(60), slice(30, 60))
    mended, repairs = undo_swaps(sequence, cuts=[30])
    assert repairs == ()
    np.testing.assert_array_equal(mended.body, sequence.body)


@pytest.mark.parametrize("said", [(1, 1, 0, 0), (0, 0, 1, 1), (1, 0)])
def test_a_body_that_was_said_both_ways_as_often_faces_the_camera(said):
    sequence = walk(len(said))
    wrong = np.flatnonzero(said)
    mended, _ = undo_swaps(exchanged(sequence, wrong))
    np.testing.assert_array_equal(mended.body, sequence.body)


def test_a_back_that_was_said_most_of_the_time_stays_a_back():
    sequence = exchanged(walk(40), slice(None))
    mended, _ = undo_swaps(exchanged(sequence, range(1, 35, 2)))
    np.testing.assert_array_equal(mended.body[:, 2:14], sequence.body[:, 2:14])


def test_hands_go_with_the_arms():
    sequence = walk(60)
    hands = {
        "left_hand": np.repeat(sequence.body[:, 7:8], 21, axis=1),
        "right_hand": np.repeat(sequence.body[:, 4:5], 21, axis=1),
    }
    wrong = {name: track.copy() for name, track in hands.items()}
    wrong["left_hand"][30], wrong["right_hand"][30] = (
        hands["right_hand"][30],
        hands["left_hand"][30],
    )
    swapped = exchanged(sequence, slice(30, 31))
    mended, _ = undo_swaps(type(sequence)(body=swapped.body, size=sequence.size, **wrong))
    np.testing.assert_array_equal(mended.left_hand, hands["left_hand"])
    np.testing.assert_array_equal(mended.right_hand, hands["right_hand"])
