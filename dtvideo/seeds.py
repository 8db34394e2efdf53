"""Randomness as a function: every draw is keyed by what it is for, never by when it is made."""

import hashlib

import torch
from torch import Tensor

MAX_SEED = 2**63 - 1


def derive_seed(seed: int, purpose: str, *keys: int | str) -> int:
    """Return a 63-bit seed that depends on the run's seed, a purpose and further keys."""
    text = "\x1f".join(map(str, (seed, purpose, *keys)))
    digest = hashlib.sha256(text.encode()).digest()
    return int.from_bytes(digest[:8], "big") & MAX_SEED


def keyed_generator(
    seed: int, purpose: str, *keys: int | str, device: torch.device | str = "cpu"
) -> torch.Generator:
    """Return a generator whose stream is a function of its keys and the kind of device alone."""
    return torch.Generator(device).manual_seed(derive_seed(seed, purpose, *keys))


def keyed_noise(
    shape: tuple[int, ...],
    seed: int,
    purpose: str,
    *keys: int | str,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """Return standard normal noise, drawn in float32 on the CPU, then moved."""
    generator = keyed_generator(seed, purpose, *keys)
    return torch.randn(shape, generator=generator).to(device=device, dtype=dtype)
