import numpy as np
import pytest

from dtvideo.metrics.pose import joint_errors, pck
from poses.types import Pose, missing_joints


def pose(*, size: tuple[int, int] = (100, 100), **moved: tuple[float, float]) -> Pose:
    """A neck at (50, 20), hips at height 60, so a torso of 40; the rest at (50, 50)."""
    body = np.tile([50.0, 50.0, 1.0], (18, 1))
    body[1, :2], body[8, :2], body[11, :2] = (50, 20), (45, 60), (55, 60)
    for name, point in moved.items():
        body[int(name.removeprefix("joint"))] = (*point, 1)
    return Pose(body=body, size=size)


def test_errors_are_distances_in_pixels() -> None:
    errors = joint_errors(pose(joint4=(53, 54)), pose())
    assert errors[4] == pytest.approx(5)
    assert np.delete(errors, 4).sum() == 0


def test_canvases_of_two_sizes_are_brought_together() -> None:
    half = pose(size=(50, 50))
    half.body[:, :2] /= 2
    assert joint_errors(half, pose()).sum() == pytest.approx(0)


def test_the_limit_is_a_tenth_of_the_torso() -> None:
    inside, outside = pose(joint4=(53.9, 50)), pose(joint4=(54.1, 50))
    assert pck(inside, pose()) == 1
    assert pck(outside, pose()) == pytest.approx(17 / 18)


def test_a_lost_joint_is_a_miss_and_one_without_truth_is_not_judged() -> None:
    lost = pose()
    lost.body[4] = missing_joints(1)[0]
    assert joint_errors(lost, pose())[4] == float("inf")
    assert pck(lost, pose()) == pytest.approx(17 / 18)
    assert np.isnan(joint_errors(pose(), lost)[4])
    assert pck(pose(), lost) == 1


def test_a_truth_without_joints_gives_no_number() -> None:
    assert np.isnan(pck(pose(), Pose(body=missing_joints(18), size=(100, 100))))
