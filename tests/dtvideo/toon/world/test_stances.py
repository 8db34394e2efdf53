"""Random stances are unit directions that a body could take."""

import numpy as np
import pytest

from dtvideo.toon.world.figure import BODY_DIRECTIONS, stance_from, standing
from dtvideo.toon.world.stances import random_stance, relaxed_stance

STANCES = [random_stance(np.random.default_rng(seed)) for seed in range(200)]


def bone(name: str) -> np.ndarray:
    return np.stack([stance.directions[BODY_DIRECTIONS.index(name)] for stance in STANCES])


def test_directions_are_unit_vectors() -> None:
    lengths = np.linalg.norm([stance.directions for stance in STANCES], axis=-1)
    assert lengths == pytest.approx(np.ones_like(lengths))


def test_knees_bend_backward_only() -> None:
    for side in ("right", "left"):
        thigh, shin = bone(f"{side}_thigh"), bone(f"{side}_shin")
        pitch = [np.arctan2(part[:, 2], -part[:, 1]) for part in (thigh, shin)]
        assert (pitch[1] <= pitch[0] + 1e-6).all()


def test_arms_reach_above_the_shoulders_and_hang_below_them() -> None:
    up = bone("left_upper_arm")[:, 1]
    assert up.max() > 0.7
    assert up.min() < -0.9


def test_a_crouch_lowers_the_root_so_that_a_foot_stays_on_the_ground() -> None:
    for stance in STANCES:
        assert stance.root[1] <= 1e-9
    assert min(stance.root[1] for stance in STANCES) < -0.3
    assert standing().root == pytest.approx([0, 0, 0])


def test_the_relaxed_stance_is_symmetric_but_for_a_little_sway() -> None:
    stance = relaxed_stance(np.random.default_rng(1))
    right = stance.directions[BODY_DIRECTIONS.index("right_upper_arm")]
    left = stance.directions[BODY_DIRECTIONS.index("left_upper_arm")]
    assert right == pytest.approx(left * [-1, 1, 1], abs=0.3)


def test_an_unknown_bone_is_refused() -> None:
    with pytest.raises(ValueError, match="tail"):
        stance_from(tail=(0.0, 1.0, 0.0))
