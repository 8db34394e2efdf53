import numpy as np
import pytest

from poses.mirror import mirrored
from poses.render import draw_pose
from poses.skeleton import BODY18, FACE70
from poses.types import Pose, missing_joints


@pytest.fixture
def pose():
    rng = np.random.default_rng(0)
    parts = {"body": 18, "left_hand": 21, "right_hand": 21, "face": 70}
    joints = {name: rng.uniform(4, 60, (count, 3)) for name, count in parts.items()}
    for each in joints.values():
        each[:, 2] = 1.0
    return Pose(size=(64, 64), **joints)


def test_the_right_wrist_lies_where_the_left_one_lay(pose):
    right, left = (BODY18.index(f"{side}_wrist") for side in ("right", "left"))
    x, y, confidence = pose.body[left]
    assert mirrored(pose).body[right] == pytest.approx([64 - x, y, confidence])


def test_hands_change_places_and_a_face_keeps_its_right_side_right(pose):
    other = mirrored(pose)
    assert np.array_equal(other.left_hand[:, 0], 64 - pose.right_hand[:, 0])
    assert np.array_equal(other.right_hand[:, 1:], pose.left_hand[:, 1:])
    right, left = FACE70.pairs[0]
    assert other.face[right] == pytest.approx(pose.face[left] * (-1, 1, 1) + (64, 0, 0))


def test_twice_mirrored_is_as_before_and_what_is_missing_stays_missing(pose):
    again = mirrored(mirrored(pose))
    for name in ("body", "left_hand", "right_hand", "face"):
        assert getattr(again, name) == pytest.approx(getattr(pose, name))
    body = pose.body.copy()
    body[BODY18.index("left_ear")] = missing_joints()
    other = mirrored(Pose(body=body, size=(64, 64)))
    assert other.face is None
    assert list(np.flatnonzero(np.isnan(other.body[:, 0]))) == [BODY18.index("right_ear")]
    assert other.body[BODY18.index("right_ear"), 2] == 0


def test_a_drawn_pose_is_no_mirror_picture_because_its_colours_tell_left_from_right(pose):
    drawn, other = (draw_pose(each, (64, 64)) for each in (pose, mirrored(pose)))
    assert not np.array_equal(other, drawn[:, ::-1])
