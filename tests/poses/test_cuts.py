"""Hard cuts are found, and neither motion nor flicker nor a fade is taken for one."""

import numpy as np
import pytest

from poses.cuts import CutFinder, find_cuts, frame_signature


def scene(key, *, size=(96, 64)):
    """A picture of a few coloured fields."""
    random = np.random.default_rng((3, key))
    fields = random.integers(0, 256, (4, 6, 3), dtype=np.uint8)
    return np.kron(fields, np.ones((size[1] // 4, size[0] // 6, 1), np.uint8))


def cuts_of(frames):
    finder = CutFinder()
    for frame in frames:
        finder.add(frame)
    return finder.found


def moving(picture, frames):
    return [np.roll(picture, 3 * frame, axis=1) for frame in range(frames)]


def test_cuts_between_moving_scenes_are_the_first_frames_of_the_new_ones():
    frames = [*moving(scene(1), 12), *moving(scene(2), 9), *moving(scene(3), 10)]
    assert cuts_of(frames) == (12, 21)


def test_motion_alone_is_no_cut():
    assert cuts_of(moving(scene(1), 30)) == ()


def test_a_fade_is_no_cut():
    one, other = scene(1).astype(float), scene(2).astype(float)
    frames = [(one + (other - one) * part).astype(np.uint8) for part in np.linspace(0, 1, 40)]
    assert cuts_of(frames) == ()


def test_a_light_that_flickers_in_every_frame_is_no_cut():
    frames = [scene(1) if frame % 2 else scene(2) for frame in range(20)]
    assert cuts_of(frames) == ()


@pytest.mark.parametrize("size", [(6, 4), (96, 64), (960, 640)])
def test_the_signature_is_shares_whatever_the_size(size):
    signature = frame_signature(scene(1, size=size) if size[1] > 4 else scene(1, size=(6, 4)))
    assert signature.sum() == pytest.approx(1)


def test_contrast_is_measured_against_the_neighbours():
    distances = np.full(20, 0.1)
    distances[10] = 0.45
    assert find_cuts(distances) == (10,)
    distances[12] = 0.2
    assert find_cuts(distances) == ()


@pytest.mark.parametrize("apart", range(1, 10))
def test_two_cuts_however_near_to_each_other_are_both_found(apart):
    frames = [*moving(scene(1), 12), *moving(scene(2), apart), *moving(scene(3), 12)]
    assert cuts_of(frames) == (12, 12 + apart)


def test_three_cuts_close_together_are_all_found():
    lengths = (12, 4, 5, 12)
    frames = [frame for key, length in enumerate(lengths) for frame in moving(scene(key), length)]
    assert cuts_of(frames) == (12, 16, 21)


@pytest.mark.parametrize("length", range(1, 7))
def test_a_flash_or_an_insert_after_which_the_shot_goes_on_is_no_cut(length):
    shot = moving(scene(1), 30)
    assert cuts_of([*shot[:12], *[scene(2)] * length, *shot[12 + length :]]) == ()


def test_a_flash_does_not_hide_the_cut_after_it():
    frames = [*moving(scene(1), 12), scene(2), *moving(scene(1), 5), *moving(scene(3), 12)]
    assert cuts_of(frames) == (18,)


@pytest.mark.parametrize("held", range(1, 7))
def test_pictures_that_are_held_and_change_again_and_again_are_no_cuts(held):
    """So look fast motion at few frames a second, and light that flickers slowly."""
    assert cuts_of([scene(key) for key in range(8) for _ in range(held)]) == ()
    assert cuts_of([scene(key % 2) for key in range(8) for _ in range(held)]) == ()


@pytest.mark.parametrize("steps", range(3, 12))
def test_a_fast_fade_is_no_cut(steps):
    one, other = scene(1).astype(float), scene(2).astype(float)
    parts = np.linspace(0, 1, steps + 1)[1:-1]
    between = [(one + (other - one) * part).astype(np.uint8) for part in parts]
    assert cuts_of([*[scene(1)] * 10, *between, *[scene(2)] * 10]) == ()


@pytest.mark.parametrize("held", range(1, 7))
def test_a_somersault_before_the_lens_is_no_cut_also_where_pictures_are_held(held):
    """Distances of a drawn figure that turns a backflip, larger than the picture, 6 a second."""
    drawn = (0.16, 0.15, 0.19, 0.18, 0.39, 0.69, 0.26, 0.79, 0.65, 0.14)
    distances = np.zeros(held * (len(drawn) + 1))
    distances[held::held] = drawn
    assert find_cuts(distances) == ()


def test_motion_that_is_fast_for_a_moment_hides_a_cut_in_it():
    distances = np.full(30, 0.02)
    distances[[10, 13]] = 0.9
    assert find_cuts(distances) == (10, 13)
    distances[12] = 0.35
    assert find_cuts(distances) == ()
