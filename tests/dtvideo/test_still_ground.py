"""Behind a block that moves over a known scene, that scene is found."""

import numpy as np
import pytest
from scipy import ndimage

from dtvideo.still_ground import differs, laid_over, still_ground

WIDTH, HEIGHT, BLOCK = 64, 48, 10


@pytest.fixture(scope="module")
def scene():
    noise = np.random.default_rng(1).uniform(0, 255, (HEIGHT, 3 * WIDTH, 3))
    soft = ndimage.gaussian_filter(noise, (3, 3, 0))
    return ((soft - soft.min()) / np.ptp(soft) * 255).astype(np.uint8)


def clip_over(scene, columns, *, pan=0):
    """Frames in which a red block stands at each column; the camera pans by so much a frame."""
    frames, hidden = [], []
    for number, column in enumerate(columns):
        frame = scene[:, number * pan : number * pan + WIDTH].copy()
        block = np.zeros((HEIGHT, WIDTH), bool)
        block[20:40, column : column + BLOCK] = True
        frame[block] = (255, 0, 0)
        frames.append(frame)
        hidden.append(block)
    return np.stack(frames), np.stack(hidden)


def test_the_scene_is_found_to_the_bit_where_it_is_ever_free(scene):
    frames, hidden = clip_over(scene, range(0, 50, 5))
    assert (still_ground(frames, hidden) == scene[:, :WIDTH]).all()


def test_a_block_that_stays_is_filled_from_around_it(scene):
    frames, hidden = clip_over(scene, [30] * 6)
    ground = still_ground(frames, hidden)
    assert (ground[:15] == scene[:15, :WIDTH]).all()
    assert ground[hidden[0]].max(axis=0)[1] > 0
    assert (np.abs(ground[hidden[0]].astype(int) - (255, 0, 0)).max(axis=1) > 40).all()


def test_one_frame_is_enough_for_what_it_shows(scene):
    frames, hidden = clip_over(scene, [30])
    assert (still_ground(frames, hidden)[:15] == scene[:15, :WIDTH]).all()


def test_a_camera_that_pans_has_no_ground(scene):
    frames, hidden = clip_over(scene, range(0, 50, 5), pan=2)
    assert still_ground(frames, hidden) is None


def test_a_cut_leaves_no_ground(scene):
    frames, hidden = clip_over(scene, range(0, 50, 5))
    frames[6:] = 255 - frames[6:]
    assert still_ground(frames, hidden) is None


def test_what_is_hidden_everywhere_has_no_ground(scene):
    frames, hidden = clip_over(scene, range(3))
    assert still_ground(frames, np.ones_like(hidden)) is None


def test_a_frame_keeps_what_is_far_from_the_block(scene):
    frames, hidden = clip_over(scene, [5])
    ground = scene[:, :WIDTH]
    assert differs(frames[0], ground).sum() == pytest.approx(hidden.sum(), abs=20)
    cleared = laid_over(frames[0], np.full_like(ground, 7), hidden[0])
    assert (cleared[:, 30:] == frames[0][:, 30:]).all()
    assert (cleared[25:35, 8:12] == 7).all()
