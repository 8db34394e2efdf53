"""What a denoiser should predict, and how much each noise level counts."""

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

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
    weights: Float[Tensor, "b 1 h w"] | None = None,
) -> Float[Tensor, ""]:
    """Return the mean square error; clean latents count more where little noise hides them.

    weights: how much each place counts beside the others; all the same without.
    """
    error = (prediction.float() - target.float()).square()
    if scheduler.config.prediction_type == "sample":
        strength = 1 / (1 - _kept(scheduler, timesteps))
        error = strength.clamp(max=WEIGHT_LIMIT) * error
    return error.mean() if weights is None else (weights * error).mean() / weights.mean()


def figure_weights(
    masks: Float[Tensor, "n ph pw"], weight: float, *, size: tuple[int, int]
) -> Float[Tensor, "n 1 h w"]:
    """Return `weight` for latents (size: h, w) that see some of the figure, 1 for the others."""
    cells = functional.adaptive_max_pool2d(masks[:, None].float(), size)
    return 1 + (weight - 1) * cells


def _kept(scheduler: Any, timesteps: Tensor) -> Float[Tensor, "b 1 1 1"]:
    """Return the share of the signal's variance that is left, abar."""
    kept: Tensor = scheduler.alphas_cumprod.to(timesteps.device)[timesteps]
    return kept.to(torch.float32).view(-1, 1, 1, 1)
