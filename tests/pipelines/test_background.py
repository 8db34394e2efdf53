import cv2
import numpy as np
import pytest

from dtvideo.segmentation.masks import overlap
from dtvideo.toon.world import HELD_OUT_IDENTITIES, sample_scene, scene_drawings
from pipelines.background import Backdrop, exchanged, filled, opaque, without_ground
from pipelines.prepare import Reference


@pytest.fixture(scope="module")
def drawings():
    scene = sample_scene(HELD_OUT_IDENTITIES[3], split="held-out")
    return scene_drawings(scene, 3)


@pytest.fixture(scope="module")
def reference(drawings):
    first = drawings[0]
    return Reference(first.image, first.mask, first.pose, "truth", "truth")


def test_the_reference_background_leaves_the_frame_alone(reference, drawings):
    frame = drawings[1].image
    assert Backdrop.prepare("reference", reference).lay(frame, drawings[1].pose, None) is frame


def test_alpha_is_the_character_of_the_frame(reference, drawings):
    backdrop = Backdrop.prepare("alpha", reference)
    for drawing in drawings:
        result = backdrop.lay(drawing.image, drawing.pose, None)
        assert result.shape == (*drawing.mask.shape, 4)
        assert overlap(result[..., 3] / 255, drawing.mask) > 0.7


def test_a_colour_fills_all_that_is_not_the_character(reference, drawings):
    result = Backdrop.prepare((255, 0, 255), reference).lay(
        drawings[1].image, drawings[1].pose, None
    )
    assert tuple(result[0, 0]) == (255, 0, 255)
    inside = drawings[1].mask > 0.99
    assert np.abs(result[inside].astype(int) - drawings[1].image[inside]).mean() < 40


def test_the_driver_is_seen_behind_the_character(reference, drawings):
    driving = np.full((50, 100, 3), 77, np.uint8)
    result = Backdrop.prepare("driver", reference).lay(drawings[1].image, drawings[1].pose, driving)
    assert tuple(result[0, 0]) == (77, 77, 77)


def test_a_faint_rim_around_the_character_is_ground_and_a_bright_spot_in_it_is_not(
    reference, drawings
):
    mask = drawings[0].mask > 0.5
    rim = cv2.dilate(mask.astype(np.uint8), np.ones((9, 9), np.uint8)) > mask
    rim &= cv2.dilate(mask.astype(np.uint8), np.ones((3, 3), np.uint8)) == 0
    spot = mask & (cv2.erode(mask.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0)
    frame, ground = drawings[0].image.copy(), reference.puppet.ground
    frame[rim] = np.where(ground[rim] > 127, ground[rim] - 20, ground[rim] + 20)
    frame[spot] = ground[spot]
    matte = Backdrop.prepare("alpha", reference).matte(frame, drawings[0].pose)
    assert matte[rim].mean() < 0.05
    assert matte[spot].mean() > 0.95


def test_a_plate_of_another_shape_is_cut_to_fill_the_frame():
    plate = np.zeros((40, 100, 3), np.uint8)
    plate[:, 30:70] = 200
    assert (filled(plate, (20, 20)) == 200).all()


def test_a_soft_edge_exchanges_its_share_of_the_ground():
    ground, plate = np.full((2, 2, 3), 100, np.uint8), np.full((2, 2, 3), 40, np.uint8)
    matte = np.full((2, 2), 0.5, np.float32)
    frame = np.full((2, 2, 3), 150, np.uint8)  # half character of 200, half ground of 100
    assert (without_ground(frame, ground, matte) == 200).all()
    assert (exchanged(frame, matte, ground=ground, plate=plate) == 120).all()


def test_transparent_frames_are_shown_over_light_grey():
    frame = np.zeros((1, 2, 4), np.uint8)
    frame[0, 0, 3] = 255
    assert opaque(frame).tolist() == [[[0, 0, 0], [230, 230, 230]]]
