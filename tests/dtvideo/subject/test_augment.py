import numpy as np

from dtvideo.subject.augment import augment_subject


def square():
    picture = np.full((64, 64, 3), 255, np.uint8)
    picture[20:44, 20:44] = (200, 30, 30)
    return picture


def changed(seed):
    return augment_subject(square(), np.random.default_rng(seed))


def test_the_same_draws_give_the_same_picture_and_others_another():
    assert np.array_equal(changed(1), changed(1))
    assert not np.array_equal(changed(1), changed(2))


def test_the_ground_stays_white_and_the_subject_keeps_its_colour():
    for seed in range(20):
        picture = changed(seed)
        corners = picture[[0, 0, -1, -1], [0, -1, 0, -1]]
        assert (corners == 255).all()
        assert np.abs(picture[32, 32].astype(int) - (200, 30, 30)).max() <= 2


def test_the_subject_is_turned_scaled_and_bent():
    sizes = [(changed(seed)[..., 1] < 128).sum() for seed in range(40)]
    assert min(sizes) < 0.75 * 24**2
    assert max(sizes) > 1.1 * 24**2
