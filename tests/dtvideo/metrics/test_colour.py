import numpy as np
import pytest

from dtvideo.errors import MediaError
from dtvideo.metrics.colour import colour_drift, drift_per_100_frames

MASK = np.ones((4, 4))


def grey(value: int) -> np.ndarray:
    return np.full((4, 4, 3), value, np.uint8)


def test_black_to_white_is_a_hundred() -> None:
    drift = colour_drift([grey(0), grey(255)], [MASK, MASK], reference=grey(0), reference_mask=MASK)
    np.testing.assert_allclose(drift, [0, 100], atol=0.05)


def test_pixels_outside_of_the_mask_do_not_count() -> None:
    mask = np.zeros((4, 4))
    mask[0] = 1
    frame = grey(90)
    frame[1:] = 200
    assert colour_drift([frame], [mask], reference=grey(90), reference_mask=mask)[0] == 0


def test_a_frame_without_character_is_not_a_number_and_is_left_out_of_the_slope() -> None:
    drift = colour_drift(
        [grey(5), grey(5)], [MASK, 0 * MASK], reference=grey(5), reference_mask=MASK
    )
    assert np.isnan(drift[1])
    assert drift_per_100_frames(np.array([0.0, np.nan, 0.2, 0.3])) == pytest.approx(10)


def test_an_empty_reference_mask_and_a_single_frame_are_refused() -> None:
    with pytest.raises(MediaError, match="R5"):
        colour_drift([], [], reference=grey(0), reference_mask=0 * MASK)
    with pytest.raises(MediaError, match="V7"):
        drift_per_100_frames(np.array([1.0]))
