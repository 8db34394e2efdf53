"""Motions: what every one promises, the two sets, and how captured ones are kept."""

from fractions import Fraction
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from dtvideo.errors import UsageError
from dtvideo.toon.world.figure import BODY_DIRECTIONS
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
from dtvideo.toon.world.synthesis import choreographies

ALL = (*motions("train"), *motions("held-out"))


def bone(motion: Motion, name: str) -> np.ndarray:
    return motion.directions[:, BODY_DIRECTIONS.index(name)].astype(np.float64)


def cosine(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return (one * other).sum(axis=-1)


def still(frames: int = 4, *, loop: bool = False) -> Motion:
    directions = np.zeros((frames, len(BODY_DIRECTIONS), 3), np.float32)
    directions[..., 1] = 1.0
    root = np.linspace(0, 0.3, frames, dtype=np.float32)[:, None] * np.float32([1, 0, 0])
    return Motion("still", directions, root, Fraction(10), loop)


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


def test_no_motion_of_one_set_comes_from_the_other() -> None:
    def origin(motion: Motion) -> str:
        kind, _, variant = motion.name.rpartition("-")
        return (
            f"made {kind}"
            if variant.isdigit() and kind in choreographies()
            else motion.name.split("/")[0]
        )

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
