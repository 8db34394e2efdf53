"""How long segments are, with and without foreshortening and noise."""

import numpy as np
import pytest

from poses.lengths import full_length, segment_lengths
from poses.limbs import SEGMENTS, tree_places
from poses.smooth import smooth
from poses.synthetic import ADULT, walk


def test_lengths_over_a_clip_are_those_of_the_body_in_spite_of_foreshortening():
    lengths = segment_lengths(tree_places(walk(100, turn=1.0).body), rate=25.0)
    assert {*lengths, "head width"} == set(SEGMENTS)
    assert lengths["thigh"] == pytest.approx(ADULT.thigh * 0.8 * 512, rel=0.01)
    assert lengths["shoulder"] == pytest.approx(ADULT.shoulder * 0.8 * 512, rel=0.01)


def test_a_segment_that_is_never_seen_has_no_length():
    body = walk(10).body
    body[:, [10, 13], 2] = 0
    assert "shin" not in segment_lengths(tree_places(body), rate=25.0)


@pytest.mark.parametrize("smoothed", [True, False], ids=["smoothed", "as found"])
@pytest.mark.parametrize("noise", [1.5, 3.0])
def test_lengths_are_wrong_by_less_than_half_the_noise_of_a_joint(noise, smoothed):
    truth = walk(250)
    wanted = segment_lengths(tree_places(truth.body), rate=25.0)
    excess = []
    for seed in range(10):
        shaken = np.random.default_rng(seed).normal(0, noise, truth.body.shape) * (1, 1, 0)
        rough = truth.with_body(truth.body + shaken)
        places = tree_places((smooth(rough) if smoothed else rough).body)
        found = segment_lengths(places, rate=25.0)
        excess.append([found[name] - wanted[name] for name in wanted])
    assert np.abs(np.mean(excess, axis=0)).max() < 0.5 * noise


def test_what_is_never_seen_has_no_length_and_steady_lengths_are_what_they_are():
    assert full_length(np.full(9, np.nan), noise=1.0) == 0
    assert full_length(np.full(9, 50.0), noise=0.0) == 50


def test_noise_takes_a_tenth_off_at_most():
    assert full_length(np.full(9, 50.0), noise=100.0) == pytest.approx(45)


def test_noise_is_taken_off_as_much_as_it_adds():
    rng = np.random.default_rng(2)
    steady, swinging = np.full(20_000, 50.0), 50 * np.abs(np.cos(np.linspace(0, 30, 20_000)))
    for lengths in (steady, swinging):
        found = full_length(lengths + rng.normal(0, 2.0, len(lengths)), noise=2.0)
        assert found == pytest.approx(np.percentile(lengths, 95), abs=0.7)
