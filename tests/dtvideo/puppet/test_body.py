import numpy as np
import pytest

from dtvideo.puppet.body import back_to_front, body_scale, points_in, torso_length, ways_out
from poses.types import Pose, missing_joints

BODY = np.array(
    [
        (48, 20), (48, 30), (38, 32), (26, 32), (14, 32), (58, 32), (70, 32), (82, 32), (42, 56),
        (42, 70), (42, 84), (54, 56), (54, 70), (54, 84), (45, 18), (51, 18), (41, 19), (55, 19),
    ],
    dtype=float,
)  # fmt: skip


def without(*joints: int) -> np.ndarray:
    points = BODY.copy()
    points[list(joints)] = np.nan
    return points


def test_points_are_scaled_to_the_picture_and_missing_ones_are_not_numbers() -> None:
    body = missing_joints(18)
    body[3] = (10, 20, 0.9)
    points = points_in(Pose(body=body, size=(100, 200)), (50, 50))
    np.testing.assert_array_equal(points[3], (4.5, 4.5))  # centres of pixels are whole numbers
    assert np.isnan(points[4]).all()


def test_the_torso_goes_from_the_neck_to_the_middle_of_the_hips() -> None:
    assert torso_length(BODY) == 26
    assert torso_length(without(*range(18))) == 1


def test_the_scale_is_that_of_the_camera_even_if_limbs_are_foreshortened() -> None:
    larger = BODY * 1.5
    assert body_scale(BODY, larger) == pytest.approx(1.5)
    larger[4] = larger[3] + (-2, 0)
    larger[10] = larger[9] + (0, 3)
    assert body_scale(BODY, larger) == pytest.approx(1.5)
    assert body_scale(BODY, without(*range(18))) == 1


def test_the_arm_on_the_hidden_side_goes_behind_the_torso() -> None:
    order = back_to_front(without(17))
    assert order.index("left_upper_arm") < order.index("torso") < order.index("right_upper_arm")
    both = back_to_front(BODY)
    assert both.index("torso") < both.index("left_upper_arm")
    assert set(order) == set(both)


def test_shoulders_go_behind_the_head_and_hands_before_it() -> None:
    order = back_to_front(BODY)
    assert order.index("right_upper_arm") < order.index("head") < order.index("right_forearm")
    assert order[0] == "hair"
    behind = back_to_front(BODY, behind=True)
    assert behind.index("torso") < behind.index("hair") < behind.index("head")
    assert set(behind) == set(order)


def test_the_way_out_of_a_region_ends_at_its_edge_the_picture_s_or_the_limit() -> None:
    solid = np.zeros((20, 30), bool)
    solid[5:15, 10:] = True
    starts = np.full((2, 2, 2), (20.0, 10.0))
    ways = np.array([[(-1.0, 0.0), (0.0, 1.0)], [(1.0, 0.0), (0.0, -1.0)]])
    found = ways_out(solid, starts, ways, 8.0)
    np.testing.assert_array_equal(found, [[8, 5], [8, 5.5]])  # halves go to the even pixel
    assert ways_out(solid, starts[0, 0], ways[0, 0], 20.0) == 11
    assert ways_out(solid, starts[1, 0], ways[1, 0], 20.0) == 9.5
