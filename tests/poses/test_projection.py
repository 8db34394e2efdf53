"""A captured body is seen by a camera: sides, turns, framing, rates and hidden points."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from poses.errors import PoseError
from poses.formats.bvh import Capture, read_bvh
from poses.io import read_poses
from poses.projection import Camera, project
from poses.types import confident
from tests.captured import LEFT_KNEE, rest, write_bvh

FLAT = 1.0  # degrees of a lens that hardly has perspective
R_SHOULDER, R_WRIST, L_SHOULDER, L_WRIST, L_KNEE, L_ANKLE = 2, 4, 5, 7, 12, 13


@pytest.fixture
def capture(tmp_path: Path) -> Capture:
    return read_bvh(write_bvh(tmp_path, rest()))


def test_from_the_front_the_bodys_left_is_at_the_right_and_lengths_keep_their_ratios(
    capture: Capture,
) -> None:
    body = project(capture, Camera(lens=FLAT)).body[0]
    assert confident(body).all()
    assert np.ptp(body[:, 1]) == pytest.approx(512 * 0.88, rel=0.01)  # as near as margins allow
    across = body[L_WRIST, 0] - body[R_WRIST, 0]
    assert (body[L_SHOULDER, 0] - body[R_SHOULDER, 0]) / across == pytest.approx(4 / 12, rel=0.01)
    assert (body[L_ANKLE, 1] - body[L_SHOULDER, 1]) / across == pytest.approx(13 / 12, rel=0.01)


def test_from_the_left_the_far_side_of_the_head_is_hidden(capture: Capture) -> None:
    body = project(capture, Camera(lens=FLAT, view=90.0)).body[0]
    assert np.flatnonzero(~confident(body)).tolist() == [14, 16]  # right eye and ear
    assert body[L_WRIST, 0] == pytest.approx(body[R_WRIST, 0], abs=6)
    assert body[0, 0] < body[1, 0]  # the nose points to the picture's left
    behind = project(capture, Camera(lens=FLAT, view=180.0)).body[0]
    assert np.flatnonzero(~confident(behind)).tolist() == [0, 14, 15]
    assert behind[L_WRIST, 0] < behind[R_WRIST, 0]


def test_near_things_look_larger_through_a_wide_lens(tmp_path: Path) -> None:
    frame = rest()
    frame[LEFT_KNEE + 1] = -90.0  # about x: the left shin points at the viewer
    capture = read_bvh(write_bvh(tmp_path, frame))
    flat, wide = (project(capture, Camera(lens=lens)).body[0] for lens in (FLAT, 60.0))
    assert flat[L_ANKLE, :2] == pytest.approx(flat[L_KNEE, :2], abs=2)
    assert np.linalg.norm(wide[L_ANKLE, :2] - wide[L_KNEE, :2]) > 5


def test_a_camera_above_sees_the_body_shorter(capture: Capture) -> None:
    def share(tilt: float) -> float:
        body = project(capture, Camera(lens=FLAT, tilt=tilt)).body[0]
        return (body[L_ANKLE, 1] - body[L_SHOULDER, 1]) / (body[L_WRIST, 0] - body[R_WRIST, 0])

    assert share(60.0) == pytest.approx(share(0.0) / 2, rel=0.02)


@pytest.mark.parametrize("turn", [0.0, 70.0, 135.0])
def test_the_front_is_where_the_chest_looks(tmp_path: Path, capture: Capture, turn: float) -> None:
    frame = rest()
    frame[0], frame[5] = 40.0, turn  # walks off and turns about the vertical
    turned = read_bvh(write_bvh(tmp_path, frame))
    np.testing.assert_allclose(project(turned).body, project(capture).body, atol=1e-6)


def test_the_whole_way_is_in_the_picture_unless_the_camera_follows(capture: Capture) -> None:
    way = np.array([[0.0, 0, 0], [30, 0, 0]])
    walking = replace(capture, joints={name: path + way for name, path in capture.joints.items()})
    still, following = (project(walking, Camera(follow=follow)) for follow in (False, True))
    for seen in (still, following):
        assert (seen.body[..., :2] > 0).all()
        assert (seen.body[..., :2] < 512).all()
    assert still.body[1, 1, 0] - still.body[0, 1, 0] > 200
    np.testing.assert_allclose(following.body[0], following.body[1], atol=1e-9)


def test_another_rate_keeps_the_length_in_seconds(capture: Capture) -> None:
    joints = {name: np.linspace(path[0], path[0] + 1, 30) for name, path in capture.joints.items()}
    long = Capture(joints, np.repeat(capture.face[:1], 30, axis=0), step=1 / 30)
    assert len(project(long, rate=Fraction(60))) == 60
    halved = project(long, rate=Fraction(15))
    assert (len(halved), halved.rate) == (15, Fraction(15))
    every_second = Capture(
        {name: path[::2] for name, path in joints.items()}, long.face[::2], step=2 / 30
    )
    np.testing.assert_allclose(halved.body, project(every_second).body, atol=1e-6)


def test_a_bvh_file_is_a_pose_file_like_others(tmp_path: Path, capture: Capture) -> None:
    path = write_bvh(tmp_path, rest())
    np.testing.assert_array_equal(read_poses(path).body, project(capture).body)
    camera = Camera(view=30.0, size=(64, 96))
    seen = read_poses(path, rate=Fraction(5), camera=camera)
    assert (seen.size, len(seen)) == ((64, 96), 1)


@pytest.mark.parametrize(
    ("name", "value"), [("view", 400.0), ("tilt", 90.0), ("lens", 0.0), ("lens", float("nan"))]
)
def test_a_camera_that_cannot_be_is_refused(name: str, value: float) -> None:
    with pytest.raises(PoseError, match=f"{name}: {value} is out of range") as caught:
        Camera(**{name: value})
    assert caught.value.code == "M11"
