"""The drawn pose: colours, widths and order of OpenPose, and nothing that is not there."""

import numpy as np
import pytest

from poses.errors import PoseError
from poses.render import draw_pose
from poses.skeleton import BODY18
from poses.synthetic import stand, walk
from poses.types import Pose, missing_joints


def pose_of(joints, *, size=(512, 512), **parts):
    body = missing_joints(18)
    for joint, place in joints.items():
        body[joint] = (*place, 1.0)
    return Pose(body=body, size=size, **parts)


def test_a_lone_joint_is_a_disc_of_nine_pixels_in_its_colour():
    picture = draw_pose(pose_of({4: (100.7, 60.2)}))
    rows, columns = np.nonzero(picture.any(axis=2))
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (56, 64, 96, 104)
    assert {tuple(colour) for colour in picture[rows, columns].tolist()} == {(170, 255, 0)}


def test_a_limb_is_an_ellipse_of_nine_pixels_in_six_tenths_of_its_colour():
    picture = draw_pose(pose_of({2: (100, 200), 3: (200, 200)}))
    assert tuple(picture[200, 150]) == (153, 102, 0)
    column = picture[:, 150].any(axis=1)
    assert np.flatnonzero(column).tolist() == list(range(196, 205))
    assert picture[200, 100].tolist() == [255, 170, 0]
    assert picture[200, 200].tolist() == [255, 255, 0]


def test_later_limbs_cover_earlier_ones_and_joints_cover_limbs():
    crossing = {2: (50, 100), 3: (150, 100), 9: (100, 50), 10: (100, 150), 0: (100, 140)}
    picture = draw_pose(pose_of(crossing))
    shin = BODY18.limbs.index((9, 10))
    assert tuple(picture[100, 100]) == tuple(int(0.6 * c) for c in BODY18.limb_colours[shin])
    assert tuple(picture[140, 100]) == (255, 0, 0)


def test_a_limb_with_one_end_missing_is_not_drawn():
    one, both = draw_pose(pose_of({2: (100, 200)})), draw_pose(pose_of({}))
    assert one.any(axis=2).sum() < 70
    assert not both.any()


def test_a_doubtful_joint_is_not_drawn():
    pose = pose_of({2: (100, 200)})
    pose.body[2, 2] = 0.29
    assert not draw_pose(pose).any()


def test_a_joint_far_outside_draws_no_line_to_the_corner():
    assert not draw_pose(pose_of({2: (-5000, -5000), 3: (9e9, 9e9)})).any()


def test_a_limb_that_leaves_the_picture_is_drawn_to_the_border():
    picture = draw_pose(pose_of({2: (400, 100), 3: (600, 100)}))
    assert picture[100, 511].any()


def test_coordinates_scale_with_the_picture():
    picture = draw_pose(pose_of({0: (64, 16)}, size=(128, 64)), (512, 512))
    rows, columns = np.nonzero(picture.any(axis=2))
    assert (rows.mean(), columns.mean()) == (128, 256)


@pytest.mark.parametrize(("side", "width"), [(64, 3), (128, 3), (256, 5), (512, 9), (1024, 17)])
def test_the_width_scales_with_the_picture_and_stays_visible(side, width):
    picture = draw_pose(pose_of({2: (100, 200), 3: (400, 200)}), (side, side))
    assert picture[:, side // 2].any(axis=1).sum() == width


def test_hands_and_face_are_drawn_on_request():
    hand = np.column_stack([np.linspace(50, 250, 21), np.full(21, 80.0), np.ones(21)])
    face = np.column_stack([np.linspace(50, 250, 70), np.full(70, 300.0), np.ones(70)])
    pose = pose_of({}, left_hand=hand, face=face)
    picture = draw_pose(pose)
    assert tuple(picture[80, 50]) == (0, 0, 255)
    assert tuple(picture[300, 50]) == (255, 255, 255)
    assert not draw_pose(pose, hands=False)[:200].any()
    assert not draw_pose(pose, face=False)[200:].any()
    assert not draw_pose(pose, hands=False, face=False).any()


def test_edges_are_hard_as_the_control_networks_were_trained():
    picture = draw_pose(stand())
    allowed = {(0, 0, 0), *BODY18.joint_colours}
    allowed |= {tuple(int(0.6 * value) for value in colour) for colour in BODY18.limb_colours}
    assert {tuple(colour) for colour in picture.reshape(-1, 3).tolist()} <= allowed


def test_an_empty_picture_is_refused_with_its_size():
    with pytest.raises(PoseError, match="0x8"):
        draw_pose(stand(), (0, 8))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.slow
def test_bodies_equal_those_of_controlnet_aux_to_the_pixel():
    util = pytest.importorskip("controlnet_aux.open_pose.util")
    body = pytest.importorskip("controlnet_aux.open_pose.body")
    for pose in walk(30):
        points = [body.Keypoint(x / 512, y / 512) for x, y, _ in pose.body]
        theirs = util.draw_bodypose(np.zeros((512, 512, 3), dtype=np.uint8), points)
        np.testing.assert_array_equal(draw_pose(pose), theirs)
