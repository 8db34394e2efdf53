"""What a denoiser should predict, and how much each noise level counts."""

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from dtvideo.errors import ModelError

WEIGHT_LIMIT = 5.0  # of 1 / (1 - abar), for models that predict the clean latents


def denoising_target(
    scheduler: Any,
    clean: Float[Tensor, "b c h w"],
    *,
    noise: Float[Tensor, "b c h w"],
    timesteps: Int[Tensor, " b"],
) -> Float[Tensor, "b c h w"]:
    """Return what a model of the scheduler's kind should predict at some timesteps.

    Raises: ModelError M5 for a kind of prediction that is not known.
    """
    kind = scheduler.config.prediction_type
    if kind == "epsilon":
        return noise
    if kind == "sample":
        return clean
    if kind == "v_prediction":
        kept = _kept(scheduler, timesteps)
        return kept.sqrt() * noise - (1 - kept).sqrt() * clean
    raise ModelError("M5", "scheduler", f"predicts {kind!r}", "use epsilon, v_prediction or sample")


def denoising_loss(
    scheduler: Any,
    prediction: Float[Tensor, "b c h w"],
    target: Float[Tensor, "b c h w"],
    *,
    timesteps: Int[Tensor, " b"],
) -> Float[Tensor, ""]:
    """Return the mean square error; clean latents count more where little noise hides them."""
    error = (prediction.float() - target.float()).square()
    if scheduler.config.prediction_type == "sample":
        strength = 1 / (1 - _kept(scheduler, timesteps))
        error = strength.clamp(max=WEIGHT_LIMIT) * error
    return error.mean()


def _kept(scheduler: Any, timesteps: Tensor) -> Float[Tensor, "b 1 1 1"]:
    """Return the share of the signal's variance that is left, abar."""
    kept: Tensor = scheduler.alphas_cumprod.to(timesteps.device)[timesteps]
    return kept.to(torch.float32).view(-1, 1, 1, 1)
