"""Motions: what they promise, how they are read, and how they are kept."""

from fractions import Fraction
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from dtvideo.errors import UsageError
from dtvideo.toon.world.bvh import read_bvh
from dtvideo.toon.world.figure import BODY_DIRECTIONS
from dtvideo.toon.world.mocap import parts
from dtvideo.toon.world.motion import (
    HELD_OUT_KINDS,
    HELD_OUT_TAKES,
    ROOT_STEPS,
    Motion,
    catalogue,
    motion_by_name,
    motions,
    pack,
    unpack,
)
from dtvideo.toon.world.synthesis import HALF_HIPS, KINDS, SHIN, THIGH, choreographies, synthesise
from poses.errors import PoseError

ALL = (*motions("train"), *motions("held-out"))
MADE = tuple(motion for motion in ALL if motion.name.rpartition("-")[0] in KINDS)


def bone(motion: Motion, name: str) -> np.ndarray:
    return motion.directions[:, BODY_DIRECTIONS.index(name)].astype(np.float64)


def cosine(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return (one * other).sum(axis=-1)


def ankles(motion: Motion, side: str) -> np.ndarray:
    """Return where an ankle is, for a body of the proportions that the mechanics assume."""
    hip = motion.root + bone(motion, "hips") * (HALF_HIPS if side == "left" else -HALF_HIPS)
    return hip + THIGH * bone(motion, f"{side}_thigh") + SHIN * bone(motion, f"{side}_shin")


def still(frames: int = 4, *, loop: bool = False) -> Motion:
    directions = np.zeros((frames, len(BODY_DIRECTIONS), 3), np.float32)
    directions[..., 1] = 1.0
    root = np.linspace(0, 0.3, frames, dtype=np.float32)[:, None] * np.float32([1, 0, 0])
    return Motion("still", directions, root, Fraction(10), loop)


# ----------------------------------------------------------------- what every motion promises


@pytest.mark.parametrize("motion", ALL, ids=lambda motion: motion.name)
def test_directions_are_unit_vectors_and_displacements_finite(motion: Motion) -> None:
    lengths = np.linalg.norm(motion.directions, axis=-1)
    assert lengths == pytest.approx(1.0, abs=1e-5)
    assert np.isfinite(motion.root).all()
    assert np.abs(motion.root).max() < 2.0
    assert motion.rate == 30


@pytest.mark.parametrize(
    "motion", [motion for motion in ALL if motion.loop], ids=lambda motion: motion.name
)
def test_a_loop_closes_as_smoothly_as_it_runs(motion: Motion) -> None:
    steps = np.linalg.norm(np.diff(motion.directions, axis=0), axis=-1).max(axis=1)
    closing = np.linalg.norm(motion.directions[0] - motion.directions[-1], axis=-1).max()
    assert closing < 1.6 * steps.max()


@pytest.mark.parametrize("motion", ALL, ids=lambda motion: motion.name)
def test_mirrored_twice_is_the_motion_itself(motion: Motion) -> None:
    twice = motion.mirrored().mirrored()
    assert twice.name == motion.name
    np.testing.assert_array_equal(twice.directions, motion.directions)
    np.testing.assert_array_equal(twice.root, motion.root)


def test_a_mirror_gives_the_left_arm_what_the_right_arm_did() -> None:
    wave = motion_by_name("wave-0")
    mirror = wave.mirrored()
    assert mirror.name == "wave-0-mirrored"
    np.testing.assert_array_equal(
        bone(mirror, "left_forearm"), bone(wave, "right_forearm") * [-1, 1, 1]
    )
    # The own left stays at +x: a mirror shows no body from behind.
    assert (bone(mirror, "shoulders")[:, 0] > 0.9).all()
    np.testing.assert_array_equal(mirror.directions, motion_by_name("wave-0-mirrored").directions)


@pytest.mark.parametrize("motion", ALL, ids=lambda motion: motion.name)
def test_the_chest_looks_across_the_shoulders_and_the_spine(motion: Motion) -> None:
    across = np.cross(bone(motion, "shoulders"), bone(motion, "spine"))
    assert (cosine(across, bone(motion, "chest")) > 0).all()


# ----------------------------------------------------------------- bodies that move as bodies do


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
    ground = -(THIGH + SHIN)
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


# ----------------------------------------------------------------- time


def test_a_moment_between_two_frames_lies_between_them() -> None:
    motion = still()
    assert motion.at(0.15).root[0] == pytest.approx(0.15)
    assert motion.at(99.0).root[0] == pytest.approx(0.3)
    assert motion.at(-1.0).root[0] == pytest.approx(0.0)
    assert motion.seconds == pytest.approx(0.3)


def test_a_loop_goes_round() -> None:
    motion = still(loop=True)
    assert motion.seconds == pytest.approx(0.4)
    assert motion.at(0.4).root[0] == pytest.approx(0.0)
    assert motion.at(0.35).root[0] == pytest.approx(0.15)
    assert motion.stance(5).root[0] == pytest.approx(0.1)


def test_a_motion_that_lacks_a_bone_is_refused() -> None:
    motion = still()
    with pytest.raises(UsageError, match=r"\(4, 15, 3\).*\(4, 3\).*16") as caught:
        Motion("one bone short", motion.directions[:, 1:], motion.root, motion.rate, False)
    assert caught.value.code == "M11"


# ----------------------------------------------------------------- the two sets


def test_no_motion_of_one_set_comes_from_the_other() -> None:
    def origin(motion: Motion) -> str:
        kind, _, variant = motion.name.rpartition("-")
        return f"made {kind}" if variant.isdigit() and kind in KINDS else motion.name.split("/")[0]

    train, held_out = (
        {origin(motion) for motion in motions("train")},
        {origin(motion) for motion in motions("held-out")},
    )
    assert not train & held_out
    assert held_out == HELD_OUT_TAKES | {f"made {kind}" for kind in HELD_OUT_KINDS}
    assert len({motion.name for motion in ALL}) == len(ALL)


def test_names_outside_the_sets_are_refused_with_what_there_is() -> None:
    with pytest.raises(UsageError, match=r"moonwalk.*dance-b") as caught:
        motion_by_name("moonwalk")
    assert caught.value.code == "M11"
    with pytest.raises(UsageError, match="'test'"):
        motions("test")


# ----------------------------------------------------------------- keeping


def test_packing_loses_less_than_a_tenth_of_a_degree() -> None:
    motion = motion_by_name("disco-1")
    arrays = pack([motion, still()], [{"licence": "A"}, {"licence": "B"}])
    kept, other = unpack(arrays)
    cosines = np.clip(cosine(kept.directions.astype(float), motion.directions.astype(float)), -1, 1)
    assert np.degrees(np.arccos(cosines)).max() < 0.1
    assert np.abs(kept.root - motion.root).max() <= 0.5 / ROOT_STEPS + 1e-6
    assert (kept.name, kept.rate, kept.loop) == (motion.name, motion.rate, motion.loop)
    assert (other.name, other.rate, len(other)) == ("still", Fraction(10), 4)
    assert [row["licence"] for row in catalogue(arrays)] == ["A", "B"]


def test_every_captured_motion_tells_its_source_and_licence() -> None:
    path = Path(str(files("dtvideo.toon.world") / "motions.npz"))
    with np.load(path, allow_pickle=False) as arrays:
        rows = catalogue(arrays)
    assert {row["licence"] for row in rows} == {"Zlib", "CMU-Mocap"}
    assert all(row["source"] and row["file"] for row in rows)


def test_a_long_take_is_cut_into_parts_that_join_up() -> None:
    long = still(frames=140)
    pieces = parts(long)
    assert [piece.name for piece in pieces] == ["still/1", "still/2"]
    np.testing.assert_array_equal(np.concatenate([p.root for p in pieces]), long.root)
    assert parts(still())[0].name == "still"


# ----------------------------------------------------------------- BVH


def limb(side: str, x: float, joints: tuple[tuple[str, str], ...]) -> str:
    lines, closing = [], ""
    for name, offset in joints:
        lines.append(
            f"JOINT {side}{name} {{ OFFSET {offset.format(x=x)}\n"
            "CHANNELS 3 Zrotation Xrotation Yrotation"
        )
        closing += "}\n"
    text = "\n".join(lines) + "\nEnd Site\n{\nOFFSET 0 0 1\n}\n" + closing
    return text.replace(" { OFFSET", "\n{\nOFFSET")


ARM = (("Arm", "{x} 5 0"), ("ForeArm", "{x} 0 0"), ("Hand", "{x} 0 0"))
LEG = (("UpLeg", "{x} 0 0"), ("Leg", "0 -4 0"), ("Foot", "0 -4 0"), ("ToeBase", "0 0 1"))
BODY = (
    "HIERARCHY\nROOT Hips\n{\nOFFSET 0 0 0\n"
    "CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation\n"
    + limb("Left", 1, LEG)
    + limb("Right", -1, LEG)
    + limb("Left", 2, ARM)
    + limb("Right", -2, ARM)
    + "JOINT Head\n{\nOFFSET 0 6 0\nCHANNELS 3 Zrotation Xrotation Yrotation\n"
    "End Site\n{\nOFFSET 0 1 0\n}\n}\n}\nMOTION\nFrames: 2\nFrame Time: 0.1\n"
)  # fmt: skip
CHANNELS = 6 + 3 * (4 + 4 + 3 + 3 + 1)
LEFT_ELBOW, LEFT_KNEE, HEAD = 6 + 3 * 8 + 3, 6 + 3, CHANNELS - 3


def write_bvh(folder: Path, frame: list[float]) -> Path:
    path = folder / "figure.bvh"
    path.write_text(BODY + 2 * (" ".join(map(str, frame)) + "\n"))
    return path


def rest() -> list[float]:
    return [0.0, 8.0, 0.0] + [0.0] * (CHANNELS - 3)


def test_a_bvh_figure_at_rest_stands_in_a_t(tmp_path: Path) -> None:
    motion = read_bvh(write_bvh(tmp_path, rest()))
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
    motion = read_bvh(write_bvh(tmp_path, frame))
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
    motion = read_bvh(write_bvh(tmp_path, frame))
    np.testing.assert_allclose(bone(motion, "chest")[0], [0, 0, 1], atol=1e-6)
    np.testing.assert_allclose(motion.root, 0, atol=1e-6)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("HIERARCHY", "", "no HIERARCHY"),
        ("Frames: 2", "Frames: 3", r"102 numbers, not 3 frames of 51 channels"),
        ("Frame Time", "Time", "no Frame Time"),
        ("LeftForeArm", "LeftThing", "no joint named leftforearm"),
        ("JOINT Head", "JOINT Skull", "no joint named head"),
    ],
)
def test_a_broken_bvh_file_is_explained(tmp_path: Path, old: str, new: str, told: str) -> None:
    path = write_bvh(tmp_path, rest())
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(PoseError, match=told) as caught:
        read_bvh(path)
    assert caught.value.code == "P6"
    assert str(path) in str(caught.value)
