"""Pictures to latents and back, and the noise that a frame starts from."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from dtvideo.errors import QualityError
from dtvideo.seeds import keyed_noise

FLAT = 0.5  # standard deviation, of 255, below which a picture is one flat colour


def picture_tensor(
    picture: UInt8[np.ndarray, "h w 3"], *, device: torch.device | str, dtype: torch.dtype
) -> Float[Tensor, "1 3 h w"]:
    """Return a picture as a batch of one in [0, 1]."""
    channels_first = torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)))
    return channels_first[None].to(device=device, dtype=dtype) / 255


def encode_picture(
    vae: Any, picture: UInt8[np.ndarray, "h w 3"], *, device: torch.device | str
) -> Float[Tensor, "1 c lh lw"]:
    """Return the scaled mean of the autoencoder's posterior; no draw is made."""
    pixels = picture_tensor(picture, device=device, dtype=vae.dtype) * 2 - 1
    shift = getattr(vae.config, "shift_factor", None) or 0.0
    encoded = vae.encode(pixels)
    mean = encoded.latent_dist.mean if hasattr(encoded, "latent_dist") else encoded.latents
    latents: Tensor = (mean - shift) * vae.config.scaling_factor
    return latents


def decode_latents(
    vae: Any, latents: Float[Tensor, "1 c lh lw"], *, frame: int
) -> UInt8[np.ndarray, "h w 3"]:
    """Return the picture of some latents; half precision that overflows is decoded in float32.

    Raises: QualityError M7 when the picture is not finite, M8 when it is one flat colour.
    """
    shift = getattr(vae.config, "shift_factor", None) or 0.0
    unscaled = latents / vae.config.scaling_factor + shift
    pixels = vae.decode(unscaled.to(vae.dtype)).sample
    if vae.dtype != torch.float32 and not torch.isfinite(pixels).all():
        with _in_float32(vae):
            pixels = vae.decode(unscaled.float()).sample
    if not torch.isfinite(pixels).all():
        raise QualityError(
            "M7", f"frame {frame}", "the decoded picture is not finite", "try --dtype float32"
        )
    picture = ((pixels[0].float() / 2 + 0.5).clamp(0, 1) * 255).round()
    array: np.ndarray = picture.permute(1, 2, 0).to(device="cpu", dtype=torch.uint8).numpy()
    if array.std(axis=(0, 1)).max() < FLAT:
        colour = tuple(int(value) for value in array[0, 0])
        raise QualityError(
            "M8", f"frame {frame}", f"is one flat colour, RGB {colour}", "lower the guidance scales"
        )
    return array


@contextmanager
def _in_float32(vae: Any) -> Iterator[None]:
    """Let an autoencoder compute in float32 for a while; its weights end as they were."""
    dtype = vae.dtype
    try:
        with torch.inference_mode(False):
            vae.float()
        yield
    finally:
        with torch.inference_mode(False):
            vae.to(dtype)


def frame_noise(
    shape: tuple[int, ...],
    *,
    seed: int,
    frame: int,
    shared: float,
) -> Float[Tensor, "1 c lh lw"]:
    """Return the standard normal noise that a frame starts from.

    shared: the share of its variance that all frames have in common, in [0, 1]; 1 starts every
    frame from the same noise.
    """
    common = keyed_noise(shape, seed, "latents", "shared")
    own = keyed_noise(shape, seed, "latents", frame)
    return math.sqrt(shared) * common + math.sqrt(1 - shared) * own
