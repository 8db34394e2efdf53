"""What the page on poses says of fitting is true: the benchmark of it, against its limits."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

BENCHMARK = Path(__file__).parents[1] / "benchmarks" / "pose_truth.py"


@pytest.fixture(scope="module")
def benchmark():
    spec = importlib.util.spec_from_file_location("pose_truth", BENCHMARK)
    module = importlib.util.module_from_spec(spec)
    sys.modules["pose_truth"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["pose_truth"]


@pytest.mark.slow
def test_motions_are_fitted_to_other_bodies_within_four_hundredths_of_a_torso(benchmark):
    takes = list(benchmark.motions("held-out"))[:8]
    for driver in benchmark.bodies():
        for target in benchmark.bodies():
            rows = [
                benchmark._fitted(driver, target, take, noise=1.5, key=number)
                for number, take in enumerate(takes)
            ]
            clean, noisy, body, *_ = np.nanmean(rows, axis=0)
            *_, longest, sliding, _ = np.nanmax(rows, axis=0)
            assert clean <= 0.04
            assert noisy <= 0.055
            assert body <= 0.032
            assert longest <= 1.3
            assert sliding <= 2.0
