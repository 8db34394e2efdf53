import json
from dataclasses import replace

import cv2
import numpy as np
import pytest

from dtvideo.errors import UsageError
from dtvideo.images import load_image
from dtvideo.puppet import Puppet
from dtvideo.toon.world import sample_scene, scene_drawings
from dtvideo.video import probe
from pipelines.enlarge import Enlarger, choose_upscale
from pipelines.render import plan, render

LARGE, SMALL = 128, 32


@pytest.fixture(scope="module")
def drawn():
    """A reference of 128 x 128 cut into limbs, and another pose of it."""
    scene = sample_scene(1_000_003, split="held-out")
    first, other = scene_drawings(scene, 2, key=1, size=(LARGE, LARGE))
    return Puppet.prepare(first.image, first.mask, first.pose), other.pose


def reduced(picture):
    return cv2.resize(picture, (SMALL, SMALL), interpolation=cv2.INTER_AREA)


def shifted(picture, by):
    """Return a picture with all colours moved by some levels, towards the middle."""
    return np.where(picture < 128, picture + by, picture - by).astype(np.uint8)


@pytest.mark.parametrize("hedge", [0, 5, 15])
def test_where_the_model_changes_little_the_frame_is_the_puppet_s(drawn, hedge):
    """A line that the model paints paler, since it is not sure of its place, stays as it was."""
    puppet, pose = drawn
    fine = puppet.frame(pose)
    large = Enlarger(puppet).enlarge(shifted(reduced(fine), hedge), pose)
    assert np.array_equal(large, fine)


def test_between_both_the_frame_is_a_mixture_of_both(drawn):
    puppet, pose = drawn
    fine = puppet.frame(pose)
    made = shifted(reduced(fine), 30)
    large = Enlarger(puppet).enlarge(made, pose).astype(int)
    alone = cv2.resize(made, (LARGE, LARGE), interpolation=cv2.INTER_CUBIC)
    assert np.abs(large - (fine.astype(int) + alone) / 2).max() <= 3


def test_what_the_model_made_otherwise_shows_nothing_of_the_puppet(drawn):
    puppet, pose = drawn
    made = np.full((SMALL, SMALL, 3), (250, 0, 250), np.uint8)
    large = Enlarger(puppet).enlarge(made, pose)
    assert np.abs(large.astype(int) - (250, 0, 250)).max() <= 1


@pytest.mark.parametrize(
    ("source", "options", "times"),
    [
        ((512, 512), {}, 4),
        ((700, 512), {}, 4),
        ((2048, 2048), {}, 4),
        ((300, 300), {}, 2),
        ((100, 100), {}, 1),
        ((512, 512), {"free": False}, 1),
        ((512, 512), {"refines": False}, 1),
        ((100, 100), {"requested": 3, "free": False}, 3),
        ((512, 512), {"requested": 1}, 1),
    ],
)
def test_frames_become_as_large_as_the_picture_has_detail_for(source, options, times):
    asked = {"requested": None, "free": True, "refines": True} | options
    assert choose_upscale(source, (128, 128), **asked) == times


def test_a_model_that_refines_nothing_cannot_be_asked_for_larger_frames():
    with pytest.raises(UsageError, match="--upscale") as caught:
        choose_upscale((512, 512), (512, 512), requested=2, free=True, refines=False)
    assert caught.value.code == "M11"


def test_frames_cannot_be_asked_to_become_larger_than_a_size_may_be():
    asked = {"free": False, "refines": True}
    assert choose_upscale((64, 64), (4096, 2048), requested=2, **asked) == 2
    with pytest.raises(UsageError, match="3 is out of range") as caught:
        choose_upscale((64, 64), (4096, 2048), requested=3, **asked)
    assert caught.value.code == "M11"


@pytest.fixture
def job(job):
    return replace(job, upscale=3)


def test_a_render_is_as_large_as_it_says(job):
    assert "4 of 96x96 at 25 per second" in plan(job)
    told = json.loads(render(job).sidecar.read_text())
    assert probe(job.output).size == (96, 96)
    assert told["recipe"]["resolved"]["size"] == [96, 96]
    assert told["recipe"]["resolved"]["upscale"] == 3


def test_a_picture_with_detail_is_rendered_larger_unasked(job, stage):
    """The tiny model knows 16 x 16 best; the picture has 64 x 64."""
    assert load_image(stage / "hero.png").rgb.shape[:2] == (64, 64)
    render(replace(job, size=None, upscale=None))
    assert probe(job.output).size == (64, 64)


def test_the_model_sees_the_same_at_every_size(job, tmp_path):
    """Reduced to the model's own size, larger frames are its frames, but for the last levels."""
    pictures = []
    for times in (1, 3):
        render(replace(job, upscale=times, output=tmp_path / f"{times}"))
        picture = load_image(tmp_path / f"{times}" / "frame.0002.png").rgb
        pictures.append(cv2.resize(picture, (32, 32), interpolation=cv2.INTER_AREA).astype(int))
    assert np.abs(pictures[0] - pictures[1]).mean() < 6


def test_larger_frames_can_be_transparent(job, tmp_path):
    render(replace(job, output=tmp_path / "clear", background="alpha"))
    picture = load_image(tmp_path / "clear" / "frame.0000.png")
    assert picture.alpha is not None
    assert picture.alpha.shape == (96, 96)
