"""Lessons as the denoiser sees them: pictures, pose maps, body places, masks and captions."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float, Int, Shaped, UInt8
from torch import Tensor
from transformers import CLIPTokenizer

from dtvideo.attention import body_places
from dtvideo.toon.data import Lesson
from dtvideo.toon.model import ATTENTION_STRIDES
from dtvideo.toon.patches import PatchAutoencoder
from poses.render import draw_pose
from poses.types import Pose

PICTURES = ("reference", "frames", "before", "coarse")


@dataclass(frozen=True, eq=False)
class Lessons:
    """Lessons as tensors: n characters with k targets each.

    Pictures are RGB of 0 to 255 as drawn; `encode_lessons` makes scaled latents of them.
    """

    reference: Shaped[Tensor, "n c h w"]
    frames: Shaped[Tensor, "n k c h w"]
    before: Shaped[Tensor, "n k c h w"]
    """The frame before each target."""
    coarse: Shaped[Tensor, "n k c h w"]
    reference_map: UInt8[Tensor, "n 3 ph pw"]
    """Drawn poses, RGB."""
    frame_maps: UInt8[Tensor, "n k 3 ph pw"]
    before_maps: UInt8[Tensor, "n k 3 ph pw"]
    reference_mask: Float[Tensor, "n ph pw"]
    frame_masks: Float[Tensor, "n k ph pw"]
    reference_places: Float[Tensor, "n cells 3"]
    """Where on the body each token is, of all layers: those of the finest grid first."""
    frame_places: Float[Tensor, "n k cells 3"]
    before_places: Float[Tensor, "n k cells 3"]
    tokens: Int[Tensor, "n 2 l"]
    """The l tokens of the caption, then of the empty caption."""

    def __len__(self) -> int:
        return len(self.reference)

    def rows(self, indices: Tensor) -> "Lessons":
        """Return some of the lessons."""
        return Lessons(**{name: part[indices] for name, part in vars(self).items()})

    def to(self, device: torch.device | str) -> "Lessons":
        """Return the lessons on a device."""
        return Lessons(**{name: part.to(device) for name, part in vars(self).items()})


def stack_lessons(lessons: Sequence[Lessons]) -> Lessons:
    """Return all lessons as one."""
    names = vars(lessons[0])
    return Lessons(**{name: torch.cat([vars(each)[name] for each in lessons]) for name in names})


def lesson_tensors(drawn: Lesson, *, tokenizer: CLIPTokenizer) -> Lessons:
    """Return one drawn lesson as tensors on the CPU, its pictures not encoded."""
    count = len(drawn.sequels)
    frames = [sequel.frame for sequel in drawn.sequels]
    before = [sequel.before for sequel in drawn.sequels]
    drawings = [drawn.reference, *frames, *before]
    images = [*(each.image for each in drawings), *(sequel.coarse for sequel in drawn.sequels)]
    pictures = torch.stack([_planes(image) for image in images])
    maps = torch.stack([_planes(draw_pose(each.pose)) for each in drawings])
    masks = torch.stack([torch.from_numpy(each.mask) for each in drawings[: count + 1]])
    places = torch.stack([layer_places(each.pose) for each in drawings])
    parts = {
        "reference": pictures[0],
        "frames": pictures[1 : count + 1],
        "before": pictures[count + 1 : 2 * count + 1],
        "coarse": pictures[2 * count + 1 :],
        "reference_map": maps[0],
        "frame_maps": maps[1 : count + 1],
        "before_maps": maps[count + 1 :],
        "reference_mask": masks[0],
        "frame_masks": masks[1:],
        "reference_places": places[0],
        "frame_places": places[1 : count + 1],
        "before_places": places[count + 1 :],
        "tokens": _tokens([drawn.caption, ""], tokenizer),
    }
    return Lessons(**{name: part[None] for name, part in parts.items()})


def layer_places(pose: Pose) -> Float[Tensor, "cells 3"]:
    """Return where on the body each token is of all layers with self-attention."""
    width, height = pose.size
    grids = [(height // stride, width // stride) for stride in ATTENTION_STRIDES]
    return torch.from_numpy(np.concatenate([body_places(pose, grid) for grid in grids]))


def encode_lessons(lessons: Lessons, *, vae: PatchAutoencoder) -> Lessons:
    """Return lessons with scaled latents in the place of their pictures."""
    encoded = {}
    for name in PICTURES:
        pictures: Tensor = getattr(lessons, name)
        latents = encode_pictures(pictures.flatten(0, -4), vae=vae)
        encoded[name] = latents.view(*pictures.shape[:-3], *latents.shape[-3:])
    return replace(lessons, **encoded)


@torch.no_grad()
def encode_pictures(
    pictures: UInt8[Tensor, "n 3 h w"], *, vae: PatchAutoencoder
) -> Float[Tensor, "n c lh lw"]:
    """Return the scaled posterior means of pictures, where they are."""
    latents: Tensor = vae.encode(pictures.float() / 127.5 - 1).latent_dist.mean
    return latents * float(vae.config.scaling_factor)


def _planes(image: UInt8[np.ndarray, "h w 3"]) -> UInt8[Tensor, "3 h w"]:
    return torch.from_numpy(image).permute(2, 0, 1)


def _tokens(captions: list[str], tokenizer: CLIPTokenizer) -> Int[Tensor, "n l"]:
    encoded = tokenizer(captions, padding="max_length", truncation=True, return_tensors="pt")
    tokens: Tensor = encoded.input_ids
    return tokens
