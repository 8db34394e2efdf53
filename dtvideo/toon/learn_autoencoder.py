"""Learn the toon model's autoencoder: drawn pictures to latents and back."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from dtvideo.seeds import derive_seed, keyed_generator
from dtvideo.toon.data import Pictures, picture_chunk
from dtvideo.toon.model import build_autoencoder
from dtvideo.training.steps import OptimiserSettings, optimise

Report = Callable[[str], None]


@dataclass(frozen=True)
class AutoencoderTraining:
    """How the autoencoder is trained."""

    optimiser: OptimiserSettings = OptimiserSettings(steps=6000, learning_rate=2e-3, decay=0.5)
    seed: int = 0
    batch: int = 8
    crop: int = 64
    """Side of the random crops, in pixels; the last tenth of the run sees whole pictures."""
    size: int = 128
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


def train_autoencoder(
    settings: AutoencoderTraining, folder: Path, *, report: Report = print
) -> None:
    """Train the autoencoder on fresh drawings; resumes from `folder`."""
    torch.manual_seed(settings.seed)
    vae = build_autoencoder().to(memory_format=torch.channels_last)
    chunks = _ChunkCache(settings)

    def loss_at(step: int) -> tuple[Tensor, dict[str, float]]:
        generator = keyed_generator(settings.seed, "autoencoder", step)
        images, weights = _crops(chunks.at(step), settings, step=step, generator=generator)
        latents = vae.encode(images).latent_dist.mean
        noise = torch.randn(latents.shape, generator=generator)
        decoded = vae.decode(latents + settings.latent_noise * noise).sample
        pixel, edge = reconstruction_losses(decoded, images, weights)
        loss = pixel + settings.edge_weight * edge + settings.prior_weight * latents.square().mean()
        psnr = -10 * torch.log10(functional.mse_loss(decoded, images) / 4)
        return loss, {"pixel": pixel.item(), "psnr": psnr.item()}

    optimise(vae, loss_at, settings.optimiser, folder=folder, report=report)


def reconstruction_losses(
    decoded: Tensor, images: Tensor, weights: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the weighted mean absolute error of pixels and of neighbouring differences.

    decoded, images (b, 3, h, w) in [-1, 1]; weights (b, 1, h, w) >= 0.
    """
    error = decoded - images
    weights = weights / weights.mean()
    pixel = (weights * error.abs()).mean()
    across = (weights[..., 1:] * error.diff(dim=-1).abs()).mean()
    down = (weights[..., 1:, :] * error.diff(dim=-2).abs()).mean()
    return pixel, across + down


class _ChunkCache:
    """The chunk of pictures that a step uses; drawn when the first of its steps asks."""

    def __init__(self, settings: AutoencoderTraining) -> None:
        self._settings = settings
        self._index, self._chunk = (
            -1,
            Pictures(np.zeros((0, 1, 1, 3), np.uint8), np.zeros((0, 1, 1), bool)),
        )

    def at(self, step: int) -> Pictures:
        settings, index = self._settings, step // self._settings.chunk_steps
        if index != self._index:
            self._index, self._chunk = (
                index,
                picture_chunk(
                    derive_seed(settings.seed, "autoencoder") % 2**31,
                    index,
                    scenes=settings.chunk_scenes,
                    per_scene=settings.per_scene,
                    size=settings.size,
                ),
            )
        return self._chunk


def _crops(
    chunk: Pictures, settings: AutoencoderTraining, *, step: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Return a batch of random crops (b, 3, c, c) in [-1, 1] and their pixel weights."""
    whole = step >= 0.9 * settings.optimiser.steps
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
