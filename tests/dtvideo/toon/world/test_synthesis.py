"""Bodies that move as bodies do: knees, elbows, feet, and which way is ahead."""

import numpy as np
import pytest

from dtvideo.toon.world.figure import BODY_DIRECTIONS, LEGS_PER_TORSO
from dtvideo.toon.world.motion import Motion, motion_by_name, motions
from dtvideo.toon.world.synthesis import HALF_HIPS, SHIN, THIGH, choreographies, synthesise

ALL = (*motions("train"), *motions("held-out"))
MADE = tuple(motion for motion in ALL if motion.name.rpartition("-")[0] in choreographies())


def bone(motion: Motion, name: str) -> np.ndarray:
    return motion.directions[:, BODY_DIRECTIONS.index(name)].astype(np.float64)


def cosine(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return (one * other).sum(axis=-1)


def ankles(motion: Motion, side: str) -> np.ndarray:
    """Return where an ankle is, for a body of the proportions that the mechanics assume."""
    hip = motion.root + bone(motion, "hips") * (HALF_HIPS if side == "left" else -HALF_HIPS)
    return hip + THIGH * bone(motion, f"{side}_thigh") + SHIN * bone(motion, f"{side}_shin")


KNEES = (*MADE, *map(motion_by_name, ("walk", "run", "jump", "punch", "leaps/1", "climb/2")))


@pytest.mark.parametrize("motion", KNEES, ids=lambda motion: motion.name)
def test_knees_bend_backwards_only(motion: Motion) -> None:
    for side in ("left", "right"):
        hinge = np.cross(bone(motion, f"{side}_shin"), bone(motion, f"{side}_thigh"))
        bent = np.linalg.norm(hinge, axis=1) > 0.3
        # The knee is ahead of the line from hip to ankle: the hinge points to the body's right.
        assert (cosine(hinge, bone(motion, "hips"))[bent] < 0).all()


@pytest.mark.parametrize("name", ["walk", "walk-0", "run", "run-0", "march-0", "squat-0"])
def test_elbows_bend_forwards(name: str) -> None:
    motion = motion_by_name(name)
    for side in ("left", "right"):
        upper, fore = bone(motion, f"{side}_upper_arm"), bone(motion, f"{side}_forearm")
        hinge = np.cross(fore, upper)
        assert (cosine(hinge, bone(motion, "shoulders")) > 0).all()


@pytest.mark.parametrize("name", ["walk", "walk-0", "run", "run-0"])
def test_a_foot_on_the_ground_moves_backwards_under_a_body_that_goes_ahead(name: str) -> None:
    motion = motion_by_name(name)
    ankle = ankles(motion, "left")
    ahead, height = np.gradient(ankle[:, 2]), ankle[:, 1]
    low, high = height < np.quantile(height, 0.35), height > np.quantile(height, 0.75)
    assert ahead[low].mean() < 0 < ahead[high].mean()


@pytest.mark.parametrize("name", ["walk", "walk-0", "run-0", "march-0"])
def test_arms_swing_against_the_legs(name: str) -> None:
    motion = motion_by_name(name)
    arm, leg = bone(motion, "left_upper_arm")[:, 2], bone(motion, "left_thigh")[:, 2]
    assert np.corrcoef(arm, leg)[0, 1] < -0.5


@pytest.mark.parametrize("name", ["idle-0", "wave-0", "bow-0", "squat-0", "stretch-0", "floss-0"])
def test_feet_stay_where_they_stand_while_the_body_sways(name: str) -> None:
    motion = motion_by_name(name)
    for side in ("left", "right"):
        assert np.ptp(ankles(motion, side), axis=0).max() < 0.01


@pytest.mark.parametrize("motion", MADE, ids=lambda motion: motion.name)
def test_no_foot_goes_through_the_ground(motion: Motion) -> None:
    ground = -LEGS_PER_TORSO
    lowest = min(ankles(motion, side)[:, 1].min() for side in ("left", "right"))
    assert lowest > ground - 0.02


def test_a_spin_goes_once_round_to_the_left_and_its_mirror_to_the_right() -> None:
    spin = motion_by_name("spin-0")
    for motion, turns in ((spin, 1.0), (spin.mirrored(), -1.0)):
        hips = bone(motion, "hips")
        heading = np.unwrap(np.arctan2(-hips[:, 2], hips[:, 0]))
        assert heading[-1] - heading[0] == pytest.approx(
            turns * 2 * np.pi * (1 - 1 / len(motion)), abs=0.02
        )


def test_variants_are_functions_of_their_number_and_differ() -> None:
    (first, _), (again, _) = synthesise("walk", [2, 2])
    np.testing.assert_array_equal(first, again)
    lengths = {len(motion) for motion in ALL if motion.name.startswith("walk-")}
    assert len(lengths) > 1


def test_choreographies_name_only_tracks_that_exist() -> None:
    for kind, plan in choreographies().items():
        assert set(plan) <= {"seconds", "turns", "body", "both", "left", "right", "alternate"}, kind
        for keys in (
            track for part in plan.values() if isinstance(part, dict) for track in part.values()
        ):
            moments = [moment for moment, _ in keys]
            assert moments == sorted(moments), (kind, keys)
            assert all(0 <= moment < 1 for moment in moments), (kind, keys)
