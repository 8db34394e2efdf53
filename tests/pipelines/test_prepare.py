from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dtvideo.errors import MediaError
from dtvideo.images import LoadedImage, load_image, place, save_png
from dtvideo.segmentation import find_mask
from dtvideo.segmentation.masks import overlap
from pipelines import reference_people
from pipelines.job import RenderJob
from pipelines.prepare import (
    choose_size,
    fit_and_extend,
    load_reference,
    mask_box,
    moved,
    prepare_reference,
)
from poses.types import Pose, PoseSequence, missing_joints
from tests.drawn import figure, standing

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.mark.parametrize(
    ("source", "size"),
    [((512, 512), (128, 128)), ((1000, 500), (176, 96)), ((300, 600), (96, 176))],
)
def test_the_size_follows_the_picture_s_shape_at_the_model_s_area(source, size):
    assert choose_size(source, requested=None, native=128, multiple=16) == (size, ())


def test_a_size_that_the_model_cannot_make_is_rounded_up_and_told():
    size, notices = choose_size((512, 512), requested=(161, 121), native=128, multiple=16)
    assert size == (176, 128)
    assert "161x121 is rounded up to 176x128" in notices[0]


def test_a_size_that_fits_is_kept_silently():
    assert choose_size((1, 1), requested=(64, 96), native=128, multiple=16) == ((64, 96), ())


def test_what_is_left_over_around_a_picture_repeats_its_border():
    picture = np.zeros((10, 20, 3), np.uint8)
    picture[0], picture[-1] = 50, 90
    canvas = fit_and_extend(picture, (20, 20))
    assert canvas.shape == (20, 20, 3)
    assert (canvas[:5] == 50).all()
    assert (canvas[15:] == 90).all()


def test_poses_move_with_the_picture_and_missing_joints_stay_missing():
    body = missing_joints(18)
    body[0] = (10.0, 5.0, 1.0)
    pose = Pose(body=body, size=(20, 10))
    placement = place((20, 10), (40, 40))
    there = moved(pose, placement)
    assert there.size == (40, 40)
    np.testing.assert_allclose(there.body[0], (20, 20, 1))
    assert np.isnan(there.body[1:, :2]).all()
    clip = moved(PoseSequence.from_poses([pose, pose]), placement)
    np.testing.assert_allclose(clip.body[1, 0], (20, 20, 1))


@pytest.mark.parametrize(
    ("colour", "ground", "name"),
    [((200, 40, 40), (255, 255, 255), "white"), ((250, 250, 250), (190, 215, 240), "pale blue")],
)
def test_a_transparent_picture_is_laid_over_a_colour_it_does_not_have(
    make_picture, colour, ground, name
):
    pixels = np.zeros((32, 32, 4), np.uint8)
    pixels[8:24, 8:24] = (*colour, 255)
    loaded = load_reference(make_picture("hero.png", pixels))
    assert tuple(loaded.rgb[0, 0]) == ground
    assert tuple(loaded.rgb[16, 16]) == colour
    assert loaded.notices == (f"the picture is transparent; it is laid over {name}",)


class Measured:
    """A detector that knows where the drawn hero stands, and notes what it was shown."""

    name = licence = device = "measured"

    def __init__(self):
        self.shown = []

    def detect(self, image):
        self.shown.append(image.shape[:2])
        body = standing().body.copy()
        body[:, :2] *= image.shape[0] / 64
        return [Pose(body=body, size=image.shape[1::-1])]


def test_r10_a_large_picture_is_searched_in_a_reduced_one_with_the_same_result(
    tmp_path, monkeypatch
):
    detector = Measured()
    monkeypatch.setattr(reference_people, "load_detector", lambda name: detector)
    drawn = figure(standing())
    mask = (drawn != drawn[0, 0]).any(axis=2)
    painted = tmp_path / "mask.png"
    save_png(painted, np.kron(mask, np.full((40, 40), 255, np.uint8)))
    job = RenderJob(reference=tmp_path, poses=tmp_path, reference_detector="toon")

    def prepared(job, times):
        return prepare_reference(
            job, LoadedImage(np.kron(drawn, np.ones((times, times, 1), np.uint8))), size=(128, 128)
        )

    small, large = prepared(job, 8), prepared(job, 40)
    given = prepared(replace(job, reference_mask=painted), 40)

    whole = [shape for shape in detector.shown if shape[0] == shape[1]]  # else one side is hidden
    assert whole == [(512, 512), (1024, 1024), (1024, 1024)]
    assert max(max(shape) for shape in detector.shown) == 1024
    assert small.mask_method == large.mask_method == "border colour"
    assert np.abs(large.image.astype(int) - small.image).max() <= 2
    np.testing.assert_allclose(large.pose.body, small.pose.body, atol=1e-9)
    for found in (large, given):
        assert overlap(found.mask, small.mask) > 0.98
    assert given.mask_method == "file"


def test_r5_a_mask_of_the_ground_instead_of_the_character_is_refused(tmp_path):
    loaded = load_image(EXAMPLES / "hero.png")
    found = find_mask(loaded)
    inverted = tmp_path / "mask.png"
    save_png(inverted, np.uint8(255 * (found.mask < 0.5)))
    job = RenderJob(reference=EXAMPLES / "hero.png", poses=tmp_path, reference_mask=inverted)
    with pytest.raises(MediaError, match=r"black where the person is.*character white"):
        prepare_reference(job, loaded, size=(128, 128))


def test_the_box_of_a_mask_is_where_it_is_more_than_half():
    mask = np.full((10, 10), 0.3, np.float32)
    mask[2:5, 3:9] = 1.0
    assert mask_box(mask) == (3.0, 2.0, 9.0, 5.0)
