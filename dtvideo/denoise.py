"""Denoise one frame with any diffusers scheduler; every draw is keyed by seed, frame and step."""

import copy
import inspect
from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from dtvideo.errors import QualityError, UsageError
from dtvideo.seeds import keyed_generator

# A diffusers scheduler: set_timesteps, timesteps, add_noise, scale_model_input, step.
Scheduler = Any

Predict = Callable[[Tensor, Tensor, int], Tensor]
"""(latents as the model wants them, timestep, step) -> prediction."""

StepEnd = Callable[[int, Tensor, Tensor], Tensor]
"""(step, timestep, latents) -> latents to go on with."""


def prepare_scheduler(
    scheduler: Scheduler, *, steps: int, device: torch.device | str = "cpu"
) -> Scheduler:
    """Return a fresh scheduler of the same configuration, set to a number of steps.

    PNDM is set to go without its Runge-Kutta steps, which cannot be begun in the middle.
    Raises: UsageError M11 when the scheduler cannot take that many steps.
    """
    if steps < 1:
        raise UsageError("M11", "steps", f"is {steps}", "give at least 1")
    options = {"skip_prk_steps": True} if "skip_prk_steps" in scheduler.config else {}
    fresh = type(scheduler).from_config(scheduler.config, **options)
    try:
        fresh.set_timesteps(steps, device=device)
    except ValueError as error:
        raise UsageError(
            "M11", "steps", f"{type(scheduler).__name__} cannot take {steps}: {error}"
        ) from error
    return fresh


def first_step(scheduler: Scheduler, strength: float) -> int:
    """Return where denoising begins when the start holds `strength` of noise, 1 being all.

    The pass that PNDM adds to its first step is left out with that step.
    Raises: UsageError M11 for a strength outside (0, 1].
    """
    if not 0 < strength <= 1:
        raise UsageError("M11", "strength", f"is {strength}", "give a number above 0, up to 1")
    steps: int = scheduler.num_inference_steps
    order: int = getattr(scheduler, "order", 1)
    left_out = steps - steps_made(steps, strength)
    extra = max(0, len(scheduler.timesteps) - steps) if order == 1 and left_out else 0
    return left_out * order + extra


def steps_made(steps: int, strength: float) -> int:
    """Return how many of a schedule's steps follow a start that holds `strength` of noise."""
    return max(1, round(steps * strength))


def noised_input(
    scheduler: Scheduler,
    latents: Float[Tensor, "b c h w"],
    *,
    noise: Float[Tensor, "b c h w"],
    step: int,
) -> Float[Tensor, "b c h w"]:
    """Return latents noised to the level of a step and scaled as the model wants its input."""
    probe = copy.copy(scheduler)
    if hasattr(probe, "set_begin_index"):
        probe.set_begin_index(step)  # a timestep can belong to two steps, each with its own level
    timestep = scheduler.timesteps[step]
    noisy = probe.add_noise(latents, noise, timestep[None])
    scaled: Tensor = probe.scale_model_input(noisy, timestep)
    return scaled


def denoise(
    noise: Float[Tensor, "b c h w"],
    *,
    scheduler: Scheduler,
    predict: Predict,
    seed: int,
    frame: int,
    start: Float[Tensor, "b c h w"] | None = None,
    strength: float = 1.0,
    on_step_end: StepEnd | None = None,
) -> Float[Tensor, "b c h w"]:
    """Turn noise into the latents of one frame.

    scheduler: from `prepare_scheduler`; it is copied, so that no frame sees another's state.
    start: with strength below 1, the latents that are noised to that level to begin from.
    Raises: QualityError M7 at the first step whose latents are not finite; UsageError M11 for a
    strength out of range or a scheduler that cannot take the model's kind of prediction.
    """
    if strength < 1 and start is None:
        raise UsageError("M11", "strength", f"is {strength} without a start", "give latents")
    begin = first_step(scheduler, strength)
    scheduler = copy.deepcopy(scheduler)
    latents = _begin(scheduler, noise, start=start if strength < 1 else None, step=begin)
    for step in range(begin, len(scheduler.timesteps)):
        timestep = scheduler.timesteps[step]
        prediction = predict(scheduler.scale_model_input(latents, timestep), timestep, step)
        generator = keyed_generator(seed, "step", frame, step)
        latents = _step(scheduler, prediction, timestep, latents=latents, generator=generator)
        if step == begin > 0:
            _pass_over_repeat(scheduler)
        check_finite(latents, frame=frame, step=step)
        if on_step_end is not None:
            latents = on_step_end(step, timestep, latents)
    return latents


def check_finite(latents: Tensor, *, frame: int, step: int) -> None:
    """Raise QualityError M7 when a value is not a number or infinite."""
    finite = torch.isfinite(latents)
    if not finite.all():
        raise QualityError(
            "M7",
            f"frame {frame}",
            f"{(~finite).sum().item()} of {latents.numel()} latents are not finite at step {step}",
            "try float32 (--dtype float32), lower guidance or another scheduler",
        )


def _begin(scheduler: Scheduler, noise: Tensor, *, start: Tensor | None, step: int) -> Tensor:
    if hasattr(scheduler, "set_begin_index"):
        scheduler.set_begin_index(step)
    if start is None:
        scaled: Tensor = noise * scheduler.init_noise_sigma
        return scaled
    noisy: Tensor = scheduler.add_noise(start, noise, scheduler.timesteps[step][None])
    return noisy


def _pass_over_repeat(scheduler: Scheduler) -> None:
    """Tell a PNDM scheduler that was begun in the middle not to take its first step twice."""
    if hasattr(scheduler, "plms_timesteps"):
        scheduler.counter += 1


def _step(
    scheduler: Scheduler,
    prediction: Tensor,
    timestep: Tensor,
    *,
    latents: Tensor,
    generator: torch.Generator,
) -> Tensor:
    """Take one step; the schedulers that draw noise in it get the generator.

    Raises: UsageError M11 when the scheduler cannot take the model's kind of prediction.
    """
    draws = "generator" in inspect.signature(scheduler.step).parameters
    options = {"generator": generator} if draws else {}
    try:
        following: Tensor = scheduler.step(
            prediction, timestep, latents, return_dict=False, **options
        )[0]
    except (NotImplementedError, ValueError) as error:
        raise UsageError(
            "M11",
            "scheduler",
            f"{type(scheduler).__name__} cannot serve this model: {error}",
            "choose another, such as DDIM, Euler, DPM++ or UniPC",
        ) from error
    return following
