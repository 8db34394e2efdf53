"""Predictions about the whole picture told of its residual, against the known x_0 and noise."""

import pytest
import torch
from diffusers import DDIMScheduler, EulerDiscreteScheduler

from dtvideo.denoise import prepare_scheduler
from dtvideo.errors import UsageError
from dtvideo.residual import residual_prediction, whole_input

STEPS, STEP = 10, 3


def scheduler(kind, prediction_type):
    """A schedule whose timesteps are whole numbers."""
    betas = {"beta_start": 0.00085, "beta_end": 0.012}
    fresh = kind(**betas, prediction_type=prediction_type, timestep_spacing="leading")
    return prepare_scheduler(fresh, steps=STEPS)


@pytest.fixture
def drawn():
    """The whole picture's latents, the coarse frame's, and noise."""
    generator = torch.Generator().manual_seed(5)
    return torch.randn((3, 1, 4, 6, 5), generator=generator).unbind()


def signal_and_noise(schedule):
    """Return a_t and s_t in float64, from the betas alone: not by the scheduler's own methods."""
    betas = torch.linspace(0.00085, 0.012, 1000, dtype=torch.float64)
    signal = torch.cumprod(1 - betas, dim=0)
    level = int(schedule.timesteps[STEP])
    return signal[level].sqrt(), (1 - signal[level]).sqrt()


@pytest.mark.parametrize("kind", [DDIMScheduler, EulerDiscreteScheduler])
@pytest.mark.parametrize("prediction_type", ["epsilon", "v_prediction", "sample"])
def test_a_perfect_prediction_of_the_whole_is_a_perfect_one_of_the_residual(
    kind, prediction_type, drawn
):
    whole, coarse, noise = drawn
    schedule = scheduler(kind, prediction_type)
    a, s = signal_and_noise(schedule)

    def answer(clean):
        """What a model that knows the truth says."""
        velocity = a * noise - s * clean
        return {"epsilon": noise, "v_prediction": velocity, "sample": clean}[prediction_type]

    residual = whole - coarse
    made = whole_input(schedule, (a * residual + s * noise).float(), coarse=coarse, step=STEP)
    torch.testing.assert_close(made, (a * whole + s * noise).float(), rtol=0, atol=2e-5)
    told = residual_prediction(schedule, answer(whole).float(), coarse=coarse, step=STEP)
    torch.testing.assert_close(told, answer(residual).float(), rtol=0, atol=2e-5)


def test_another_kind_of_prediction_is_refused(drawn):
    schedule = scheduler(DDIMScheduler, "epsilon")
    schedule.register_to_config(prediction_type="flow")
    with pytest.raises(UsageError, match="predicts 'flow'") as caught:
        residual_prediction(schedule, drawn[0], coarse=drawn[1], step=STEP)
    assert caught.value.code == "M11"
