import numpy as np
import pytest

from dtvideo.errors import MediaError
from dtvideo.metrics.colour import (
    colour_drift,
    delta_e,
    drift_from_truth,
    drift_per_100_frames,
)

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


def test_delta_e_is_that_of_the_published_pairs():
    """Pairs 1, 17 and 34 of Sharma, Wu and Dalal (2005)."""
    first = np.array([[50.0, 2.6772, -79.7751], [50.0, 2.5, 0.0], [2.0776, 0.0795, -1.135]])
    second = np.array([[50.0, 0.0, -82.7485], [73.0, 25.0, -18.0], [0.9033, -0.0636, -0.5514]])
    np.testing.assert_allclose(delta_e(first, second), [2.0425, 27.1492, 0.9082], atol=1e-4)


def test_what_the_truth_changes_too_is_no_drift():
    wanted = np.linspace([50.0, 0, 0], [60.0, 10, 0], 100)
    assert drift_from_truth(wanted + np.array([5, 0, 0]), wanted) == pytest.approx(0)
    still = np.tile(wanted[:1], (100, 1))
    assert drift_from_truth(still, wanted) > 8
    still[:10] = np.nan
    assert np.isnan(drift_from_truth(still, wanted))
