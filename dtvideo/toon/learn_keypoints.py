"""Learn the key-point net from drawings whose joints are known."""

from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path

import cv2
import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn import functional

from dtvideo.models.components import load_module
from dtvideo.toon.data import Figures, figure_chunk
from dtvideo.toon.keypoints import KeypointNet, to_cells
from dtvideo.training.steps import OptimiserSettings, Report, optimise
from poses.skeleton import BODY18

SHIFT = 0.12
"""Farthest move of a picture along each axis, in parts of its side."""
GREY, COVERED, BLURRED, COMPRESSED = 0.1, 0.2, 0.15, 0.15
"""Parts of the pictures that are without colour, partly hidden, blurred, badly stored."""
CUT_AT = 0.3, 0.95
"""Where figures are cut off, from the highest joint to the lowest."""
ABOVE, LEAST_SIDE = (0.1, 0.6), 24
"""Ground above the highest joint, in parts of what is left below it; pixels that show at least."""

Picture = UInt8[np.ndarray, "h w 3"]


def _optimiser() -> OptimiserSettings:
    return OptimiserSettings(steps=10000, learning_rate=2e-3, decay=0.6, log_every=100)


@dataclass(frozen=True)
class KeypointTraining:
    """How the key-point net is trained."""

    optimiser: OptimiserSettings = field(default_factory=_optimiser)
    seed: int = 0
    batch: int = 16
    """Pictures in a batch."""
    size: int = 128
    """Side of the pictures, in pixels."""
    chunk: int = 600
    """Pictures drawn at a time."""
    chunk_steps: int = 250
    """Steps that use one chunk, each time moved, turned and recoloured otherwise."""
    spread: float = 1.25
    """Standard deviation of the target heat maps, in cells of 2 pixels."""
    turn: float = 0.6
    """Largest turn of a picture, in radians."""
    zoom: float = 1.5
    """Largest enlargement; the largest reduction is its inverse."""
    flat: float = 0.15
    """Part of the pictures that show no figure, to learn not to be sure."""
    cut: float = 0.25
    """Part of the pictures in which the figure is cut off below, as in portraits."""


def train_keypoints(
    settings: KeypointTraining,
    folder: Path,
    *,
    start: Path | None = None,
    device: torch.device | str = "cpu",
    report: Report = print,
) -> None:
    """Train the key-point net on fresh drawings; goes on where the run in `folder` stopped.

    start: the folder of an exported model whose net the run begins with.
    """
    torch.manual_seed(settings.seed)
    net = KeypointNet(size=settings.size)
    if start is not None:
        begun = load_module(KeypointNet, start / "keypoints", dtype=torch.float32)
        net.load_state_dict(begun.state_dict())
    net = net.to(device, memory_format=torch.channels_last)
    chunk_of = lru_cache(maxsize=1)(
        partial(figure_chunk, settings.seed, count=settings.chunk, size=settings.size)
    )

    def loss_at(step: int) -> tuple[Tensor, dict[str, float]]:
        rng = np.random.default_rng((settings.seed, step, 0x4B))
        pixels, joints = random_views(chunk_of(step // settings.chunk_steps), settings, rng)
        maps, presence = net(pixels.to(device))
        return keypoint_loss(maps, presence, joints.to(device), spread=settings.spread)

    optimise(net, loss_at, settings.optimiser, folder=folder, report=report)


def keypoint_loss(
    maps: Float[Tensor, "b j h w"],
    presence: Float[Tensor, "b j"],
    joints: Float[Tensor, "b j 3"],
    *,
    spread: float,
) -> tuple[Tensor, dict[str, float]]:
    """Return cross-entropy against Gaussian heat maps plus that of presence, and figures.

    joints: x, y in cells, and 1 where present or 0 where not. Figures: mean distance of the peaks
    in cells, and the part of the loss that presence has.
    """
    there = joints[..., 2]
    target = _gaussians(joints[..., :2], maps, spread=spread)
    entropy = -(target * maps.flatten(2).log_softmax(dim=-1)).sum(dim=-1)
    placed = (entropy * there).sum() / there.sum().clamp(min=1)
    known = functional.binary_cross_entropy_with_logits(presence, there)
    peak, width = maps.flatten(2).argmax(dim=-1), maps.shape[-1]
    off = torch.hypot(peak % width - joints[..., 0], peak // width - joints[..., 1])
    error = (off * there).sum() / there.sum().clamp(min=1)
    return placed + known, {"cells": error.item(), "presence": known.item()}


def _gaussians(
    places: Float[Tensor, "b j 2"], maps: Float[Tensor, "b j h w"], *, spread: float
) -> Float[Tensor, "b j n"]:
    """Return heat maps of sum 1 about places, flattened, of the size of `maps`."""
    height, width = maps.shape[-2:]
    rows = torch.arange(height, device=maps.device).view(-1, 1)
    columns = torch.arange(width, device=maps.device).view(1, -1)
    across = (columns - places[..., 0, None, None]) ** 2
    distance = across + (rows - places[..., 1, None, None]) ** 2
    return (-distance / (2 * spread**2)).flatten(2).softmax(dim=-1)


def random_views(
    chunk: Figures, settings: KeypointTraining, rng: np.random.Generator
) -> tuple[Float[Tensor, "b 3 h w"], Float[Tensor, "b 18 3"]]:
    """Return a batch of pictures of a chunk, each varied anew, and their joints as `vary` does.

    Of some only the ground is shown; their joints are not there.
    """
    pictures, joints = [], []
    for row in rng.integers(len(chunk.images), size=settings.batch):
        empty = rng.random() < settings.flat
        body = np.full_like(chunk.bodies[row], np.nan) if empty else chunk.bodies[row]
        image = (chunk.grounds if empty else chunk.images)[row]
        picture, placed = vary(image, body, settings, rng)
        pictures.append(picture)
        joints.append(placed)
    pixels = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float() / 127.5 - 1
    return pixels, torch.from_numpy(np.stack(joints)).float()


def vary(
    image: Picture,
    body: Float[np.ndarray, "j 3"],
    settings: KeypointTraining,
    rng: np.random.Generator,
) -> tuple[Picture, Float[np.ndarray, "j 3"]]:
    """Turn, scale, move, mirror and recolour a picture; return it and its joints.

    body: x, y in pixels, of which the first has its middle at (0.5, 0.5), and confidence, NaN where
    missing. The joints returned are x, y in cells and 1 where the joint is in the picture; 0, 0, 0
    where it is not.
    """
    size = settings.size
    matrix = _random_matrix(settings, rng)
    if rng.random() < settings.cut and len(np.unique(body[np.isfinite(body[:, 1]), 1])) > 1:
        image, body, matrix = _cut_off(image, body, matrix, rng)
    moved = cv2.warpAffine(image, matrix, (size, size), borderMode=cv2.BORDER_REPLICATE)
    points = (body[:, :2] - 0.5) @ matrix[:, :2].T + matrix[:, 2]
    if rng.random() < 0.5:
        moved, points = moved[:, ::-1], points[list(BODY18.mirrored)] * (-1, 1) + (size - 1, 0)
    inside = np.all((points >= 0) & (points <= size - 1), axis=1)
    cells = np.where(inside[:, None], to_cells(np.nan_to_num(points)), 0.0)
    picture = _worn(_covered(_recoloured(moved, rng), rng), rng)
    return picture, np.column_stack([cells, inside])


def _random_matrix(
    settings: KeypointTraining, rng: np.random.Generator
) -> Float[np.ndarray, "2 3"]:
    """Return a random similarity transform of pixels about the centre; half of them do not turn."""
    size = settings.size
    scale = float(np.exp(rng.uniform(-1, 1) * np.log(settings.zoom)))
    turn = float(rng.uniform(-settings.turn, settings.turn)) * (rng.random() < 0.5)
    matrix = cv2.getRotationMatrix2D((size / 2, size / 2), np.degrees(turn), scale)
    matrix[:, 2] += rng.uniform(-SHIFT, SHIFT, 2) * size
    return np.asarray(matrix)


def _cut_off(
    image: Picture,
    body: Float[np.ndarray, "j 3"],
    matrix: Float[np.ndarray, "2 3"],
    rng: np.random.Generator,
) -> tuple[Picture, Float[np.ndarray, "j 3"], Float[np.ndarray, "2 3"]]:
    """Cut a figure off below, at any height; return picture, joints and transform.

    In half of the pictures the lower border cuts it, and the rest fills the picture; in the others
    it ends above an even band, as where a wide picture is fitted into a square.
    """
    top, bottom = np.nanmin(body[:, 1]), np.nanmax(body[:, 1])
    cut = float(top + rng.uniform(*CUT_AT) * (bottom - top))
    body = np.where(body[:, 1:2] < cut, body, np.nan)
    if rng.random() < 0.5:
        side = max(LEAST_SIDE, (cut - top) * (1 + rng.uniform(*ABOVE)))
        scale = image.shape[0] / side
        left = np.nanmean(body[:, 0]) + rng.uniform(-0.6, -0.4) * side
        return image, body, scale * np.array([(1, 0, -left), (0, 1, side - cut)])
    image = image.copy()
    image[round(cut) :] = np.median(image[[0, 0, -1, -1], [0, -1, 0, -1]], axis=0)
    return image, body, matrix


def _recoloured(image: Picture, rng: np.random.Generator) -> Picture:
    """Shift the colours of a picture and add noise; some are without colour."""
    gain, lift = rng.uniform(0.7, 1.2, 3), rng.uniform(-20, 20, 3)
    order = rng.permutation(3) if rng.random() < 0.3 else np.arange(3)
    if rng.random() < GREY:
        image = image.mean(axis=2, keepdims=True).repeat(3, axis=2)
    noisy = image[..., order] * gain + lift + rng.normal(0, rng.uniform(0, 6), image.shape)
    return np.clip(noisy, 0, 255).astype(np.uint8)


def _covered(image: Picture, rng: np.random.Generator) -> Picture:
    """Lay a plain rectangle over some pictures: joints below it have to be guessed."""
    if rng.random() >= COVERED:
        return image
    size = image.shape[0]
    height, width = rng.integers(size // 10, size // 3, 2)
    top, left = rng.integers(0, size - height), rng.integers(0, size - width)
    image = image.copy()
    image[top : top + height, left : left + width] = rng.integers(0, 256, 3)
    return image


def _worn(image: Picture, rng: np.random.Generator) -> Picture:
    """Blur some pictures, and store some others badly."""
    draw = rng.random()
    if draw < BLURRED:
        return np.asarray(cv2.GaussianBlur(image, (0, 0), float(rng.uniform(0.4, 1.5))))
    if draw > 1 - COMPRESSED:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(15, 80))]
        stored = cv2.imencode(".jpg", np.ascontiguousarray(image), quality)[1]
        return np.asarray(cv2.imdecode(stored, cv2.IMREAD_COLOR))
    return image
