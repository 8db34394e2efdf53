"""Learn the toon model's autoencoder: drawn pictures to latents and back."""

from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from dtvideo.errors import UsageError
from dtvideo.seeds import derive_seed, keyed_generator
from dtvideo.toon.data import Pictures, picture_chunk
from dtvideo.toon.model import build_autoencoder
from dtvideo.training.steps import OptimiserSettings, Report, optimise

WHOLE_FROM = 0.9
"""Part of the run after which whole pictures are seen instead of crops."""


def _optimiser() -> OptimiserSettings:
    return OptimiserSettings(steps=6000, learning_rate=2e-3, decay=0.5)


@dataclass(frozen=True)
class AutoencoderTraining:
    """How the autoencoder is trained."""

    optimiser: OptimiserSettings = field(default_factory=_optimiser)
    seed: int = 0
    batch: int = 8
    """Crops in a batch; of whole pictures a quarter of that."""
    crop: int = 64
    """Side of the random crops, in pixels; the last tenth of the run sees whole pictures."""
    size: int = 128
    """Side of the pictures, in pixels."""
    chunk_scenes: int = 200
    """Scenes drawn at a time; each gives `per_scene` pictures."""
    per_scene: int = 4
    chunk_steps: int = 150
    """Steps that use one chunk before fresh pictures are drawn."""
    edge_weight: float = 1.0
    """Weight of the error of neighbouring differences, which keeps outlines."""
    figure_weight: float = 3.0
    """Weight of a pixel of the figure; one of the ground counts 1."""
    latent_noise: float = 0.05
    """Standard deviation of the noise that the decoder must bear."""
    prior_weight: float = 1e-3
    """Weight of the mean square of the latents, which keeps their scale near 1."""

    def __post_init__(self) -> None:
        if self.batch < 4:
            raise UsageError("M11", "batch", f"is {self.batch}", "give at least 4")
        if not 0 < self.crop <= self.size:
            raise UsageError("M11", "crop", f"is {self.crop}", f"give 1 to {self.size}, the size")


def train_autoencoder(
    settings: AutoencoderTraining,
    folder: Path,
    *,
    device: torch.device | str = "cpu",
    report: Report = print,
) -> None:
    """Train the autoencoder on fresh drawings; goes on where the run in `folder` stopped."""
    torch.manual_seed(settings.seed)
    vae = build_autoencoder().to(device, memory_format=torch.channels_last)
    chunk_of = lru_cache(maxsize=1)(partial(draw_chunk, settings))

    def loss_at(step: int) -> tuple[Tensor, dict[str, float]]:
        generator = keyed_generator(settings.seed, "autoencoder", step)
        chunk = chunk_of(step // settings.chunk_steps)
        images, weights = random_crops(chunk, settings, step=step, generator=generator)
        return autoencoder_loss(
            vae, images.to(device), weights.to(device), settings=settings, generator=generator
        )

    optimise(vae, loss_at, settings.optimiser, folder=folder, report=report)


def draw_chunk(settings: AutoencoderTraining, index: int) -> Pictures:
    """Draw the pictures that the steps of chunk `index` share."""
    return picture_chunk(
        derive_seed(settings.seed, "autoencoder") % 2**31,
        index,
        scenes=settings.chunk_scenes,
        per_scene=settings.per_scene,
        size=settings.size,
    )


def random_crops(
    chunk: Pictures, settings: AutoencoderTraining, *, step: int, generator: torch.Generator
) -> tuple[Float[Tensor, "b 3 c c"], Float[Tensor, "b 1 c c"]]:
    """Return a batch of random crops in [-1, 1] and the weights of their pixels."""
    whole = step >= WHOLE_FROM * settings.optimiser.steps
    crop = settings.size if whole else settings.crop
    count = settings.batch // 4 if whole else settings.batch
    rows = torch.randint(len(chunk.images), (count,), generator=generator).tolist()
    corners = torch.randint(settings.size - crop + 1, (count, 2), generator=generator).tolist()
    windows = [
        (row, slice(y, y + crop), slice(x, x + crop))
        for row, (y, x) in zip(rows, corners, strict=True)
    ]
    images = torch.from_numpy(np.stack([chunk.images[window] for window in windows]))
    masks = torch.from_numpy(np.stack([chunk.masks[window] for window in windows]))
    weights = 1 + (settings.figure_weight - 1) * masks.float()
    return images.permute(0, 3, 1, 2).float() / 127.5 - 1, weights[:, None]


def autoencoder_loss(
    vae: AutoencoderKL,
    images: Float[Tensor, "b 3 h w"],
    weights: Float[Tensor, "b 1 h w"],
    *,
    settings: AutoencoderTraining,
    generator: torch.Generator,
) -> tuple[Tensor, dict[str, float]]:
    """Return the loss of pictures after a way there and back through noisy latents, and figures."""
    latents = vae.encode(images).latent_dist.mean
    noise = torch.randn(latents.shape, generator=generator).to(latents.device)
    decoded = vae.decode(latents + settings.latent_noise * noise).sample
    pixel, edge = reconstruction_losses(decoded, images, weights)
    loss = pixel + settings.edge_weight * edge + settings.prior_weight * latents.square().mean()
    psnr = -10 * torch.log10(functional.mse_loss(decoded, images) / 4)
    return loss, {"pixel": pixel.item(), "psnr": psnr.item()}


def reconstruction_losses(
    decoded: Float[Tensor, "b 3 h w"],
    images: Float[Tensor, "b 3 h w"],
    weights: Float[Tensor, "b 1 h w"],
) -> tuple[Tensor, Tensor]:
    """Return the weighted mean absolute error of pixels and of neighbouring differences.

    decoded, images: in [-1, 1]; weights: at least 0, their scale does not matter.
    """
    error = decoded - images
    weights = weights / weights.mean()
    pixel = (weights * error.abs()).mean()
    across = (weights[..., 1:] * error.diff(dim=-1).abs()).mean()
    down = (weights[..., 1:, :] * error.diff(dim=-2).abs()).mean()
    return pixel, across + down
