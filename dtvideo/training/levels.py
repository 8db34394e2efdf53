"""Which noise levels a model learns at."""

import torch
from jaxtyping import Int64
from torch import Tensor

from dtvideo.denoise import Scheduler, prepare_scheduler

FEW_STEPS = 8
"""A model that makes its pictures in so few steps, or fewer, learns at their noise levels alone."""


def draw_timesteps(
    scheduler: Scheduler, count: int, *, steps: int, generator: torch.Generator
) -> Int64[Tensor, " count"]:
    """Draw any timesteps, or for a model of few steps some of those that it is sampled at."""
    if steps > FEW_STEPS:
        return torch.randint(len(scheduler.alphas_cumprod), (count,), generator=generator)
    sampled: Tensor = prepare_scheduler(scheduler, steps=steps).timesteps.round().long()
    return sampled[torch.randint(len(sampled), (count,), generator=generator)]
