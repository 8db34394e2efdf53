"""Convert the prediction for a whole picture into one for its residual, and back.

A coarse-conditioned model denoises the residual r = x_0 - coarse: z_t = a_t r + s_t ε, where a_t
and s_t belong to the step. The whole picture at the same noise is x_t = a_t x_0 + s_t ε, which is
z_t + a_t coarse. So the noise in both is the same, the samples differ by `coarse` and the
velocities v = a_t ε - s_t x_0 by s_t coarse. See docs/decisions/0002-residual-coarse-frame.md.
"""

import cv2
import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor
from torch.nn import functional

from dtvideo.denoise import Scheduler, noised_input
from dtvideo.errors import UsageError

NEAR = 1 / 128  # of a picture's longer side: how far from the coarse figure a frame may change

Latents = Float[Tensor, "b c h w"]


def whole_input(scheduler: Scheduler, latents: Latents, *, coarse: Latents, step: int) -> Latents:
    """Return a residual's noisy latents as those of the whole picture with the same noise.

    latents: scaled as the model wants its input, and so is the result.
    """
    shift = noised_input(scheduler, coarse, noise=torch.zeros_like(coarse), step=step)
    return latents + shift  # a_t coarse


def residual_prediction(
    scheduler: Scheduler, prediction: Latents, *, coarse: Latents, step: int
) -> Latents:
    """Return what a prediction about the whole picture says about its residual.

    Raises: UsageError M11 when the scheduler's kind of prediction is none of noise, sample and
    velocity.
    """
    kind = scheduler.config.prediction_type
    if kind == "epsilon":
        return prediction
    if kind == "sample":
        return prediction - coarse
    if kind == "v_prediction":
        zeros = torch.zeros_like(coarse)
        return prediction + noised_input(scheduler, zeros, noise=coarse, step=step)  # s_t coarse
    raise UsageError(
        "M11",
        "scheduler",
        f"predicts {kind!r}, which cannot be told of a residual",
        "use a model that predicts noise, sample or velocity, or --guidance none",
    )


def near_figure(
    cover: Float32[np.ndarray, "ph pw"], *, size: tuple[int, int]
) -> Float[Tensor, "1 1 h w"]:
    """Return where a residual counts: 1 for latents on a figure and near it, 0 far from it.

    The ground there is known from the reference; what a model changes of it is noise.
    cover: how much of each pixel the coarse figure covers; size: height and width in latents.
    """
    side = 2 * max(1, round(NEAR * max(cover.shape))) + 1
    around = cv2.dilate(cover, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)))
    soft = torch.from_numpy(cv2.GaussianBlur(around, (3, 3), 0))[None, None]
    return functional.adaptive_avg_pool2d(soft, size)
