import math

import pytest
import torch

from dtvideo.errors import UsageError
from dtvideo.guidance import (
    GuidanceSettings,
    Prediction,
    combination,
    combine,
    is_reference_step,
)

POSITIVE, NEGATIVE, UNREFERENCED = (
    Prediction.POSITIVE,
    Prediction.NEGATIVE,
    Prediction.UNREFERENCED,
)
PREDICTIONS = {
    POSITIVE: torch.tensor([1.0, 2.0]),
    NEGATIVE: torch.tensor([0.5, 1.0]),
    UNREFERENCED: torch.tensor([0.0, 4.0]),
}
AVERAGED = GuidanceSettings("averaged", 2.5, 7.5, 0.9)


def guided(settings, *, step=0, predictions=PREDICTIONS):
    return combine(predictions, combination(settings, seed=0, step=step))


def test_equation_4_by_hand():
    """2 * [1, 2] - 1 * [0, 4]"""
    settings = GuidanceSettings("interleaved", reference_scale=2.0, reference_probability=1.0)
    assert guided(settings).tolist() == [2.0, 0.0]


def test_equation_5_by_hand():
    """7.5 * [1, 2] - 6.5 * [0.5, 1]"""
    expected = [4.25, 8.5]
    assert guided(GuidanceSettings("text")).tolist() == expected
    assert guided(GuidanceSettings(reference_probability=0.0)).tolist() == expected


def test_the_average_by_hand():
    """3.0 * [1, 2] - 1.35 * [0, 4] - 0.65 * [0.5, 1]"""
    torch.testing.assert_close(guided(AVERAGED), torch.tensor([2.675, -0.05]))


def test_no_guidance_is_the_bare_prediction():
    assert combination(GuidanceSettings("none"), seed=0, step=0) == {POSITIVE: 1.0}
    assert guided(GuidanceSettings("none")).tolist() == [1.0, 2.0]


def test_the_average_is_the_mean_of_the_interleaved_steps():
    settings = GuidanceSettings("interleaved", 2.5, 7.5, 0.9)
    mean = sum(guided(settings, step=step) for step in range(100)) / 100
    torch.testing.assert_close(mean, guided(AVERAGED))


@pytest.mark.parametrize(
    ("settings", "needed"),
    [
        (GuidanceSettings(reference_probability=1.0), {POSITIVE, UNREFERENCED}),
        (GuidanceSettings(reference_scale=1.0, reference_probability=1.0), {POSITIVE}),
        (GuidanceSettings(reference_scale=0.0, reference_probability=1.0), {UNREFERENCED}),
        (GuidanceSettings(reference_probability=0.0), {POSITIVE, NEGATIVE}),
        (GuidanceSettings("text", text_scale=1.0), {POSITIVE}),
        (GuidanceSettings("text", text_scale=0.0), {NEGATIVE}),
        (AVERAGED, {POSITIVE, NEGATIVE, UNREFERENCED}),
        (GuidanceSettings("averaged", reference_scale=1.0), {POSITIVE, NEGATIVE}),
    ],
)
def test_only_what_a_step_needs_is_asked_for(settings, needed):
    weights = combination(settings, seed=0, step=0)
    assert set(weights) == needed
    assert sum(weights.values()) == pytest.approx(1)


def test_without_a_reference_the_unreferenced_prediction_is_the_positive_one():
    settings = GuidanceSettings(reference_probability=1.0)
    assert combination(settings, seed=0, step=0, has_reference=False) == {POSITIVE: 1.0}
    weights = combination(AVERAGED, seed=0, step=0, has_reference=False)
    assert weights == {NEGATIVE: pytest.approx(-0.65), POSITIVE: pytest.approx(1.65)}


def affine_views(sample, *, latents, alpha):
    """The noise and the velocity that say the same as a sample: x_t = a x_0 + s eps."""
    sigma = math.sqrt(1 - alpha**2)
    noise = (latents - alpha * sample) / sigma
    return {"sample": sample, "noise": noise, "velocity": alpha * noise - sigma * sample}


@pytest.mark.parametrize("view", ["noise", "velocity"])
@pytest.mark.parametrize("settings", [AVERAGED, GuidanceSettings("text"), GuidanceSettings()])
def test_guiding_noise_or_velocity_equals_guiding_the_sample(view, settings):
    latents = torch.tensor([0.3, -0.2])
    views = {k: affine_views(p, latents=latents, alpha=0.6) for k, p in PREDICTIONS.items()}
    guided_view = guided(settings, predictions={kind: each[view] for kind, each in views.items()})
    expected = affine_views(guided(settings), latents=latents, alpha=0.6)[view]
    torch.testing.assert_close(guided_view, expected)


def test_guiding_clipped_samples_is_not_clipping_the_guided_sample():
    clipped = {kind: sample.clamp(-1, 1) for kind, sample in PREDICTIONS.items()}
    settings = GuidanceSettings("text")
    assert guided(settings, predictions=clipped).tolist() == [4.25, 1.0]
    assert guided(settings).clamp(-1, 1).tolist() == [1.0, 1.0]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("steps", [10, 25, 50])
def test_text_steps_are_spread_evenly(seed, steps):
    taken = [is_reference_step(0.9, seed=seed, step=step) for step in range(100)]
    for begin in range(100 - steps):
        share = steps - sum(taken[begin : begin + steps])
        assert math.floor(steps * 0.1) <= share <= math.ceil(steps * 0.1)


def test_the_choice_depends_on_the_seed_and_is_fair():
    first_steps = [is_reference_step(0.9, seed=seed, step=0) for seed in range(2000)]
    assert sum(first_steps) / 2000 == pytest.approx(0.9, abs=0.02)


def test_probabilities_0_and_1_are_kept_exactly():
    assert all(is_reference_step(1.0, seed=seed, step=seed) for seed in range(50))
    assert not any(is_reference_step(0.0, seed=seed, step=seed) for seed in range(50))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"mode": "cfg"}, r"guidance mode: is 'cfg' · choose from interleaved, averaged, text"),
        ({"reference_scale": -0.5}, "reference_scale: is -0.5"),
        ({"text_scale": math.nan}, "text_scale: is nan"),
        ({"text_scale": math.inf}, "text_scale: is inf"),
        ({"reference_probability": 1.1}, "reference_probability: is 1.1"),
        ({"reference_probability": math.nan}, "reference_probability: is nan"),
    ],
)
def test_settings_out_of_range_are_refused_with_the_value(wrong, message):
    with pytest.raises(UsageError, match=message) as caught:
        GuidanceSettings(**wrong)
    assert caught.value.code == "M11"
