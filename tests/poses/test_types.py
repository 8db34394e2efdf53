"""Poses and sequences refuse wrong shapes and stack without loss."""

import numpy as np
import pytest

from poses.errors import PoseError
from poses.synthetic import stand
from poses.types import Pose, PoseSequence, body_height, confident, missing_joints


def test_joints_are_confident_from_three_tenths():
    joints = np.array([[1, 1, 0.3], [1, 1, 0.29], [np.nan, 1, 1.0], [1, 1, np.nan]])
    assert confident(joints).tolist() == [True, False, False, False]


def test_a_pose_of_another_layout_is_refused_with_its_shape():
    with pytest.raises(PoseError, match=r"\(17, 3\)") as caught:
        Pose(body=np.zeros((17, 3)), size=(8, 8))
    assert caught.value.code == "P6"


def test_stacking_keeps_a_hand_that_one_frame_has():
    body = stand().body
    hand = np.ones((21, 3))
    sequence = PoseSequence.from_poses(
        [Pose(body=body, size=(8, 8)), Pose(body=body, size=(8, 8), left_hand=hand)]
    )
    assert sequence.left_hand is not None
    assert np.isnan(sequence.left_hand[0, :, :2]).all()
    np.testing.assert_array_equal(sequence[1].left_hand, hand)
    assert sequence[1].right_hand is None


def test_stacking_two_canvases_is_refused():
    poses = [Pose(body=missing_joints(18), size=size) for size in ((8, 8), (9, 8))]
    with pytest.raises(PoseError, match=r"\(9, 8\)"):
        PoseSequence.from_poses(poses)


def test_body_height_is_the_median_over_frames_that_show_one():
    body = missing_joints(4, 18)
    for frame, height in enumerate((10, 30, 20)):
        body[frame, 0] = (5, 0, 1)
        body[frame, 10] = (5, height, 1)
    assert body_height(body) == 20
    assert body_height(missing_joints(2, 18)) == 1
