"""Skeletons: names, limbs, colours and sides agree with one another and with OpenPose."""

import pytest

from poses.skeleton import BODY18, COCO17, FACE70, HAND21

ALL = (BODY18, COCO17, HAND21, FACE70)


@pytest.mark.parametrize("skeleton", ALL, ids=lambda skeleton: skeleton.name)
def test_every_list_of_a_skeleton_fits_the_others(skeleton):
    assert len(set(skeleton.joints)) == len(skeleton)
    assert len(skeleton.joint_colours) == len(skeleton)
    assert len(skeleton.limb_colours) == len(skeleton.limbs)
    assert all(0 <= joint < len(skeleton) for limb in skeleton.limbs for joint in limb)


@pytest.mark.parametrize("skeleton", ALL, ids=lambda skeleton: skeleton.name)
def test_mirroring_twice_returns_every_joint(skeleton):
    order = skeleton.mirrored
    assert [order[order[joint]] for joint in range(len(skeleton))] == list(range(len(skeleton)))


@pytest.mark.parametrize("skeleton", [BODY18, COCO17], ids=lambda skeleton: skeleton.name)
def test_mirroring_exchanges_right_and_left_by_name(skeleton):
    for joint, name in enumerate(skeleton.joints):
        other = skeleton.joints[skeleton.mirrored[joint]]
        exchanged = name.replace("left", "*").replace("right", "left").replace("*", "right")
        assert other == exchanged


def test_sizes_are_those_of_the_layouts():
    assert [len(skeleton) for skeleton in ALL] == [18, 17, 21, 70]
    assert len(BODY18.limbs) == 17
    assert len(HAND21.limbs) == 20


def test_body18_begins_like_openpose():
    assert BODY18.joints[:5] == ("nose", "neck", "right_shoulder", "right_elbow", "right_wrist")
    assert BODY18.limbs[0] == (1, 2)
    assert BODY18.joint_colours[0] == (255, 0, 0)
    assert BODY18.index("left_ear") == 17
