"""One picture against its truth, both RGB of 8 bits and the same size."""

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from dtvideo.errors import MediaError

Image = UInt8[np.ndarray, "_ _ 3"]
Plane = Float[np.ndarray, "h w"]

PEAK = 255.0
SSIM_WINDOW = 7
RIM_PIXELS = 1


def l1(prediction: Image, truth: Image) -> float:
    """Return the mean absolute difference, in [0, 1]."""
    return float(np.abs(_difference(prediction, truth)).mean() / PEAK)


def l1_per_pixel(prediction: Image, truth: Image) -> float:
    """Return the mean absolute difference of values 0 to 255, divided again by the pixel count.

    This is what DisCo and its successors print (near 3e-4 at 256 x 256). It depends on the
    size of the picture: compare it only between pictures of one size.
    """
    height, width = truth.shape[:2]
    return l1(prediction, truth) * PEAK / float(height * width)


def psnr(prediction: Image, truth: Image) -> float:
    """Return the peak signal-to-noise ratio in dB over all pixels; equal pictures give infinity.

    Differences are taken in floating point. The 29 to 31 dB of tables before 2024 come from
    8-bit subtraction that wrapped around, and cannot be compared with this.
    """
    return _decibels(float((_difference(prediction, truth) ** 2).mean()))


def foreground_psnr(prediction: Image, truth: Image, *, mask: Float[np.ndarray, "h w"]) -> float:
    """Return PSNR in dB over the character: the truth's mask above 0.5, widened by one pixel.

    The rim holds the outline's soft edge. What a prediction draws outside of it counts in
    `psnr` alone. Raises: MediaError when the mask is empty.
    """
    square = _difference(prediction, truth) ** 2
    rim = np.ones((2 * RIM_PIXELS + 1, 2 * RIM_PIXELS + 1), np.uint8)
    region = cv2.dilate((mask > 0.5).astype(np.uint8), rim) > 0
    if not region.any():
        raise MediaError("R5", "mask", "holds no pixel above 0.5", "give the character's mask")
    return _decibels(float(square[region].mean()))


def ssim(prediction: Image, truth: Image, *, colour: bool = False) -> float:
    """Return the structural similarity (Wang et al. 2004), at most 1.

    Uniform windows of 7 x 7 pixels with unbiased covariances, averaged over the windows that
    lie wholly inside. DisCo's tables hold the grayscale value (Rec. 601 luma, 8 bits);
    `colour` averages red, green and blue. Raises: MediaError under 7 x 7 pixels.
    """
    _check_same_size(prediction, truth)
    if min(truth.shape[:2]) < SSIM_WINDOW:
        size = f"{truth.shape[1]}x{truth.shape[0]}"
        raise MediaError("R10", "picture", f"{size} is under 7x7 pixels", "give a larger one")
    if colour:
        planes = [(prediction[..., channel], truth[..., channel]) for channel in range(3)]
    else:
        planes = [
            (
                cv2.cvtColor(prediction, cv2.COLOR_RGB2GRAY),
                cv2.cvtColor(truth, cv2.COLOR_RGB2GRAY),
            )
        ]
    return float(np.mean([_plane_ssim(a.astype(float), b.astype(float)) for a, b in planes]))


def _plane_ssim(first: Plane, second: Plane) -> float:
    unbiased = SSIM_WINDOW**2 / (SSIM_WINDOW**2 - 1)
    mean_first, mean_second = _window_mean(first), _window_mean(second)
    variance_first = unbiased * (_window_mean(first**2) - mean_first**2)
    variance_second = unbiased * (_window_mean(second**2) - mean_second**2)
    covariance = unbiased * (_window_mean(first * second) - mean_first * mean_second)
    light, contrast = (0.01 * PEAK) ** 2, (0.03 * PEAK) ** 2
    above = (2 * mean_first * mean_second + light) * (2 * covariance + contrast)
    below = (mean_first**2 + mean_second**2 + light) * (variance_first + variance_second + contrast)
    return float((above / below).mean())


def _window_mean(plane: Plane) -> Float[np.ndarray, "rows columns"]:
    """Return means of the windows that lie wholly inside."""
    margin = SSIM_WINDOW // 2
    return np.asarray(cv2.blur(plane, (SSIM_WINDOW, SSIM_WINDOW))[margin:-margin, margin:-margin])


def _decibels(mean_square: float) -> float:
    return float("inf") if mean_square == 0 else float(10 * np.log10(PEAK**2 / mean_square))


def _difference(prediction: Image, truth: Image) -> Float[np.ndarray, "_ _ 3"]:
    _check_same_size(prediction, truth)
    return prediction.astype(np.float64) - truth.astype(np.float64)


def _check_same_size(prediction: Image, truth: Image) -> None:
    if prediction.shape != truth.shape:
        sizes = [f"{image.shape[1]}x{image.shape[0]}" for image in (prediction, truth)]
        raise MediaError(
            "V13", "prediction", f"is {sizes[0]}, its truth {sizes[1]}", "resize it to the truth"
        )
