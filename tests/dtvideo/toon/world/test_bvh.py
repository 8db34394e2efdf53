"""BVH files become motions of the drawn world."""

from pathlib import Path

import numpy as np
import pytest

from dtvideo.toon.world.bvh import read_bvh_motion
from dtvideo.toon.world.figure import BODY_DIRECTIONS
from dtvideo.toon.world.motion import Motion
from poses.errors import PoseError
from tests.captured import HEAD, LEFT_ELBOW, LEFT_KNEE, rest, write_bvh


def bone(motion: Motion, name: str) -> np.ndarray:
    return motion.directions[:, BODY_DIRECTIONS.index(name)].astype(np.float64)


def test_a_bvh_figure_at_rest_stands_in_a_t(tmp_path: Path) -> None:
    motion = read_bvh_motion(write_bvh(tmp_path, rest()))
    expected = {
        "spine": [0, 1, 0], "head": [0, 1, 0], "face": [0, 0, 1], "chest": [0, 0, 1],
        "shoulders": [1, 0, 0], "hips": [1, 0, 0], "left_upper_arm": [1, 0, 0],
        "right_forearm": [-1, 0, 0], "left_thigh": [0, -1, 0], "right_shin": [0, -1, 0],
        "left_foot": [0, 0, 1],
    }  # fmt: skip
    for name, direction in expected.items():
        np.testing.assert_allclose(bone(motion, name)[0], direction, atol=1e-6)
    np.testing.assert_allclose(motion.root, 0, atol=1e-6)
    assert motion.name == "figure"


def test_bvh_angles_turn_the_bones_that_they_belong_to(tmp_path: Path) -> None:
    frame = rest()
    frame[LEFT_ELBOW] = 90.0  # about z: the forearm goes up
    frame[LEFT_KNEE + 1] = 90.0  # about x: the shin goes back
    frame[HEAD + 2] = 90.0  # about y: the head looks to its left
    motion = read_bvh_motion(write_bvh(tmp_path, frame))
    for name, direction in (
        ("left_upper_arm", [1, 0, 0]),
        ("left_forearm", [0, 1, 0]),
        ("left_shin", [0, 0, -1]),
        ("face", [1, 0, 0]),
    ):
        np.testing.assert_allclose(bone(motion, name)[0], direction, atol=1e-6)


def test_a_bvh_figure_is_turned_to_the_viewer_and_kept_in_place(tmp_path: Path) -> None:
    frame = rest()
    frame[0], frame[2], frame[5] = 30.0, -20.0, 135.0
    motion = read_bvh_motion(write_bvh(tmp_path, frame))
    np.testing.assert_allclose(bone(motion, "chest")[0], [0, 0, 1], atol=1e-6)
    np.testing.assert_allclose(motion.root, 0, atol=1e-6)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("HIERARCHY", "", "no HIERARCHY"),
        ("Frames: 2", "Frames: 3", r"102 numbers, not 3 frames of 51 channels"),
        ("Frames: 2", "Frames: 1", "1 frames, 0.1 seconds apart"),
        ("Frame Time", "Time", "no Frame Time"),
        ("Time: 0.1", "Time: 0.0", "2 frames, 0.0 seconds apart"),
        ("8.0", "eight", "cannot be read .*'eight'"),
        ("8.0", "nan", "a number is not finite"),
        ("OFFSET 0 6 0", "OFFSET 0 six 0", "cannot be read .*'six'"),
        ("LeftForeArm", "LeftThing", "no joint named leftforearm"),
        ("JOINT Head", "JOINT Skull", "no joint named head"),
    ],
)
def test_a_broken_bvh_file_is_explained(tmp_path: Path, old: str, new: str, told: str) -> None:
    path = write_bvh(tmp_path, rest())
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(PoseError, match=told) as caught:
        read_bvh_motion(path)
    assert caught.value.code == "P6"
    assert str(path) in str(caught.value)
