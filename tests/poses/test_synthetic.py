"""The made-up walker: lengths are kept, feet touch the ground, bodies share the motion."""

import numpy as np

from poses.synthetic import ADULT, CHIBI, stand, walk


def test_the_lower_foot_is_always_on_the_ground():
    body = walk(40).body
    np.testing.assert_allclose(body[:, [10, 13], 1].max(axis=1), 0.95 * 512)


def test_limbs_never_look_longer_than_they_are():
    body = walk(60, turn=1.0).body
    thigh = np.linalg.norm(body[:, 8, :2] - body[:, 9, :2], axis=1)
    assert thigh.max() <= 0.8 * 512 * ADULT.thigh + 1e-9
    assert thigh.min() < 0.95 * thigh.max()


def test_standing_shows_every_limb_at_full_length_and_the_right_side_at_the_left():
    pose = stand(body=CHIBI)
    shin = np.linalg.norm(pose.body[9, :2] - pose.body[10, :2])
    np.testing.assert_allclose(shin, 0.8 * 512 * CHIBI.shin)
    assert pose.body[2, 0] < pose.body[5, 0]


def test_the_same_call_gives_the_same_motion():
    np.testing.assert_array_equal(walk(5).body, walk(5).body)
