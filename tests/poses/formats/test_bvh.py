"""BVH files are read by their joints' names; what breaks the format is refused."""

from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from poses.errors import PoseError
from poses.formats.bvh import is_bvh, read_bvh
from poses.io import read_poses
from tests.captured import BODY, CHANNELS, rest, write_bvh

UNREADABLE = Path("/proc/self/mem")  # a file that opens, of which nobody reads the first byte


def test_joints_lie_where_offsets_and_angles_put_them(tmp_path: Path) -> None:
    capture = read_bvh(write_bvh(tmp_path, rest()))
    assert (len(capture), capture.rate) == (2, Fraction(10))
    for name, place in {
        "left_shoulder": (2, 13, 0),
        "left_wrist": (6, 13, 0),
        "right_hip": (-1, 8, 0),
        "right_ankle": (-1, 0, 0),
        "head": (0, 14, 0),
        "crown": (0, 15, 0),
    }.items():
        np.testing.assert_allclose(capture.joints[name][0], place, atol=1e-9)
    np.testing.assert_allclose(capture.face[0], (0, 0, 1), atol=1e-9)


@pytest.mark.parametrize(
    ("arm", "fore", "hand"),
    [("UpperArm_L", "LowerArm_L", "Hand_L"), ("upper_arm.L", "forearm.L", "hand.L"),
     ("mixamorig:LeftArm", "mixamorig:LeftForeArm", "mixamorig:LeftHand"),
     ("LeftShoulder", "LeftElbow", "LeftWrist")],
)  # fmt: skip
def test_the_names_of_several_programs_are_understood(
    tmp_path: Path, arm: str, fore: str, hand: str
) -> None:
    path = write_bvh(tmp_path, rest())
    text = path.read_text().replace("JOINT LeftArm", f"JOINT {arm}")
    text = text.replace("JOINT LeftForeArm", f"JOINT {fore}")
    path.write_text(text.replace("JOINT LeftHand", f"JOINT {hand}"))
    joints = read_bvh(path).joints
    np.testing.assert_allclose(joints["left_elbow"][0], (4, 13, 0), atol=1e-9)
    np.testing.assert_allclose(joints["left_wrist"][0], (6, 13, 0), atol=1e-9)


@pytest.mark.parametrize(
    ("step", "rate"),
    [("0.0083333", 120), ("0.033333", 30), ("0.0333667", Fraction(30000, 1001)), ("0.04", 25),
     ("0.0416667", 24), ("0.0417083", Fraction(24000, 1001)), ("0.4", Fraction(5, 2))],
)  # fmt: skip
def test_a_rounded_frame_time_is_a_usual_rate(tmp_path: Path, step: str, rate: Fraction) -> None:
    path = write_bvh(tmp_path, rest())
    path.write_text(path.read_text().replace("Time: 0.1", f"Time: {step}"))
    assert read_bvh(path).rate == rate


def test_the_content_tells_a_bvh_file_and_not_its_name(tmp_path: Path) -> None:
    assert is_bvh(write_bvh(tmp_path, rest()).rename(tmp_path / "take.json"))
    (tmp_path / "fake.bvh").write_text("{}")
    assert not is_bvh(tmp_path / "fake.bvh")
    assert not is_bvh(tmp_path)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("\n{\nOFFSET", " {\nOFFSET"),
        ("\n{\nOFFSET", "\n{ OFFSET"),
        ("{\nOFFSET", "{OFFSET"),
        ("\n}", "}"),
        ("\nCHANNELS", " CHANNELS"),
        (" Xrotation", "\nXrotation"),
    ],
)
def test_lines_and_spaces_about_braces_mean_nothing(tmp_path: Path, old: str, new: str) -> None:
    usual = read_bvh(write_bvh(tmp_path, rest()))
    path = tmp_path / "other.bvh"
    text = (tmp_path / "figure.bvh").read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    for name, places in read_bvh(path).joints.items():
        np.testing.assert_array_equal(places, usual.joints[name])


LINES = (BODY + 2 * (" ".join(map(str, rest())) + "\n")).splitlines()
WORDS = st.sampled_from(["", "{", "}", "JOINT x", "OFFSET 1 2", "OFFSET nan 0 0", "MOTION",
                         "CHANNELS 3 Xrotation Xrotation Qrotation", "Frames: 999999999",
                         "Frame Time: 1e-9", "Frame Time: inf", "1e999 " * CHANNELS])  # fmt: skip


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, len(LINES) - 1), WORDS), min_size=1, max_size=4))
def test_p6_a_mutilated_file_is_read_or_refused(
    tmp_path: Path, changes: list[tuple[int, str]]
) -> None:
    lines = list(LINES)
    for line, word in changes:
        lines[line] = word
    path = tmp_path / "broken.bvh"
    path.write_text("\n".join(lines))
    with suppress(PoseError):
        assert all(np.isfinite(joint).all() for joint in read_bvh(path).joints.values())


@pytest.mark.skipif(not UNREADABLE.exists(), reason="needs Linux's /proc")
def test_v1_a_file_that_cannot_be_read_is_no_bvh_file_and_is_told_as_such() -> None:
    assert not is_bvh(UNREADABLE)
    with pytest.raises(PoseError) as caught:
        read_poses(UNREADABLE)
    assert caught.value.code == "V1"
