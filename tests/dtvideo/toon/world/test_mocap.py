"""The file of captured motions: the clips of Bullet, and how long takes are cut."""

import json
from fractions import Fraction
from pathlib import Path

import numpy as np

from dtvideo.toon.world.figure import BODY_DIRECTIONS
from dtvideo.toon.world.mocap import BULLET_HINGES, BULLET_QUATERNIONS, gather, parts, read_bullet
from dtvideo.toon.world.motion import Motion, unpack

HALF_TURN = np.sqrt(0.5)  # cosine and sine of 45 degrees: a quaternion of a quarter turn


def bone(motion: Motion, name: str) -> np.ndarray:
    return motion.directions[:, BODY_DIRECTIONS.index(name)].astype(np.float64)


def standing() -> list[float]:
    """Return one frame of a figure that stands at ease: no turn anywhere."""
    frame = [0.1, 0.0, 0.9, 0.0] + [0.0] * 40
    for first in BULLET_QUATERNIONS.values():
        frame[first] = 1.0
    return frame


def write_clip(folder: Path, frame: list[float], *, frames: int = 2) -> Path:
    path = folder / "humanoid3d_stand_still.txt"
    path.write_text(json.dumps({"Loop": "wrap", "Frames": [frame] * frames}))
    return path


def test_a_bullet_figure_without_turns_hangs_its_arms_and_faces_the_viewer(tmp_path: Path) -> None:
    motion = read_bullet(write_clip(tmp_path, standing()))
    assert motion.name == "stand-still"
    for name, direction in {
        "head": [0, 1, 0],
        "face": [0, 0, 1],
        "chest": [0, 0, 1],
        "shoulders": [1, 0, 0],
        "left_forearm": [0, -1, 0],
        "right_upper_arm": [0, -1, 0],
        "left_shin": [0, -1, 0],
    }.items():
        np.testing.assert_allclose(bone(motion, name)[0], direction, atol=0.15)
    assert bone(motion, "right_foot")[0, 2] > 0.9
    np.testing.assert_allclose(motion.root, 0, atol=1e-6)


def test_bullet_hinges_and_quaternions_turn_their_own_limbs(tmp_path: Path) -> None:
    frame = standing()
    frame[BULLET_HINGES["left_knee"]] = -np.pi / 2
    frame[BULLET_HINGES["right_elbow"]] = np.pi / 2
    raised = BULLET_QUATERNIONS["left_shoulder"]
    frame[raised], frame[raised + 3] = HALF_TURN, HALF_TURN  # a quarter turn about z: forward
    motion = read_bullet(write_clip(tmp_path, frame))
    for name, direction in {
        "left_shin": [0, 0, -1],
        "right_shin": [0, -1, 0],
        "right_forearm": [0, 0, 1],
        "left_forearm": [0, 0, 1],
        "right_upper_arm": [0, -1, 0],
    }.items():
        np.testing.assert_allclose(bone(motion, name)[0], direction, atol=1e-5)


def test_gathered_clips_are_kept_with_their_licence(tmp_path: Path) -> None:
    write_clip(tmp_path, standing(), frames=5)
    (motion,) = unpack(gather(tmp_path, []))
    assert (motion.name, motion.loop, len(motion)) == ("stand-still", True, 12)


def still(frames: int = 4) -> Motion:
    directions = np.zeros((frames, len(BODY_DIRECTIONS), 3), np.float32)
    directions[..., 1] = 1.0
    root = np.linspace(0, 0.3, frames, dtype=np.float32)[:, None] * np.float32([1, 0, 0])
    return Motion("still", directions, root, Fraction(10), False)


def test_a_long_take_is_cut_into_parts_that_join_up() -> None:
    long = still(frames=140)
    pieces = parts(long)
    assert [piece.name for piece in pieces] == ["still/1", "still/2"]
    np.testing.assert_array_equal(np.concatenate([p.root for p in pieces]), long.root)
    assert parts(still())[0].name == "still"
