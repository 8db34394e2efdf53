"""How a model is taught one character: the settings of `pipelines.train_subject`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dtvideo.errors import UsageError
from dtvideo.models.sources import is_toon

TOKEN = "[S*]"
"""The word that comes to mean the character."""


@dataclass(frozen=True)
class SubjectTraining:
    """How a model is taught a character; the defaults are the paper's."""

    class_word: str = ""
    """What the character is, such as `1girl` or `dog`."""
    steps: int = 800
    """Optimiser steps, each with the reference and one regular picture."""
    rank: int = 0
    """Of a LoRA on the U-Net's attention; 0 trains U-Net and text encoder themselves."""
    learning_rate: float = 1e-6
    """Of all that is trained but what follows."""
    token_rate: float = 5e-3
    """Of the new word."""
    lora_rate: float = 1e-4
    """Of a LoRA; the paper gives none."""
    prior_weight: float = 1.0
    """How much the regular picture counts beside the reference; 0 goes without."""
    attention: bool = False
    """Attend to the reference while it is learnt, as a frame does; the paper does not."""
    beta: float = 0.2
    """How much a subject encoder's layers count, where the model has one."""
    flip: float = 0.5
    """Share of the pictures that are mirrored."""
    seed: int = 0
    checkpoint_every: int = 100
    sheet_every: int = 200
    """Steps between sheets of sample pictures."""
    tensorboard: bool = False
    """Write the log for TensorBoard too."""

    def __post_init__(self) -> None:
        if not self.class_word.strip():
            raise UsageError("U1", "--class", "is empty", "say what the character is: 1girl, dog")
        for name in ("steps", "checkpoint_every", "sheet_every"):
            if getattr(self, name) < 1:
                raise UsageError("M11", name, f"is {getattr(self, name)}", "give at least 1")
        for name in ("rank", "learning_rate", "token_rate", "lora_rate", "prior_weight", "beta"):
            if getattr(self, name) < 0:
                raise UsageError("M11", name, f"is {getattr(self, name)}", "give 0 or more")

    @property
    def regular_words(self) -> str:
        """What a regular picture is told to show."""
        return f"A {self.class_word}"

    @property
    def subject_words(self) -> str:
        """What the reference is told to show."""
        return f"A {self.class_word} {TOKEN}"


TOON: Mapping[str, Any] = {"steps": 120, "learning_rate": 3e-4, "attention": True}
"""What the built-in model learns by; measured in docs/generate.md."""


def subject_training(model: str, **told: Any) -> SubjectTraining:
    """Return the settings for a model: what is told, and else its own or the paper's."""
    own = TOON if is_toon(model) else {}
    return SubjectTraining(**{**own, **told})
