"""`--background driver` shows where the dancer was, without the dancer."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from dtvideo.images import load_image, resize
from dtvideo.video import read_frames
from pipelines.background import filled, filling
from pipelines.empty_stage import MOVING, find_empty_stage
from pipelines.job import RenderJob
from pipelines.motion import open_driver
from pipelines.prepare import Driver
from pipelines.progress import SilentProgress
from pipelines.render import prepare, render
from poses.crowd import figure_region
from poses.synthetic import walk
from poses.types import PoseSequence

DANCE = Path(__file__).parents[2] / "examples" / "dance.mp4"
SIZE, FRAMES = (160, 128), 12
DANCER = (220, 30, 30)


@pytest.fixture(scope="module")
def scene():
    noise = np.random.default_rng(2).uniform(0, 255, (17, 30, 3)).astype(np.uint8)
    return resize(noise, (240, 136))


@pytest.fixture
def dancing(scene, make_video, tmp_path):
    """Make a clip of a red figure that crosses the scene, and its poses; the camera may pan."""

    def make(*, pan):
        body = walk(FRAMES, height=0.5, size=(128, 128)).body.copy()
        body[..., 0] += np.linspace(-30, 60, FRAMES)[:, None]
        poses = PoseSequence(body=body, size=SIZE, rate=Fraction(25))
        frames = []
        for number, pose in enumerate(poses):
            frame = scene[: SIZE[1], pan * number : pan * number + SIZE[0]].copy()
            hair = np.ones((7, 7), np.uint8)  # stands out of the limbs a little
            frame[cv2.dilate(figure_region(pose, SIZE).astype(np.uint8), hair) > 0] = DANCER
            frames.append(frame)
        clip = make_video("dance.mkv", frames, codec="ffv1", pixels="bgr0")
        job = RenderJob(reference=tmp_path / "r.png", driver=clip, background="driver")
        return job, open_driver(job, clip), Driver(poses, poses, {}), frames

    return make


def test_the_dancer_is_gone_and_the_scene_is_there(dancing, scene):
    job, info, driver, frames = dancing(pan=0)
    stage = find_empty_stage(job, info, driver, size=SIZE)
    for index, frame in enumerate(frames):
        off = np.abs(stage.clear(index, frame).astype(int) - scene[: SIZE[1], : SIZE[0]])
        assert np.quantile(off, 0.99) < 12
        assert off.max() < 60


def test_a_result_of_another_shape_shows_the_same_part_of_the_scene(dancing, scene):
    job, info, driver, frames = dancing(pan=0)
    stage = find_empty_stage(job, info, driver, size=(64, 96))
    empty = filled(scene[: SIZE[1], : SIZE[0]], (64, 96))
    off = np.abs(stage.clear(5, frames[5]).astype(int) - empty)
    assert np.quantile(off, 0.99) < 12


def test_frames_that_are_picked_have_their_own_poses(dancing, scene):
    job, info, driver, frames = dancing(pan=0)
    picked = replace(driver.found, body=driver.found.body[[0, 4, 8]])
    job = replace(job, frames="0-8x4")
    stage = find_empty_stage(job, info, Driver(picked, picked, {}), size=SIZE)
    off = np.abs(stage.clear(1, frames[4]).astype(int) - scene[: SIZE[1], : SIZE[0]])
    assert np.quantile(off, 0.99) < 12


def test_behind_a_camera_that_pans_nothing_is_known(dancing):
    job, info, driver, _ = dancing(pan=4)
    assert find_empty_stage(job, info, driver, size=SIZE) is None


@pytest.fixture
def dance_job(stage, tiny_model, tmp_path):
    return RenderJob(
        reference=stage / "hero.png",
        driver=DANCE,
        reference_pose=stage / "pose.json",
        model=str(tiny_model),
        frames="0-44x9",
        background="driver",
        output=tmp_path / "frames/",
    )


def test_a_render_has_the_driver_without_the_dancer_behind_the_character(dance_job):
    job = replace(dance_job, model="toon", frames="0-44x22")  # toon leaves the ground alone
    stage = prepare(job, SilentProgress()).stage
    render(job)
    made = load_image(min(job.output.glob("*0.png"))).rgb
    dancer = next(read_frames(DANCE))
    with_dancer, without = filled(dancer, made.shape[1::-1]), stage.clear(0, dancer)
    cleared = np.abs(with_dancer.astype(int) - without).max(axis=2) > 40
    behind, before = ((made == plate).all(axis=2) & cleared for plate in (without, with_dancer))
    assert behind.sum() > 20  # the rest is behind the character
    assert not before.any()


def test_that_the_dancer_stays_is_told(dance_job, make_video):
    frames = [frame for _, frame in zip(range(6), read_frames(DANCE), strict=False)]
    cut = make_video("cut.mp4", [*frames, *(frame[:, ::-1] for frame in frames)])
    prepared = prepare(replace(dance_job, driver=cut, frames=None), SilentProgress())
    assert prepared.stage is None
    assert MOVING in prepared.sidecar.notices


@pytest.mark.parametrize("size", [(160, 120), (90, 90), (40, 200)])
def test_poses_lie_where_the_picture_is_filled_in(size):
    picture = np.zeros((100, 160, 3), np.uint8)
    picture[40:60, 70:90] = 255
    rows, columns = np.nonzero(filled(picture, size)[..., 0] > 128)
    centre = np.array([[columns.mean() + 0.5, rows.mean() + 0.5]])
    moved = filling((160, 100), size).to_target(np.array([[80.0, 50.0]]))
    np.testing.assert_allclose(moved, centre, atol=1)
