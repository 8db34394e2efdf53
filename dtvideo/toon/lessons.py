"""Lessons as the denoiser sees them: encoded pictures, pose maps, masks and captions."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor
from transformers import CLIPTokenizer

from dtvideo.toon.data import Lesson
from dtvideo.toon.patches import PatchAutoencoder
from poses.render import draw_pose


@dataclass(frozen=True, eq=False)
class Lessons:
    """Lessons as tensors: n characters with k targets each; latents (c, h, w) are scaled."""

    reference: Float[Tensor, "n c h w"]
    frames: Float[Tensor, "n k c h w"]
    before: Float[Tensor, "n k c h w"]
    """The frame before each target."""
    coarse: Float[Tensor, "n k c h w"]
    reference_map: UInt8[Tensor, "n 3 ph pw"]
    """Drawn poses, RGB."""
    frame_maps: UInt8[Tensor, "n k 3 ph pw"]
    before_maps: UInt8[Tensor, "n k 3 ph pw"]
    reference_mask: Float[Tensor, "n ph pw"]
    frame_masks: Float[Tensor, "n k ph pw"]
    reference_body: Float[Tensor, "n 18 3"]
    """Body-18 joints in pixels."""
    frame_bodies: Float[Tensor, "n k 18 3"]
    before_bodies: Float[Tensor, "n k 18 3"]
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


def encode_lesson(drawn: Lesson, *, vae: PatchAutoencoder, tokenizer: CLIPTokenizer) -> Lessons:
    """Return one drawn lesson as tensors on the CPU."""
    count = len(drawn.sequels)
    frames = [sequel.frame for sequel in drawn.sequels]
    before = [sequel.before for sequel in drawn.sequels]
    pictures = [drawn.reference, *frames, *before]
    images = [*(each.image for each in pictures), *(sequel.coarse for sequel in drawn.sequels)]
    latents = encode_pictures(np.stack(images), vae=vae)
    maps = torch.stack([_planes(draw_pose(each.pose)) for each in pictures])
    masks = torch.stack([torch.from_numpy(each.mask) for each in pictures])
    bodies = torch.stack([torch.from_numpy(each.pose.body).float() for each in pictures])
    parts = {
        "reference": latents[0],
        "frames": latents[1 : count + 1],
        "before": latents[count + 1 : 2 * count + 1],
        "coarse": latents[2 * count + 1 :],
        "reference_map": maps[0],
        "frame_maps": maps[1 : count + 1],
        "before_maps": maps[count + 1 :],
        "reference_mask": masks[0],
        "frame_masks": masks[1 : count + 1],
        "reference_body": bodies[0],
        "frame_bodies": bodies[1 : count + 1],
        "before_bodies": bodies[count + 1 :],
        "tokens": _tokens([drawn.caption, ""], tokenizer),
    }
    return Lessons(**{name: part[None] for name, part in parts.items()})


@torch.no_grad()
def encode_pictures(
    images: UInt8[np.ndarray, "n h w 3"], *, vae: PatchAutoencoder
) -> Float[Tensor, "n c lh lw"]:
    """Return the scaled posterior means of pictures, on the CPU."""
    pixels = torch.stack([_planes(image) for image in images]).float() / 127.5 - 1
    latents: Tensor = vae.encode(pixels.to(vae.device)).latent_dist.mean.cpu()
    return latents * float(vae.config.scaling_factor)


def _planes(image: UInt8[np.ndarray, "h w 3"]) -> UInt8[Tensor, "3 h w"]:
    return torch.from_numpy(image).permute(2, 0, 1)


def _tokens(captions: list[str], tokenizer: CLIPTokenizer) -> Int[Tensor, "n l"]:
    encoded = tokenizer(captions, padding="max_length", truncation=True, return_tensors="pt")
    tokens: Tensor = encoded.input_ids
    return tokens
