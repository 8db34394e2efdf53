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
