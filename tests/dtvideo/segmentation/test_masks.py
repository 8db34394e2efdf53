import numpy as np
import pytest

from dtvideo.segmentation.masks import (
    edge_coverage,
    fill_holes,
    fit_ground,
    follow_shade,
    largest_part,
    main_part,
    off_ground,
    overlap,
)

SIZE = 96


def disc(radius: float, centre: tuple[float, float] = (48, 48)) -> np.ndarray:
    y, x = np.mgrid[:SIZE, :SIZE]
    return (x - centre[0]) ** 2 + (y - centre[1]) ** 2 <= radius**2


def graded(seed: int = 0, noise: float = 0.0) -> np.ndarray:
    y, x = np.mgrid[-1 : 1 : SIZE * 1j, -1 : 1 : SIZE * 1j]
    shade = np.stack([150 + 40 * x, 120 - 30 * y + 20 * x * y, 160 - 30 * (x * x + y * y)], axis=-1)
    return (shade + np.random.default_rng(seed).normal(0, noise, shade.shape)).clip(0, 255)


def on_ground(ground: np.ndarray, figure: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    return np.where(figure[..., None], colour, ground).round().astype(np.uint8)


@pytest.mark.parametrize("noise", [0.0, 3.0])
def test_gradient_is_fitted_from_the_border_alone(noise: float) -> None:
    image = on_ground(graded(noise=noise), disc(30), (250, 240, 20))
    ground = fit_ground(image)
    assert ground.share > 0.99
    assert np.abs(ground.colours - graded()).max() < 1 + noise


def test_figure_that_crosses_a_little_of_the_border_is_left_out_of_the_fit() -> None:
    image = on_ground(graded(), disc(12, (48, 100)), (10, 10, 10))
    ground = fit_ground(image)
    assert 0.9 < ground.share < 0.97
    assert np.abs(ground.colours - graded()).max() < 2


def test_busy_border_is_not_plain() -> None:
    image = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3)).astype(np.uint8)
    assert fit_ground(image).share < 0.5


def test_gap_between_arm_and_body_is_ground_unless_ground_is_white() -> None:
    ring = disc(30) & ~disc(12)
    grey, white = np.full((SIZE, SIZE, 3), 150.0), np.full((SIZE, SIZE, 3), 255.0)
    for ground, open_hole in ((grey, True), (white, False)):
        image = on_ground(ground, ring, (20, 60, 200))
        figure = off_ground(image, fit_ground(image))
        np.testing.assert_array_equal(figure, ring if open_hole else disc(30))


def test_edge_pixels_are_covered_in_the_share_they_are_mixed() -> None:
    ground = np.full((SIZE, SIZE, 3), 200.0)
    cover = np.zeros((SIZE, SIZE), np.float32)
    cover[:, 40:60] = 1
    cover[:, 39], cover[:, 60] = 0.25, 0.7
    image = (ground * (1 - cover[..., None]) + 40 * cover[..., None]).round().astype(np.uint8)
    fitted = fit_ground(image[:, :, :])
    figure = np.zeros((SIZE, SIZE), bool)
    figure[:, 39:61] = True
    found = edge_coverage(image, fitted, figure)
    np.testing.assert_allclose(found, cover, atol=0.02)


def test_largest_part_is_kept_alone() -> None:
    both = disc(20, (30, 30)) | disc(5, (80, 80))
    np.testing.assert_array_equal(largest_part(both), disc(20, (30, 30)))
    assert not largest_part(np.zeros((4, 4), bool)).any()


def test_parts_that_are_close_count_as_one() -> None:
    both = disc(15, (30, 48)) | disc(5, (53, 48))
    np.testing.assert_array_equal(largest_part(both, bridging=2), both)
    np.testing.assert_array_equal(largest_part(both), disc(15, (30, 48)))


def test_ground_with_a_radial_glow_is_followed_inwards() -> None:
    y, x = np.mgrid[-1 : 1 : SIZE * 1j, -1 : 1 : SIZE * 1j]
    glow = np.clip(1 - np.hypot(x, y), 0, 1)[..., None] * [80, 60, -60] + [120, 120, 160]
    image = on_ground(glow, disc(14), (30, 140, 40))
    fitted = fit_ground(image)
    assert np.count_nonzero(off_ground(image, fitted)) > 1.5 * np.count_nonzero(disc(14))
    followed = follow_shade(image, fitted)
    np.testing.assert_array_equal(off_ground(image, followed), disc(14))


def test_holes_are_filled_up_to_a_size() -> None:
    holed = disc(40) & ~disc(2, (30, 48)) & ~disc(15, (60, 48))
    np.testing.assert_array_equal(fill_holes(holed), disc(40))
    np.testing.assert_array_equal(fill_holes(holed, up_to=0.01), disc(40) & ~disc(15, (60, 48)))


def test_soft_mask_loses_its_stray_parts_and_keeps_its_edge() -> None:
    soft = 0.9 * disc(25, (40, 40)).astype(np.float32) + 0.8 * disc(4, (85, 85))
    found = main_part(soft.astype(np.float32))
    assert found[85, 85] == 0
    assert found[40, 40] == np.float32(0.9)


def test_overlap_of_half_shifted_squares_is_one_third() -> None:
    first, second = np.zeros((8, 8)), np.zeros((8, 8))
    first[:, :4], second[:, 2:6] = 1, 1
    assert overlap(first, second) == pytest.approx(1 / 3)
    assert overlap(np.zeros((2, 2)), np.zeros((2, 2))) == 1
