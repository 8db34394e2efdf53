"""How a clip is rendered: the settings that a person may change."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from dtvideo.attention.alignment import MOST_GAIN
from dtvideo.denoise import steps_made
from dtvideo.errors import UsageError
from dtvideo.guidance import GuidanceSettings
from dtvideo.seeds import MAX_SEED


@dataclass(frozen=True)
class ClipSettings:
    """How a clip is rendered.

    seed: 0 to 2^63-1; steps: of the scheduler, per frame.
    reference_weight, previous_weight: how many times a token of the reference and of the
    previous frame counts in self-subject attention; 0 switches it off.
    beta: how much the layers of a subject encoder count, 0 to 2, where the model has one.
    align: how strongly a token prefers the same part of the body in the reference and the previous
    frame, 0 to 500 per squared torso length; 0 is the paper. align_gain: how many times over what
    a source loses by that is made up for, at most; 1 is not at all, to measure what it is worth.
    start_strength: share of noise in the beginning, above 0: 1 starts from noise alone, less from
    the coarse frame noised to that level, which leaves out the steps before it.
    coarse: whether a coarse-conditioned model gets its coarse frames; masked: whether the attention
    to the reference keeps to its mask; reference_posed: whether the reference's own pass sees its
    pose. Each is true but to measure what it is worth.
    keep_ground: a coarse-conditioned model changes nothing of its coarse frame but the figure there
    and what is near it.
    shared_noise: share of the starting noise that all frames have in common, 0 to 1.
    cache_memory: bytes that the reference features may take; half of what is free when None.
    rows_apart: the rows of a step pass the model one by one, which takes less memory and more time.
    Raises: UsageError M11 for a value out of its range, and for a start_strength below 1 that
    leaves out no step or has no coarse frame to start from.
    """

    seed: int = 0
    steps: int = 50
    guidance: GuidanceSettings = field(default_factory=GuidanceSettings)
    reference_weight: float = 10.0
    previous_weight: float = 1.0
    beta: float = 0.2
    align: float = 0.0
    align_gain: float = MOST_GAIN
    start_strength: float = 1.0
    coarse: bool = True
    masked: bool = True
    reference_posed: bool = True
    keep_ground: bool = True
    shared_noise: float = 1.0
    cache_memory: int | None = None
    rows_apart: bool = False

    def __post_init__(self) -> None:
        _check_range("seed", self.seed, 0, MAX_SEED)
        _check_range("steps", self.steps, 1, 1000)
        _check_range("reference_weight", self.reference_weight, 0, 1e6)
        _check_range("previous_weight", self.previous_weight, 0, 1e6)
        _check_range("beta", self.beta, 0, 2)
        _check_range("align", self.align, 0, 500)
        _check_range("align_gain", self.align_gain, 1, 1e6)
        _check_range("start_strength", self.start_strength, 1e-6, 1)
        _check_start(self.start_strength, self.steps, coarse=self.coarse)
        _check_range("shared_noise", self.shared_noise, 0, 1)
        _check_range("cache_memory", self.cache_memory or 0, 0, 2**60)

    @classmethod
    def from_plain(cls, values: Mapping[str, Any]) -> "ClipSettings":
        """Return the defaults with some values changed; the names of guidance are flat too.

        Raises: UsageError M11 for an unknown name.
        """
        guided = {each.name for each in fields(GuidanceSettings)}
        own = {each.name for each in fields(cls)} - {"guidance"}
        if unknown := [name for name in values if name not in guided | own]:
            raise UsageError(
                "M11", unknown[0], "is no setting of a clip", f"choose from {sorted(guided | own)}"
            )
        guidance = GuidanceSettings(**{name: values[name] for name in values if name in guided})
        return cls(guidance=guidance, **{name: values[name] for name in values if name in own})


def _check_start(strength: float, steps: int, *, coarse: bool) -> None:
    if strength < 1 and not coarse:
        raise UsageError(
            "M11",
            "start_strength",
            f"is {strength} without coarse frames",
            "take 1, or coarse frames",
        )
    if strength < 1 and steps_made(steps, strength) == steps:
        raise UsageError(
            "M11",
            "start_strength (--puppet)",
            f"is {strength}, which changes nothing in {steps} steps",
            "take more --steps, or 1 to start from noise alone",
        )


def _check_range(name: str, value: float | int, low: float | int, high: float | int) -> None:
    if not low <= value <= high:
        raise UsageError("M11", name, f"is {value}", f"give a value from {low} to {high}")
