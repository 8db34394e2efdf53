"""Learn the toon model's denoiser: U-Net, pose ControlNet and text encoder together.

Trained with the real thing: the reference pass runs at the same timestep through the same
weights, its keys and values are read by self-subject attention, and so are the previous
frame's. What is dropped, and how often, is named in the settings.
"""

import math
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path

import torch
from jaxtyping import Float, Int, Int64, UInt8
from torch import Tensor, nn
from torch.nn import functional
from transformers import CLIPTokenizer

from dtvideo.attention import SelfSubjectAttention, install_self_subject_attention
from dtvideo.errors import ModelError, UsageError
from dtvideo.models.components import load_component
from dtvideo.models.index import read_index
from dtvideo.seeds import keyed_generator
from dtvideo.toon.data import lesson
from dtvideo.toon.lessons import Lessons, encode_lesson, stack_lessons
from dtvideo.toon.model import build_controlnet, build_scheduler, build_text_encoder, build_unet
from dtvideo.toon.patches import PatchAutoencoder
from dtvideo.training.steps import OptimiserSettings, Report, optimise

PREVIOUS_SPREAD = 3.0
"""Weights of the previous frame are drawn log-uniformly between 1 / this and this."""


def _optimiser() -> OptimiserSettings:
    return OptimiserSettings(
        steps=5200,
        learning_rate=6e-4,
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
    sequels: int = 2
    """Targets of a character."""
    chunk_lessons: int = 200
    """Lessons drawn and encoded at a time."""
    chunk_epochs: int = 2
    """How often a chunk of lessons is seen, each time with other noise, before fresh ones."""
    no_reference: float = 0.1
    """Batches that see neither reference nor coarse frame: pose and caption must do."""
    coarse_only: float = 0.05
    """Batches with the coarse frame but no reference, so that each is learnt without the other."""
    no_coarse: float = 0.23
    """Pictures without the coarse frame, besides those of `no_reference`."""
    bare_weight: float = 0.5
    """Weight of a picture without the coarse frame, whose error is several times as large."""
    from_noise: float = 0.6
    """Characters at the last timestep, pure noise, where sampling begins."""
    no_text: float = 0.5
    """Pictures without a caption."""
    previous: float = 0.3
    """Batches that attend to the frame before as well."""
    masked: float = 0.5
    """Batches whose reference counts only inside its mask."""
    heaviest: float = 10.0
    """Reference weights are drawn log-uniformly between 1 and this."""
    figure_weight: float = 3.0
    """Weight of a latent of the figure; one of the ground counts 1."""
    weight_limit: float = 2.0
    """Limit of the loss weight 1 / (1 - abar) of clean pictures."""
    bend: float = 1.0
    """Error, in latents, from which the loss grows linearly instead of with the square."""

    def __post_init__(self) -> None:
        if not 0 < self.lessons <= self.chunk_lessons:
            problem = f"is {self.lessons}"
            raise UsageError("M11", "lessons", problem, f"give 1 to {self.chunk_lessons}, a chunk")


@dataclass(frozen=True)
class Plan:
    """What a batch may look at; a weight of 0 stands for not at all."""

    reference_weight: float
    previous_weight: float
    masked: bool
    coarse: Float[Tensor, "n k"]
    """1 where the coarse frame of a target is joined, 0 where it is dropped."""


def train_denoiser(
    settings: DenoiserTraining,
    folder: Path,
    *,
    vae: PatchAutoencoder,
    tokenizer: CLIPTokenizer,
    start: Path | None = None,
    device: torch.device | str = "cpu",
    report: Report = print,
) -> None:
    """Train U-Net, ControlNet and text encoder.

    start: the folder of an exported model whose weights the run begins with, instead of random
    ones. Goes on where the run in `folder` stopped.
    Raises: ModelError M1, M2 and M5 as `load_exported`.
    """
    torch.manual_seed(settings.seed)
    modules = build_denoiser(tokenizer)
    if start is not None:
        load_exported(modules, start)
    modules = modules.to(device)
    draw_and_encode = partial(_draw_and_encode, settings, vae.to(device), tokenizer)
    chunk_of = lru_cache(maxsize=1)(draw_and_encode)
    alphas = build_scheduler().alphas_cumprod
    with install_self_subject_attention(modules["unet"], modules["controlnet"]) as attention:

        def loss_at(step: int) -> tuple[Tensor, dict[str, float]]:
            chunk, rows = batch_rows(settings, step)
            batch = chunk_of(chunk).rows(rows).to(device)
            return denoising_loss(
                modules, attention, batch, settings=settings, alphas=alphas, step=step
            )

        optimise(modules, loss_at, settings.optimiser, folder=folder, report=report)


def build_denoiser(tokenizer: CLIPTokenizer) -> nn.ModuleDict:
    """Return the untrained parts that are trained together, by their component names.

    The U-Net begins by predicting no residual: its first picture is the coarse frame.
    """
    unet = build_unet()
    nn.init.zeros_(unet.conv_out.weight)
    nn.init.zeros_(unet.conv_out.bias)
    return nn.ModuleDict(
        {
            "unet": unet,
            "controlnet": build_controlnet(),
            "text_encoder": build_text_encoder(tokenizer),
        }
    ).to(memory_format=torch.channels_last)


def load_exported(modules: nn.ModuleDict, folder: Path) -> None:
    """Load the components of an exported model into the modules of the same names.

    Raises: ModelError as `read_index` and `load_component`; M5 for another architecture.
    """
    parts = read_index(folder).parts
    for name, module in modules.items():
        component = load_component(folder / name, parts[name], dtype=torch.float32)
        try:
            module.load_state_dict(component.state_dict())
        except RuntimeError as error:
            problem = f"does not fit: {str(error).splitlines()[-1].strip()}"
            raise ModelError("M5", folder / name, problem, "begin without it") from None


def batch_rows(settings: DenoiserTraining, step: int) -> tuple[int, Int[Tensor, " n"]]:
    """Return the chunk of a step and which of its lessons are the batch.

    Each epoch goes through the chunk in another order; a remainder smaller than a batch is left.
    """
    per_epoch = settings.chunk_lessons // settings.lessons
    chunk, within = divmod(step, per_epoch * settings.chunk_epochs)
    epoch, place = divmod(within, per_epoch)
    generator = keyed_generator(settings.seed, "lessons", chunk, epoch)
    order = torch.randperm(settings.chunk_lessons, generator=generator)
    return chunk, order[place * settings.lessons : (place + 1) * settings.lessons]


def _draw_and_encode(
    settings: DenoiserTraining, vae: PatchAutoencoder, tokenizer: CLIPTokenizer, chunk: int
) -> Lessons:
    first = chunk * settings.chunk_lessons
    numbers = range(first, first + settings.chunk_lessons)
    drawn = (
        lesson(settings.seed, number, sequels=settings.sequels, size=settings.size)
        for number in numbers
    )
    return stack_lessons([encode_lesson(each, vae=vae, tokenizer=tokenizer) for each in drawn])


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
    draws = torch.rand(5, generator=generator).tolist()
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
        coarse=torch.zeros(shape) if empty else kept.float(),
    )


def denoising_loss(
    modules: nn.ModuleDict,
    attention: SelfSubjectAttention,
    batch: Lessons,
    *,
    settings: DenoiserTraining,
    alphas: Float[Tensor, " steps"],
    step: int,
) -> tuple[Tensor, dict[str, float]]:
    """Return the weighted error of the predicted clean residual of one batch, and its figures.

    alphas: the scheduler's abar of each timestep. The loss weighs noise levels, the figure and
    pictures without a coarse frame, and is milder to large errors. The figures are mean squares
    of pictures with ("refined") and without ("bare") a coarse frame, where a batch has such.
    """
    generator = keyed_generator(settings.seed, "denoiser", step)
    plan = make_plan(settings, generator)
    timesteps = draw_timesteps(settings, len(alphas), generator)
    text = encode_captions(modules, batch.tokens, settings=settings, generator=generator)
    denoiser = _Denoiser(modules, timesteps.to(text.device), alphas[timesteps], text, generator)
    sources = {}
    if plan.reference_weight:
        mask = batch.reference_mask if plan.masked else None
        with torch.no_grad(), attention.write("reference", step=0, size=_size(batch), mask=mask):
            denoiser.pass_source(batch.reference, batch.reference_map)
        sources["reference"] = plan.reference_weight
    errors = [
        _target_error(denoiser, attention, batch, index=index, plan=plan, sources=sources)
        for index in range(settings.sequels)
    ]
    attention.reset()
    weights = (1 / (1 - denoiser.alpha)).clamp(max=settings.weight_limit)
    losses = [
        _picture_losses(error, masks, settings, size=_size(batch))
        for error, masks in zip(errors, batch.frame_masks.unbind(1), strict=True)
    ]
    kept = plan.coarse.T.to(weights.device)
    shares = torch.where(kept > 0, 1.0, settings.bare_weight) * weights.view(1, -1)
    squares = torch.stack(errors).detach().square().mean(dim=(2, 3, 4))
    figures = {"refined": squares[kept > 0], "bare": squares[kept == 0]}
    return (shares * torch.stack(losses)).mean(), {
        name: group.mean().item() for name, group in figures.items() if len(group)
    }


def _picture_losses(
    error: Float[Tensor, "n c h w"],
    masks: Float[Tensor, "n ph pw"],
    settings: DenoiserTraining,
    *,
    size: tuple[int, int],
) -> Float[Tensor, " n"]:
    """Return the pseudo-Huber loss of each picture: the square of small errors, linear beyond."""
    bent = 2 * error.square() / (1 + (1 + (error / settings.bend).square()).sqrt())
    weighted = figure_weights(masks, settings.figure_weight, size=size) * bent
    return weighted.mean(dim=(1, 2, 3))


def _target_error(
    denoiser: "_Denoiser",
    attention: SelfSubjectAttention,
    batch: Lessons,
    *,
    index: int,
    plan: Plan,
    sources: dict[str, float],
) -> Float[Tensor, "n c h w"]:
    """Return the error of the residual of target `index`; writes its frame before first."""
    if plan.previous_weight:
        with torch.no_grad(), attention.write("previous", step=0, size=_size(batch)):
            denoiser.pass_source(batch.before[:, index], batch.before_maps[:, index])
        sources = {**sources, "previous": plan.previous_weight}
    kept = plan.coarse[:, index].to(batch.coarse.device)
    coarse = batch.coarse[:, index] * kept.view(-1, 1, 1, 1)
    residual = batch.frames[:, index] - coarse
    with attention.read(sources, step=0):
        predicted = denoiser.predict(residual, coarse, batch.frame_maps[:, index])
    return predicted - residual


class _Denoiser:
    """The networks at the noise levels and with the captions of one batch."""

    def __init__(
        self,
        modules: nn.ModuleDict,
        timesteps: Int[Tensor, " n"],
        alphas: Float[Tensor, " n"],
        text: Float[Tensor, "n l d"],
        generator: torch.Generator,
    ) -> None:
        self._modules, self._timesteps, self._text = modules, timesteps, text
        self._generator = generator
        self.alpha = alphas.view(-1, 1, 1, 1).to(text.device)

    def pass_source(
        self, latents: Float[Tensor, "n c h w"], pose_map: UInt8[Tensor, "n 3 ph pw"]
    ) -> None:
        """Pass a picture that is its own coarse frame: the residual is zero, only noise is left."""
        self.predict(torch.zeros_like(latents), latents, pose_map)

    def predict(
        self,
        residual: Float[Tensor, "n c h w"],
        coarse: Float[Tensor, "n c h w"],
        pose_map: UInt8[Tensor, "n 3 ph pw"],
    ) -> Float[Tensor, "n c h w"]:
        """Add noise to residuals and return what the networks make of them."""
        noise = torch.randn(residual.shape, generator=self._generator).to(residual.device)
        noisy = self.alpha.sqrt() * residual + (1 - self.alpha).sqrt() * noise
        joined = torch.cat([noisy, coarse], dim=1)
        down, middle = self._modules["controlnet"](
            joined, self._timesteps, self._text, pose_map.float() / 255, return_dict=False
        )
        predicted: Tensor = self._modules["unet"](
            joined,
            self._timesteps,
            self._text,
            down_block_additional_residuals=down,
            mid_block_additional_residual=middle,
            return_dict=False,
        )[0]
        return predicted


def encode_captions(
    modules: nn.ModuleDict,
    tokens: Int[Tensor, "n 2 l"],
    *,
    settings: DenoiserTraining,
    generator: torch.Generator,
) -> Float[Tensor, "n l d"]:
    """Encode the captions, or the empty caption in the place of `no_text` of them.

    tokens: of each caption, then of the empty one.
    """
    dropped = torch.rand(len(tokens), generator=generator) < settings.no_text
    chosen = torch.where(dropped[:, None].to(tokens.device), tokens[:, 1], tokens[:, 0])
    encoded: Tensor = modules["text_encoder"](chosen).last_hidden_state
    return encoded


def figure_weights(
    masks: Float[Tensor, "n ph pw"], weight: float, *, size: tuple[int, int]
) -> Float[Tensor, "n 1 h w"]:
    """Return `weight` for latents (size: h, w) that see some of the figure, 1 for the others."""
    cells = functional.adaptive_max_pool2d(masks[:, None].float(), size)
    return 1 + (weight - 1) * cells


def _size(batch: Lessons) -> tuple[int, int]:
    height, width = batch.reference.shape[-2:]
    return height, width
