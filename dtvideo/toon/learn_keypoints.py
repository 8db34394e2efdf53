"""Learn the key-point net from drawings whose joints are known."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn import functional

from dtvideo.toon.data import random_drawings
from dtvideo.toon.keypoints import KeypointNet
from dtvideo.training.steps import OptimiserSettings, optimise
from poses.skeleton import BODY18

Report = Callable[[str], None]


@dataclass(frozen=True)
class KeypointTraining:
    """How the key-point net is trained."""

    optimiser: OptimiserSettings = OptimiserSettings(
        steps=2500, learning_rate=2e-3, decay=0.5, log_every=100
    )
    seed: int = 0
    batch: int = 16
    size: int = 128
    chunk: int = 600
    """Pictures drawn at a time."""
    chunk_steps: int = 250
    """Steps that use one chunk, each time moved, turned and recoloured otherwise."""
    spread: float = 1.0
    """Standard deviation of the target heat maps, in cells of 4 pixels."""
    turn: float = 0.35
    """Largest turn of a picture, in radians."""
    zoom: float = 1.35
    """Largest enlargement; the largest reduction is its inverse."""
    flat: float = 0.15
    """Part of the pictures that show no figure, to learn not to be sure."""


def train_keypoints(settings: KeypointTraining, folder: Path, *, report: Report = print) -> None:
    """Train the key-point net on fresh drawings; resumes from `folder`."""
    torch.manual_seed(settings.seed)
    net = KeypointNet(size=settings.size).to(memory_format=torch.channels_last)
    chunk: tuple[int, np.ndarray, np.ndarray, np.ndarray] | None = None

    def loss_at(step: int) -> tuple[Tensor, dict[str, float]]:
        nonlocal chunk
        index = step // settings.chunk_steps
        if chunk is None or chunk[0] != index:
            chunk = (index, *random_drawings(settings.seed, index, settings.chunk, settings.size))
        rng = np.random.default_rng((settings.seed, step, 0x4B))
        pixels, joints = _batch(chunk[1:], settings, rng)
        return keypoint_loss(*net(pixels), joints, spread=settings.spread)

    optimise(net, loss_at, settings.optimiser, folder=folder, report=report)


def keypoint_loss(
    maps: Float[Tensor, "b j h w"],
    presence: Float[Tensor, "b j"],
    joints: Float[Tensor, "b j 3"],
    *,
    spread: float,
) -> tuple[Tensor, dict[str, float]]:
    """Return cross-entropy against Gaussian heat maps plus that of presence, and figures.

    joints: x, y in cells, and 1 where present or 0 where not.
    """
    height, width = maps.shape[-2:]
    rows, columns = torch.arange(height).view(-1, 1), torch.arange(width).view(1, -1)
    distance = (columns - joints[..., 0, None, None]) ** 2 + (
        rows - joints[..., 1, None, None]
    ) ** 2
    target = (-distance / (2 * spread**2)).flatten(2).softmax(dim=-1)
    there = joints[..., 2]
    entropy = -(target * maps.flatten(2).log_softmax(dim=-1)).sum(dim=-1)
    placed = (entropy * there).sum() / there.sum().clamp(min=1)
    known = functional.binary_cross_entropy_with_logits(presence, there)
    peak = maps.flatten(2).argmax(dim=-1)
    off = torch.hypot(peak % width - joints[..., 0], peak // width - joints[..., 1])
    error = (off * there).sum() / there.sum().clamp(min=1)
    return placed + known, {"cells": error.item(), "presence": known.item()}


def _batch(
    chunk: tuple[np.ndarray, np.ndarray, np.ndarray],
    settings: KeypointTraining,
    rng: np.random.Generator,
) -> tuple[Tensor, Tensor]:
    images, grounds, bodies = chunk
    pictures, joints = [], []
    for row in rng.integers(len(images), size=settings.batch):
        empty = rng.random() < settings.flat
        body = np.full_like(bodies[row], np.nan) if empty else bodies[row]
        picture, placed = vary((grounds if empty else images)[row], body, settings, rng)
        pictures.append(picture)
        joints.append(placed)
    pixels = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float() / 127.5 - 1
    return pixels, torch.from_numpy(np.stack(joints)).float()


def vary(
    image: UInt8[np.ndarray, "h w 3"],
    body: Float[np.ndarray, "j 3"],
    settings: KeypointTraining,
    rng: np.random.Generator,
) -> tuple[UInt8[np.ndarray, "h w 3"], Float[np.ndarray, "j 3"]]:
    """Turn, scale, move, mirror and recolour a picture; return it and its joints in cells of 4."""
    size = settings.size
    scale = float(np.exp(rng.uniform(-1, 1) * np.log(settings.zoom)))
    turn = float(rng.uniform(-settings.turn, settings.turn)) * (rng.random() < 0.5)
    matrix = cv2.getRotationMatrix2D((size / 2, size / 2), np.degrees(turn), scale)
    matrix[:, 2] += rng.uniform(-0.12, 0.12, 2) * size
    moved = cv2.warpAffine(image, matrix, (size, size), borderMode=cv2.BORDER_REPLICATE)
    points = body[:, :2] @ matrix[:, :2].T + matrix[:, 2]
    if rng.random() < 0.5:
        moved, points = moved[:, ::-1], points[list(BODY18.mirrored)] * (-1, 1) + (size - 1, 0)
    inside = np.all((points >= 0) & (points <= size - 1), axis=1)
    cells = (np.nan_to_num(points) - 1.5) / 4
    joints = np.column_stack([np.where(inside[:, None], cells, 0.0), inside])
    return _recoloured(moved, rng), joints


def _recoloured(image: UInt8[np.ndarray, "h w 3"], rng: np.random.Generator) -> np.ndarray:
    gain, lift = rng.uniform(0.7, 1.2, 3), rng.uniform(-20, 20, 3)
    order = rng.permutation(3) if rng.random() < 0.3 else np.arange(3)
    noisy = image[..., order] * gain + lift + rng.normal(0, rng.uniform(0, 6), image.shape)
    return np.clip(noisy, 0, 255).astype(np.uint8)
