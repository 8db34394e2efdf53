"""Layouts: joints go where their names say, and come back."""

import numpy as np

from poses.formats.layouts import (
    body18_from_body25,
    body18_from_coco17,
    coco17_from_body18,
    pose_from_whole_body,
    whole_body_from_pose,
)
from poses.skeleton import BODY18, COCO17


def numbered(count):
    return np.column_stack([np.arange(count) + 1.0, np.arange(count) + 2.0, np.ones(count)])


def test_coco_joints_keep_their_names():
    coco = numbered(17)
    body = body18_from_coco17(coco)
    for joint, name in enumerate(COCO17.joints):
        np.testing.assert_array_equal(body[BODY18.index(name)], coco[joint])


def test_the_neck_is_as_sure_as_the_less_sure_shoulder():
    coco = numbered(17)
    coco[COCO17.index("left_shoulder"), 2] = 0.4
    assert body18_from_coco17(coco)[1].tolist() == [6.5, 7.5, 0.4]


def test_coco_and_back_is_the_same():
    np.testing.assert_array_equal(
        coco17_from_body18(body18_from_coco17(numbered(17))), numbered(17)
    )


def test_body_25_skips_the_middle_of_the_hips():
    assert body18_from_body25(numbered(25))[8, 0] == 10


def test_whole_body_and_back_loses_only_the_feet():
    joints = numbered(133)
    again = whole_body_from_pose(pose_from_whole_body(joints, size=(9, 9)))
    kept = [*range(17), *range(23, 133)]
    np.testing.assert_array_equal(again[kept], joints[kept])
    assert np.isnan(again[17:23, 0]).all()
