import numpy as np

from dtvideo.puppet import thin_plate_warp
from poses.types import Pose, missing_joints


def pose(*, shift: float = 0.0) -> Pose:
    body = missing_joints(18)
    places = [(30, 30), (60, 30), (30, 60), (60, 60), (45, 45)]
    body[:5] = [(x + shift, y, 1) for x, y in places]
    return Pose(body=body, size=(96, 96))


def spotted() -> np.ndarray:
    image = np.zeros((96, 96, 3), np.uint8)
    image[42:49, 42:49] = 255
    return image


def test_what_lies_at_a_joint_moves_with_it() -> None:
    moved = thin_plate_warp(spotted(), pose(), pose(shift=10))
    assert moved[45, 55].min() > 200
    assert moved[45, 42].max() < 50


def test_the_same_pose_changes_nothing() -> None:
    difference = thin_plate_warp(spotted(), pose(), pose()).astype(int) - spotted()
    assert np.abs(difference).max() <= 8


def test_without_two_joints_the_reference_comes_back() -> None:
    nothing = Pose(body=missing_joints(18), size=(96, 96))
    np.testing.assert_array_equal(thin_plate_warp(spotted(), pose(), nothing), spotted())
