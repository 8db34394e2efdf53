"""Which predictions a step needs and how they are combined (Eqs. 4-6 of arXiv:2312.13691).

Every combination is a weighted sum whose weights add up to 1. Predictions of noise, velocity and
sample are affine in one another at a given latent and step, so combining any of them is the same;
it is not once a prediction has been clipped, thresholded or rescaled.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from jaxtyping import Float
from torch import Tensor

from dtvideo.errors import UsageError
from dtvideo.seeds import MAX_SEED, derive_seed

GUIDANCE_MODES = ("interleaved", "averaged", "text", "none")


class Prediction(StrEnum):
    """What a prediction is made with."""

    NEGATIVE = "negative"  # the negative prompt and the references
    POSITIVE = "positive"  # the prompt and the references
    UNREFERENCED = "unreferenced"  # the prompt alone: ∅ in Eq. 4


@dataclass(frozen=True)
class GuidanceSettings:
    """How strongly the references and the prompt are followed.

    mode: "interleaved" takes Eq. 4 or Eq. 5 at each step, "averaged" their expectation at every
    step, "text" Eq. 5 alone, "none" the bare prediction.
    reference_scale: w_r of Eq. 4, at least 0; 1 does nothing.
    text_scale: w_c of Eq. 5, at least 0; 1 does nothing.
    reference_probability: p_r of Eq. 6, the share of the steps that take Eq. 4, in [0, 1].
    Raises: UsageError M11 for a value out of its range.
    """

    mode: str = "interleaved"
    reference_scale: float = 2.0
    text_scale: float = 7.5
    reference_probability: float = 0.9

    def __post_init__(self) -> None:
        if self.mode not in GUIDANCE_MODES:
            modes = ", ".join(GUIDANCE_MODES)
            raise UsageError("M11", "guidance mode", f"is {self.mode!r}", f"choose from {modes}")
        for name in ("reference_scale", "text_scale"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise UsageError("M11", name, f"is {value}", "give a number of at least 0")
        if not 0 <= self.reference_probability <= 1:
            raise UsageError(
                "M11",
                "reference_probability",
                f"is {self.reference_probability}",
                "give a number between 0 and 1",
            )


def is_reference_step(probability: float, *, seed: int, step: int) -> bool:
    """Tell whether a step takes Eq. 4 (the reference) rather than Eq. 5 (the prompt).

    Each step does so with the given probability, and any n neighbouring steps hold n times that
    many, rounded up or down: one uniform draw, keyed by the seed, shifts an even grid. All frames
    share it.
    """
    shift = derive_seed(seed, "guidance") / (MAX_SEED + 1)
    share = 1 - probability
    return math.floor((step + 1) * share + shift) == math.floor(step * share + shift)


def combination(
    settings: GuidanceSettings, *, seed: int, step: int, has_reference: bool = True
) -> dict[Prediction, float]:
    """Return the weight of each prediction that a step needs; the weights add up to 1.

    A prediction of weight 0 is left out, so that nobody computes it. Without a reference the
    unreferenced prediction is the positive one.
    """
    weights = _step_weights(settings, seed=seed, step=step)
    if not has_reference:
        weights[Prediction.POSITIVE] += weights.pop(Prediction.UNREFERENCED, 0.0)
    return {kind: weights[kind] for kind in Prediction if weights.get(kind, 0.0) != 0.0}


def _step_weights(settings: GuidanceSettings, *, seed: int, step: int) -> dict[Prediction, float]:
    reference = {
        Prediction.POSITIVE: settings.reference_scale,
        Prediction.UNREFERENCED: 1 - settings.reference_scale,
    }
    text = {
        Prediction.POSITIVE: settings.text_scale,
        Prediction.NEGATIVE: 1 - settings.text_scale,
    }
    probability = settings.reference_probability
    if settings.mode == "none":
        return {Prediction.POSITIVE: 1.0}
    if settings.mode == "text":
        return text
    if settings.mode == "interleaved":
        return reference if is_reference_step(probability, seed=seed, step=step) else text
    return {
        kind: probability * reference.get(kind, 0.0) + (1 - probability) * text.get(kind, 0.0)
        for kind in Prediction
    }


def combine(
    predictions: Mapping[Prediction, Float[Tensor, "*shape"]],
    weights: Mapping[Prediction, float],
) -> Float[Tensor, "*shape"]:
    """Return the weighted sum of the predictions; the weights must add up to 1.

    Written as one prediction plus weighted differences from it, which keeps more digits than
    the sum of large terms of opposite sign.
    """
    base, *others = weights
    result = predictions[base]
    for kind in others:
        result = result + weights[kind] * (predictions[kind] - predictions[base])
    return result
