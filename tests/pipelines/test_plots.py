import math

import numpy as np
import pytest

from dtvideo.images import load_image
from dtvideo.toon.trials import toon_trials
from pipelines.plots import frame_curves, write_plots
from pipelines.report import ClipScores, Report
from pipelines.worst_frames import KEPT, WorstFrames

pytest.importorskip("matplotlib")


def report() -> Report:
    views = (("all",), ("all",))
    scores = [
        ClipScores("copy", name, views, tuple({"foreground_psnr": v} for v in values), {})
        for name, values in (("a", (10.0, 30.0)), ("b", (20.0, math.inf)))
    ]
    about = {"pose_distances": {"edges": [0.0, 0.1, 0.4], "counts": [3, 1, 0]}}
    return Report(tuple(scores), views=("all",), about=about)


def worst(*decibels: float) -> WorstFrames:
    trial = next(toon_trials(1, 2, size=(32, 32)))
    kept = WorstFrames(apart_from=("copy",))
    for value in decibels:
        kept.add("toon, steps 4", trial, 1, trial.truths[1].image, value)
        kept.add("copy, other body", trial, 1, trial.truths[1].image, value)
    return kept


def test_a_curve_is_the_mean_over_clips_of_what_is_finite():
    assert frame_curves(report(), "foreground_psnr") == {"copy": [15.0, 30.0]}
    assert frame_curves(report(), "ssim") == {}


def test_the_worst_frames_are_kept_worst_first():
    kept = worst(*np.arange(20.0, 0.0, -1.0).tolist(), 30.0)
    assert kept.methods == ["toon, steps 4"]
    found = [shown.foreground_psnr for shown in kept.of("toon, steps 4")]
    assert found == list(range(1, KEPT + 1))


def test_plots_are_pictures_with_something_in_them(tmp_path):
    made = write_plots(report(), tmp_path, worst=worst(3.0, 4.0))
    names = ["psnr.png", "pose-distances.png", "worst-toon-steps-4.png"]
    assert [path.name for path in made] == names
    for path in made:
        assert len(np.unique(load_image(path).rgb)) > 2
