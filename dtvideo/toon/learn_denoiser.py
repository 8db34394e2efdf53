"""Learn the toon model's denoiser: U-Net, pose ControlNet and text encoder together.

Trained with the real thing: the reference pass runs at the same timestep through the same
weights, its keys and values are read by self-subject attention, and so are the previous
frame's. What is dropped, and how often, is named in the settings.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import Tensor, nn
from torch.nn import functional
from transformers import CLIPTokenizer

from dtvideo.attention import SelfSubjectAttention, install_self_subject_attention
from dtvideo.seeds import keyed_generator
from dtvideo.toon.data import Lesson, lesson
from dtvideo.toon.model import build_controlnet, build_scheduler, build_text_encoder, build_unet
from dtvideo.training.steps import OptimiserSettings, optimise
from poses.render import draw_pose

Report = Callable[[str], None]


@dataclass(frozen=True)
class DenoiserTraining:
    """How the denoiser is trained; probabilities are per batch or per picture as said."""

    optimiser: OptimiserSettings = OptimiserSettings(steps=4000, learning_rate=6e-4, decay=0.5)
    seed: int = 0
    size: int = 128
    lessons: int = 4
    """Characters in a batch; one reference pass serves all their targets."""
    sequels: int = 2
    """Targets of a character."""
    chunk_lessons: int = 200
    chunk_epochs: int = 5
    """How often a chunk of lessons is seen, each time with other noise, before fresh ones."""
    no_reference: float = 0.1
    """Batches without reference and coarse frame: the empty set of the guidance."""
    coarse_only: float = 0.08
    """Batches with the coarse frame but no reference to attend to."""
    no_coarse: float = 0.25
    """Pictures without the coarse frame, besides those of `no_reference`."""
    no_text: float = 0.5
    """Pictures without a caption."""
    previous: float = 0.4
    """Batches that attend to the frame before as well."""
    masked: float = 0.5
    """Batches whose reference counts only inside its mask."""
    heaviest: float = 10.0
    """Reference weights are drawn log-uniformly between 1 and this."""
    figure_weight: float = 3.0
    """Weight of a latent of the figure; one of the ground counts 1."""
    weight_limit: float = 5.0
    """Limit of the loss weight 1 / (1 - abar) of clean pictures."""


@dataclass(frozen=True, eq=False)
class Chunk:
    """Lessons as tensors: n characters with k targets each.

    Latents are (n, ..., c, h, w), scaled; pose maps uint8 (n, ..., 3, H, W); masks (n, ..., H, W).
    """

    reference: Tensor
    frames: Tensor
    before: Tensor
    coarse: Tensor
    reference_map: Tensor
    frame_maps: Tensor
    before_maps: Tensor
    reference_mask: Tensor
    frame_masks: Tensor
    tokens: Tensor


@dataclass(frozen=True)
class Plan:
    """What a batch may look at."""

    reference_weight: float
    previous_weight: float
    masked: bool
    coarse: Tensor
    """(lessons, sequels) 1 where the coarse frame is joined, 0 where it is dropped."""


def train_denoiser(
    settings: DenoiserTraining,
    folder: Path,
    *,
    vae: AutoencoderKL,
    tokenizer: CLIPTokenizer,
    report: Report = print,
) -> None:
    """Train U-Net, ControlNet and text encoder through a frozen autoencoder; resumes from `folder`."""
    torch.manual_seed(settings.seed)
    modules = build_denoiser(tokenizer)
    chunks = _Chunks(settings, vae=vae, tokenizer=tokenizer)
    alphas = build_scheduler().alphas_cumprod
    with install_self_subject_attention(modules["unet"], modules["controlnet"]) as attention:

        def loss_at(step: int) -> tuple[Tensor, dict[str, float]]:
            batch = chunks.at(step)
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


def denoising_loss(
    modules: nn.ModuleDict,
    attention: SelfSubjectAttention,
    batch: Chunk,
    *,
    settings: DenoiserTraining,
    alphas: Tensor,
    step: int,
) -> tuple[Tensor, dict[str, float]]:
    """Return the weighted error of the predicted clean residual of one batch, and its figures."""
    generator = keyed_generator(settings.seed, "denoiser", step)
    plan = make_plan(settings, generator)
    timesteps = torch.randint(len(alphas), (settings.lessons,), generator=generator)
    look = _Look(modules, batch, timesteps, alphas[timesteps].view(-1, 1, 1, 1), generator)
    text = _encode(modules, batch.tokens, settings=settings, generator=generator)
    weights = {}
    if plan.reference_weight:
        mask = batch.reference_mask if plan.masked else None
        with torch.no_grad(), attention.write("reference", step=0, size=look.size, mask=mask):
            look.at_source(batch.reference, batch.reference_map, text)
        weights["reference"] = plan.reference_weight
    losses, errors = [], []
    for index in range(settings.sequels):
        reads = dict(weights)
        if plan.previous_weight:
            with torch.no_grad(), attention.write("previous", step=0, size=look.size):
                look.at_source(batch.before[:, index], batch.before_maps[:, index], text)
            reads["previous"] = plan.previous_weight
        with attention.read(reads, step=0):
            error = look.at_target(index, text, kept=plan.coarse[:, index])
        weighted = _figure_weights(batch.frame_masks[:, index], settings, size=look.size) * error
        strength = (1 / (1 - look.alpha)).clamp(max=settings.weight_limit)
        losses.append((strength * weighted).mean())
        errors.append(error.mean().item())
    attention.reset()
    return torch.stack(losses).mean(), {"error": float(np.mean(errors))}


def make_plan(settings: DenoiserTraining, generator: torch.Generator) -> Plan:
    """Draw what a batch may look at."""
    draws = torch.rand(5, generator=generator).tolist()
    empty = draws[0] < settings.no_reference
    unread = draws[0] < settings.no_reference + settings.coarse_only
    previous = draws[1] < settings.previous
    shape = (settings.lessons, settings.sequels)
    kept = torch.rand(shape, generator=generator) >= settings.no_coarse
    return Plan(
        reference_weight=0.0 if unread else math.exp(draws[2] * math.log(settings.heaviest)),
        previous_weight=math.exp((2 * draws[3] - 1) * math.log(3)) if previous and not empty else 0,
        masked=draws[4] < settings.masked,
        coarse=torch.zeros(shape) if empty else kept.float(),
    )


@dataclass(frozen=True, eq=False)
class _Look:
    """One batch at one noise level: how its sources and targets go through the model."""

    modules: nn.ModuleDict
    batch: Chunk
    timesteps: Tensor
    alpha: Tensor
    generator: torch.Generator

    @property
    def size(self) -> tuple[int, int]:
        height, width = self.batch.reference.shape[-2:]
        return height, width

    def at_source(self, latents: Tensor, pose_map: Tensor, text: Tensor) -> None:
        """Pass a picture that is its own coarse frame: the residual is zero, only noise is left."""
        self._predict(torch.zeros_like(latents), latents, pose_map, text)

    def at_target(self, index: int, text: Tensor, *, kept: Tensor) -> Tensor:
        """Return the squared error of the residual predicted for target `index`."""
        coarse = self.batch.coarse[:, index] * kept.view(-1, 1, 1, 1)
        residual = self.batch.frames[:, index] - coarse
        predicted = self._predict(residual, coarse, self.batch.frame_maps[:, index], text)
        return (predicted - residual).square()

    def _predict(self, residual: Tensor, coarse: Tensor, pose_map: Tensor, text: Tensor) -> Tensor:
        noise = torch.randn(residual.shape, generator=self.generator)
        noisy = self.alpha.sqrt() * residual + (1 - self.alpha).sqrt() * noise
        joined = torch.cat([noisy, coarse], dim=1)
        down, middle = self.modules["controlnet"](
            joined, self.timesteps, text, pose_map.float() / 255, return_dict=False
        )
        predicted: Tensor = self.modules["unet"](
            joined,
            self.timesteps,
            text,
            down_block_additional_residuals=down,
            mid_block_additional_residual=middle,
            return_dict=False,
        )[0]
        return predicted


def _encode(
    modules: nn.ModuleDict,
    tokens: Tensor,
    *,
    settings: DenoiserTraining,
    generator: torch.Generator,
) -> Tensor:
    """Encode the captions; those dropped become the empty caption, which is row 1 of the tokens."""
    dropped = torch.rand(len(tokens), generator=generator) < settings.no_text
    chosen = torch.where(dropped[:, None], tokens[:, 1], tokens[:, 0])
    encoded: Tensor = modules["text_encoder"](chosen).last_hidden_state
    return encoded


def _figure_weights(masks: Tensor, settings: DenoiserTraining, *, size: tuple[int, int]) -> Tensor:
    cells = functional.adaptive_max_pool2d(masks[:, None].float(), size)
    return 1 + (settings.figure_weight - 1) * cells


class _Chunks:
    """The batch of each step; a chunk of lessons is drawn and encoded when first needed."""

    def __init__(
        self, settings: DenoiserTraining, *, vae: AutoencoderKL, tokenizer: CLIPTokenizer
    ) -> None:
        self._settings, self._vae, self._tokenizer = settings, vae, tokenizer
        self._index, self._chunk = -1, None

    def at(self, step: int) -> Chunk:
        settings = self._settings
        per_epoch = settings.chunk_lessons // settings.lessons
        index, within = divmod(step, per_epoch * settings.chunk_epochs)
        if index != self._index:
            self._index, self._chunk = index, self._make(index)
        epoch, place = divmod(within, per_epoch)
        generator = keyed_generator(settings.seed, "lessons", index, epoch)
        order = torch.randperm(settings.chunk_lessons, generator=generator)
        rows = order[place * settings.lessons : (place + 1) * settings.lessons]
        return Chunk(**{name: part[rows] for name, part in vars(self._chunk).items()})

    def _make(self, index: int) -> Chunk:
        settings = self._settings
        first = index * settings.chunk_lessons
        rows = [
            encode_lesson(
                lesson(settings.seed, first + number, sequels=settings.sequels, size=settings.size),
                vae=self._vae,
                tokenizer=self._tokenizer,
            )
            for number in range(settings.chunk_lessons)
        ]
        return Chunk(**{name: torch.stack([row[name] for row in rows]) for name in rows[0]})


def encode_lesson(
    drawn: Lesson, *, vae: AutoencoderKL, tokenizer: CLIPTokenizer
) -> dict[str, Tensor]:
    """Turn a lesson into the tensors of one row of a chunk."""
    frames = [sequel.frame for sequel in drawn.sequels]
    before = [sequel.before for sequel in drawn.sequels]
    pictures = [drawn.reference, *frames, *before]
    images = [*(each.image for each in pictures), *(sequel.coarse for sequel in drawn.sequels)]
    reference, *rest = encode_pictures(np.stack(images), vae=vae)
    count = len(frames)
    maps = torch.stack([_planes(draw_pose(each.pose)) for each in pictures])
    masks = torch.stack([torch.from_numpy(each.mask) for each in pictures])
    tokens = tokenizer(
        [drawn.caption, ""], padding="max_length", truncation=True, return_tensors="pt"
    )
    return {
        "reference": reference,
        "frames": torch.stack(rest[:count]),
        "before": torch.stack(rest[count : 2 * count]),
        "coarse": torch.stack(rest[2 * count :]),
        "reference_map": maps[0],
        "frame_maps": maps[1 : count + 1],
        "before_maps": maps[count + 1 :],
        "reference_mask": masks[0],
        "frame_masks": masks[1 : count + 1],
        "tokens": tokens.input_ids,
    }


@torch.no_grad()
def encode_pictures(images: np.ndarray, *, vae: AutoencoderKL) -> Tensor:
    """Return the scaled posterior means of uint8 pictures (n, h, w, 3)."""
    pixels = torch.stack([_planes(image) for image in images]).float() / 127.5 - 1
    latents: Tensor = vae.encode(pixels).latent_dist.mean
    return latents * vae.config.scaling_factor


def _planes(image: np.ndarray) -> Tensor:
    return torch.from_numpy(image).permute(2, 0, 1)
