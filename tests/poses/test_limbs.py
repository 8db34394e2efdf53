"""The tree of segments."""

import numpy as np

from poses.limbs import NECK, PELVIS, SKULL, TREE, tree_places
from poses.synthetic import stand


def test_every_joint_hangs_from_one_that_came_before():
    seen = {NECK}
    for joint, parent, _ in TREE:
        assert parent in seen
        seen.add(joint)
    assert seen == set(range(20)) - {0, 14, 15, 16, 17}


def test_the_pelvis_is_between_the_hips_or_at_the_only_one():
    body = stand().body
    places = tree_places(body)
    np.testing.assert_allclose(places[PELVIS], (body[8, :2] + body[11, :2]) / 2)
    body[8, 2] = 0.1
    np.testing.assert_allclose(tree_places(body)[PELVIS], body[11, :2])


def test_the_skull_is_between_the_ears_or_at_the_only_one_or_the_nose():
    body = stand().body
    np.testing.assert_allclose(tree_places(body)[SKULL], (body[16, :2] + body[17, :2]) / 2)
    body[16, 2] = 0.1
    np.testing.assert_allclose(tree_places(body)[SKULL], body[17, :2])
    body[17, 2] = 0.1
    np.testing.assert_allclose(tree_places(body)[SKULL], body[0, :2])


def test_a_missing_neck_is_between_the_shoulders():
    body = stand().body
    body[NECK] = (np.nan, np.nan, 0)
    np.testing.assert_allclose(tree_places(body)[NECK], (body[2, :2] + body[5, :2]) / 2)
