"""What the denoiser's training draws: its settings, and what each batch may look at."""

import math
from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Int, Int64
from torch import Tensor

from dtvideo.errors import UsageError
from dtvideo.seeds import keyed_generator
from dtvideo.toon.targets import WINDOW_MULTIPLE
from dtvideo.training.steps import OptimiserSettings

PREVIOUS_SPREAD = 3.0
"""Weights of the previous frame are drawn log-uniformly between 1 / this and this."""


def _optimiser() -> OptimiserSettings:
    return OptimiserSettings(
        steps=5200,
        learning_rate=5e-4,
        warmup=200,
        decay=0.6,
        average=0.998,
        checkpoint_every=250,
        log_every=50,
    )


@dataclass(frozen=True)
class DenoiserTraining:
    """How the denoiser is trained; probabilities are per batch or per picture as said."""

    optimiser: OptimiserSettings = field(default_factory=_optimiser)
    seed: int = 0
    size: int = 128
    """Side of the pictures, in pixels."""
    lessons: int = 4
    """Characters in a batch; one reference pass serves all their targets."""
    sequels: int = 4
    """Targets of a character."""
    chunk_lessons: int = 160
    """Lessons drawn and encoded at a time."""
    chunk_epochs: int = 3
    """How often a chunk of lessons is seen, each time with other noise, before fresh ones."""
    pool_chunks: int = 1
    """The last so many chunks are what batches are drawn from; each is seen that often in all."""
    workers: int = 0
    """Processes that draw the next chunks meanwhile; 0 draws them when they are needed."""
    half: bool = False
    """Whether products are taken in bfloat16 where that is exact enough; for GPUs."""
    no_reference: float = 0.08
    """Batches that see neither reference nor coarse frame: pose and caption must do."""
    coarse_only: float = 0.05
    """Batches with the coarse frame but no reference, so that each is learnt without the other."""
    no_coarse: float = 0.35
    """Pictures without the coarse frame, besides those of `no_reference`."""
    gaps: float = 0.0
    """Coarse frames that lack some parts, which the reference alone can tell then."""
    bare_weight: float = 0.7
    """Weight of a picture without the coarse frame, whose error is several times as large."""
    from_noise: float = 0.85
    """Characters at the last timestep, pure noise, where sampling begins."""
    no_text: float = 0.5
    """Pictures without a caption."""
    previous: float = 0.25
    """Batches that attend to the frame before as well."""
    masked: float = 0.5
    """Batches whose reference counts only inside its mask."""
    heaviest: float = 10.0
    """Reference weights are drawn log-uniformly between 1 and this."""
    figure_weight: float = 3.0
    """Weight of a latent of the figure; one of the ground counts 1."""
    weight_limit: float = 2.0
    """Limit of the loss weight 1 / (1 - abar) of clean pictures."""
    bend: float = 0.05
    """Error, in latents, from which the loss grows linearly instead of with the square."""
    align: float = 100.0
    """How strongly sources are read from the same part of the body; 0 is the paper's attention."""
    unaligned: float = 0.1
    """Batches that read their sources without regard to the body all the same."""
    reference_gradient: bool = True
    """Whether the reference's own pass is learnt too: what its features tell, colours above all."""
    colour_weight: float = 0.5
    """Weight of the error with which the layers' memory of the reference tells its colours."""
    window: int = 64
    """Side of the windows on the figure that are learnt of each target, in pixels; 0: the whole."""

    def __post_init__(self) -> None:
        if not 0 < self.lessons <= self.chunk_lessons:
            problem = f"is {self.lessons}"
            raise UsageError("M11", "lessons", problem, f"give 1 to {self.chunk_lessons}, a chunk")
        for name, least in (("pool_chunks", 1), ("workers", 0)):
            if getattr(self, name) < least:
                problem = f"is {getattr(self, name)}"
                raise UsageError("M11", name, problem, f"give at least {least}")
        if self.window % WINDOW_MULTIPLE or self.window < 0:
            remedy = f"give a multiple of {WINDOW_MULTIPLE}, or 0"
            raise UsageError("M11", "window", f"is {self.window}", remedy)


@dataclass(frozen=True)
class Plan:
    """What a batch may look at; a weight of 0 stands for not at all."""

    reference_weight: float
    previous_weight: float
    masked: bool
    aligned: bool
    coarse: Float[Tensor, "n k"]
    """1 where the coarse frame of a target is joined, 0 where it is dropped."""


def batch_rows(settings: DenoiserTraining, step: int) -> tuple[range, Int[Tensor, " n"]]:
    """Return the chunks that a step's batch is drawn from, and which of their lessons it is.

    A lesson of the second chunk counts on from those of the first. Each epoch goes through all of
    them in another order, as far as the steps until the next chunk reach; a remainder smaller than
    a batch is left.
    """
    steps = max(1, settings.chunk_lessons * settings.chunk_epochs // settings.lessons)
    newest, within = divmod(step, steps)
    chunks = range(max(0, newest + 1 - settings.pool_chunks), newest + 1)
    held = len(chunks) * settings.chunk_lessons
    epoch, place = divmod(within, held // settings.lessons)
    generator = keyed_generator(settings.seed, "lessons", newest, epoch)
    order = torch.randperm(held, generator=generator)
    return chunks, order[place * settings.lessons : (place + 1) * settings.lessons]


def draw_timesteps(
    settings: DenoiserTraining, count: int, generator: torch.Generator
) -> Int64[Tensor, " n"]:
    """Draw the timestep of each character out of `count`: any, or the last one more often."""
    timesteps = torch.randint(count, (settings.lessons,), generator=generator)
    if settings.from_noise:
        last = torch.rand(settings.lessons, generator=generator) < settings.from_noise
        timesteps[last] = count - 1
    return timesteps


def make_plan(settings: DenoiserTraining, generator: torch.Generator) -> Plan:
    """Draw what a batch may look at."""
    draws = torch.rand(6, generator=generator).tolist()
    empty = draws[0] < settings.no_reference
    unread = draws[0] < settings.no_reference + settings.coarse_only
    previous = draws[1] < settings.previous and not empty
    shape = (settings.lessons, settings.sequels)
    kept = torch.rand(shape, generator=generator) >= settings.no_coarse
    reference_weight = math.exp(draws[2] * math.log(settings.heaviest))
    previous_weight = math.exp((2 * draws[3] - 1) * math.log(PREVIOUS_SPREAD))
    return Plan(
        reference_weight=0.0 if unread else reference_weight,
        previous_weight=previous_weight if previous else 0.0,
        masked=draws[4] < settings.masked,
        aligned=settings.align > 0 and draws[5] >= settings.unaligned,
        coarse=torch.zeros(shape) if empty else kept.float(),
    )
