import numpy as np
import pytest
from skimage.metrics import structural_similarity

from dtvideo.errors import MediaError
from dtvideo.metrics.image import foreground_psnr, l1, l1_per_pixel, psnr, ssim


def flat(value: int, *, size: int = 16) -> np.ndarray:
    return np.full((size, size, 3), value, np.uint8)


def noisy_pair() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(4)
    truth = rng.integers(0, 256, (24, 31, 3), dtype=np.uint8)
    change = rng.integers(-40, 41, truth.shape)
    return np.clip(truth + change, 0, 255).astype(np.uint8), truth


def test_a_difference_of_51_has_an_l1_of_one_fifth_both_ways_round() -> None:
    assert l1(flat(151), flat(100)) == pytest.approx(0.2)
    assert l1(flat(100), flat(151)) == pytest.approx(0.2)


def test_the_other_l1_is_divided_by_the_pixels_again() -> None:
    assert l1_per_pixel(flat(151), flat(100)) == pytest.approx(51 / 256)


def test_psnr_of_a_constant_difference_is_twenty_log_of_the_ratio() -> None:
    assert psnr(flat(100), flat(125)) == pytest.approx(20 * np.log10(255 / 25))
    assert psnr(flat(125), flat(100)) == psnr(flat(100), flat(125))


def test_equal_pictures_have_infinite_psnr() -> None:
    assert psnr(flat(7), flat(7)) == float("inf")


def test_foreground_psnr_judges_the_mask_and_one_pixel_around_it() -> None:
    mask = np.zeros((16, 16))
    mask[6:10, 6:10] = 1
    prediction, far, rim = flat(100), flat(100), flat(100)
    far[0:5] = 200
    rim[5, 5:11] = 200
    assert foreground_psnr(prediction, far, mask=mask) == float("inf")
    assert foreground_psnr(prediction, rim, mask=mask) == pytest.approx(
        10 * np.log10(255**2 / (100**2 * 6 / 36))
    )


def test_an_empty_mask_is_refused() -> None:
    with pytest.raises(MediaError, match=r"R5.*no pixel above 0.5"):
        foreground_psnr(flat(0), flat(0), mask=np.zeros((16, 16)))


def test_ssim_equals_scikit_image_in_grayscale() -> None:
    prediction, truth = noisy_pair()
    luma = np.array([0.299, 0.587, 0.114])
    gray = [np.round(image @ luma).astype(np.uint8) for image in (prediction, truth)]
    assert ssim(prediction, truth) == pytest.approx(structural_similarity(*gray), abs=1e-4)


def test_ssim_equals_scikit_image_in_colour() -> None:
    prediction, truth = noisy_pair()
    expected = structural_similarity(prediction, truth, channel_axis=-1)
    assert ssim(prediction, truth, colour=True) == pytest.approx(expected, abs=1e-9)


def test_ssim_of_equal_pictures_is_one_and_small_pictures_are_refused() -> None:
    _, truth = noisy_pair()
    assert ssim(truth, truth) == pytest.approx(1)
    with pytest.raises(MediaError, match=r"R10.*6x6"):
        ssim(flat(1, size=6), flat(1, size=6))


def test_pictures_of_two_sizes_are_refused_with_both_sizes() -> None:
    with pytest.raises(MediaError, match=r"V13.*8x8.*16x16"):
        psnr(flat(1, size=8), flat(1))
