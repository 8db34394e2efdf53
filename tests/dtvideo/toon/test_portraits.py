import numpy as np

from dtvideo.toon.portraits import portrait


def test_a_portrait_knows_its_layout_and_its_subject_alone():
    drawn = portrait(3, 5, size=128)
    behind = drawn.layout[..., 0] == 0
    assert drawn.layout.max() == 255
    assert 0.03 < (~behind).mean() < 0.6
    assert (drawn.subject[behind].astype(int) > 250).mean() > 0.9
    inside = drawn.layout[..., 0] > 0
    close = np.abs(drawn.subject.astype(int) - drawn.image).max(axis=-1) <= 2
    assert close[inside].mean() > 0.75  # the rest are soft edges


def test_a_portrait_is_a_function_of_seed_and_number():
    again = portrait(3, 5, size=64)
    assert np.array_equal(portrait(3, 5, size=64).image, again.image)
    assert portrait(3, 6, size=64).caption != again.caption
