import numpy as np
import pytest

import dtvideo.metrics as metrics
from pipelines.scoring import LONG_CLIP, ClipMeter


def clip(count: int, *, seed: int) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.integers(0, 256, (16, 16, 3), dtype=np.uint8) for _ in range(count)]


def masks(count: int) -> list[np.ndarray]:
    drawn = []
    for index in range(count):
        mask = np.zeros((16, 16))
        mask[4:10, index % 4 : 8 + index % 4] = 1
        drawn.append(mask)
    return drawn


def measured(frames, truths, shown) -> ClipMeter:
    meter = ClipMeter()
    for three in zip(frames, truths, shown, strict=True):
        meter.add(*three)
    return meter


def test_frames_one_by_one_give_what_whole_clips_give():
    frames, truths, shown = clip(5, seed=1), clip(5, seed=2), masks(5)
    whole = measured(frames, truths, shown).whole()
    assert whole["dtssd"] == pytest.approx(metrics.dtssd(frames, truths))
    wanted = metrics.flicker_ratio(frames, truths, masks=shown)
    assert whole["flicker_ratio"] == pytest.approx(wanted)
    assert "drift" not in whole


def test_frames_without_a_character_do_not_count_for_flicker():
    frames, truths, shown = clip(4, seed=1), clip(4, seed=2), masks(4)
    shown[2:] = [np.zeros((16, 16))] * 2
    found = measured(frames, truths, shown).whole()["flicker_ratio"]
    assert found == pytest.approx(metrics.flicker_ratio(frames, truths, masks=shown))


def test_one_frame_has_no_measure_of_the_whole():
    assert measured(clip(1, seed=1), clip(1, seed=2), masks(1)).whole() == {}


def test_further_measures_are_kept_beside():
    meter = ClipMeter()
    (frame,) = clip(1, seed=1)
    assert meter.add(frame, frame, pose_pck=0.5)["pose_pck"] == 0.5
    assert meter.frames[0]["psnr"] == float("inf")


def test_a_colour_that_runs_away_is_drift_and_one_that_the_truth_shares_is_none():
    """The truth turns from grey to red; a result that does the same does not drift."""
    count = LONG_CLIP
    grey = [np.full((16, 16, 3), 128, np.uint8)] * count
    redder = [np.full((16, 16, 3), (128 + index, 128, 128), np.uint8) for index in range(count)]
    shown = masks(count)
    assert measured(redder, redder, shown).whole()["drift"] == pytest.approx(0)
    assert measured(redder, grey, shown).whole()["drift"] > 5
    assert measured(redder, grey, shown).whole()["drift_per_100_frames"] > 5
    assert measured(grey, grey, shown).whole()["drift_per_100_frames"] == pytest.approx(0)
