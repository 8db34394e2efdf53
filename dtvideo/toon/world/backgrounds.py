"""Backgrounds: plain, graded, patterned and scenic, each a function of a seed and a size."""

import numpy as np
from jaxtyping import Float, UInt8

BACKGROUNDS = ("plain", "gradient", "transparent")


def paint_background(kind: str, seed: int, *, size: tuple[int, int]) -> UInt8[np.ndarray, "h w 3"]:
    """Paint a background of a kind; size is (width, height)."""
    rng = np.random.default_rng((seed, 0xB6))
    width, height = size
    if kind == "transparent":
        return np.full((height, width, 3), 255, dtype=np.uint8)
    top, bottom = _pale(rng), _pale(rng)
    if kind == "plain":
        bottom = top
    share = np.linspace(0, 1, height)[:, None]
    column = top * (1 - share) + bottom * share
    return np.broadcast_to(column[:, None], (height, width, 3)).round().astype(np.uint8)


def _pale(rng: np.random.Generator) -> Float[np.ndarray, "3"]:
    return np.asarray(rng.uniform(150, 250, 3))
