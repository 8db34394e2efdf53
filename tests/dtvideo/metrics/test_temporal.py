import numpy as np
import pytest

from dtvideo.errors import MediaError
from dtvideo.metrics.temporal import dtssd, flicker, flicker_ratio


def clip(*values: int) -> list[np.ndarray]:
    return [np.full((8, 8, 3), value, np.uint8) for value in values]


def masks(count: int) -> list[np.ndarray]:
    mask = np.zeros((8, 8))
    mask[:4] = 1
    return [mask] * count


def test_dtssd_is_the_mean_square_of_the_difference_of_changes() -> None:
    # changes 10 and -20 against 10 and 10: squares 0 and 900
    assert dtssd(clip(0, 10, 250, 230), clip(100, 110, 120, 130)) == pytest.approx(
        (0 + 230**2 + 30**2) / 3
    )


def test_dtssd_does_not_see_a_constant_offset() -> None:
    assert dtssd(clip(0, 30, 60), clip(100, 130, 160)) == 0


def test_dtssd_refuses_clips_of_two_lengths_and_single_frames() -> None:
    with pytest.raises(MediaError, match="V15"):
        dtssd(clip(1, 2, 3), clip(1, 2))
    with pytest.raises(MediaError, match="V7"):
        dtssd(clip(1), clip(1))


def test_flicker_counts_the_masked_pixels_alone() -> None:
    first, second = clip(10, 40)
    second[4:] = 255
    assert flicker([first, second], masks=masks(2)) == pytest.approx(30)


def test_flicker_refuses_a_clip_whose_masks_are_empty() -> None:
    with pytest.raises(MediaError, match="V7"):
        flicker(clip(1, 2), masks=[np.zeros((8, 8))] * 2)


def test_half_the_movement_is_a_ratio_of_one_half() -> None:
    assert flicker_ratio(clip(0, 5, 10), clip(0, 10, 20), masks=masks(3)) == pytest.approx(0.5)


def test_a_still_truth_gives_one_or_infinity() -> None:
    assert flicker_ratio(clip(7, 7), clip(3, 3), masks=masks(2)) == 1
    assert flicker_ratio(clip(7, 8), clip(3, 3), masks=masks(2)) == float("inf")
