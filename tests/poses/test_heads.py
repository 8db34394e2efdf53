"""Heads of known shape, turned by known angles, are learnt and found."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from poses.heads import USUAL, find_attitudes, half_width, learn_head, turned

HALF_WIDTH = 20.0
LONG_NOSED = USUAL * HALF_WIDTH * (1, 1, 1.3)


def looking(yaw, nod=0.0, roll=0.0):
    """Rotations by degrees: to the picture's right, down, and clockwise."""
    angles = np.broadcast_arrays(roll, -np.asarray(yaw), nod)
    return Rotation.from_euler("ZYX", np.stack(angles, axis=-1), degrees=True).as_matrix()


def seen(head, turns):
    """The points of a head that turns on a neck which stands still, and so misleads a little."""
    points = np.array((200.0, 100.0)) + np.einsum("tck,ik->tic", turns[:, :2], head)
    points[:, 5] = (200.0, 100.0 + head[5, 1])
    return points


def degrees_between(one, other):
    return np.degrees(Rotation.from_matrix(one.mT @ other).magnitude())


@pytest.mark.parametrize("yaw", [-60, 0, 30, 80])
@pytest.mark.parametrize("nod", [-20, 0, 25])
def test_a_turned_head_is_found_turned(yaw, nod):
    head, truth = USUAL * HALF_WIDTH, looking([yaw], nod, roll=10)
    turns, middles = find_attitudes(seen(head, truth), head)
    assert degrees_between(turns, truth).max() < 11
    np.testing.assert_allclose(middles, [(200, 100)], atol=0.1 * HALF_WIDTH)


def test_the_head_looks_to_where_the_nose_is():
    head = USUAL * HALF_WIDTH
    right, left = seen(head, looking([40, -40]))
    assert right[0, 0] > 200 > left[0, 0]
    assert right[0, 1] < seen(head, looking([0], nod=30))[0, 0, 1]


def test_a_head_whose_far_ear_is_hidden_is_found():
    head, truth = USUAL * HALF_WIDTH, looking([50])
    points = seen(head, truth)
    points[:, 3] = np.nan
    turns, middles = find_attitudes(points, head)
    assert degrees_between(turns, truth).max() < 10
    np.testing.assert_allclose(middles, [(200, 100)], atol=0.15 * HALF_WIDTH)


def test_a_head_from_behind_is_not_taken_for_one_from_before():
    head = USUAL * HALF_WIDTH
    points = seen(head, looking([180]))
    points[:, :3] = np.nan
    turns, _ = find_attitudes(points, head)
    assert degrees_between(turns, looking([180])).max() < 10


def test_how_far_the_nose_stands_out_is_learnt_from_turns():
    turns = looking(np.linspace(-60, 60, 50))
    learnt = learn_head(seen(LONG_NOSED, turns), level=0.0)
    assert half_width(learnt) == pytest.approx(HALF_WIDTH, rel=0.1)
    assert learnt[0, 2] == pytest.approx(LONG_NOSED[0, 2], rel=0.1)


def test_a_face_drawn_low_on_the_head_looks_at_the_viewer():
    low = USUAL * HALF_WIDTH
    low[:3, 1] += 0.3 * HALF_WIDTH
    points = seen(low, looking([0]))
    head = learn_head(points, level=np.radians(45))
    turns, middles = find_attitudes(points, head)
    assert degrees_between(turns, looking([0])).max() < 2
    again = turned(head, turns) + middles[:, None]
    np.testing.assert_allclose(again, points[:, :5], atol=0.1 * HALF_WIDTH)


def test_points_that_fall_together_do_not_shrink_or_break_the_head():
    head = USUAL * HALF_WIDTH
    points = np.full((1, 6, 2), 100.0)
    points[:, 5] = (100, 150)
    turns, middles = find_attitudes(points, head)
    ears = turned(head, turns)[0, 3:]
    assert np.isfinite(middles).all()
    assert np.linalg.norm(ears[1] - ears[0]) == pytest.approx(2 * HALF_WIDTH, rel=0.05)


def test_a_frame_without_a_head_has_no_middle_and_a_clip_without_one_no_shape():
    points = np.full((3, 6, 2), np.nan)
    points[:, 5] = 50.0
    assert np.isnan(find_attitudes(points, USUAL * HALF_WIDTH)[1]).all()
    assert learn_head(points, level=0.0) is None
