"""Change a picture of a character so that what stays is the character and not the layout."""

import cv2
import numpy as np
from jaxtyping import Float, UInt8

ANGLE = 20.0  # degrees, either way
SCALES = (0.75, 1.15)
ELASTIC = 0.03  # largest displacement, as a share of the side
ELASTIC_GRID = 5  # displacements across the picture
BLUR = 1.2  # largest standard deviation, in pixels of a picture of 128
WHITE = (255, 255, 255)


def augment_subject(
    picture: UInt8[np.ndarray, "h w 3"], generator: np.random.Generator
) -> UInt8[np.ndarray, "h w 3"]:
    """Return a character on white bent, turned, scaled, perhaps mirrored and blurred.

    As in appendix A of arXiv:2312.13691, which names the changes but not their size.
    """
    height, width = picture.shape[:2]
    if generator.random() < 0.5:
        picture = np.ascontiguousarray(picture[:, ::-1])
    places = _similar(height, width, generator) + _bent(height, width, generator)
    moved = cv2.remap(
        picture, places, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=WHITE
    )
    if generator.random() < 0.5:
        spread = generator.uniform(0.2, BLUR) * max(height, width) / 128
        moved = cv2.GaussianBlur(moved, (0, 0), spread, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(moved, dtype=np.uint8)


def _similar(height: int, width: int, generator: np.random.Generator) -> Float[np.ndarray, "h w 2"]:
    """Return where each pixel of a turned and scaled picture comes from, (x, y)."""
    scale = generator.uniform(*SCALES)
    angle = generator.uniform(-ANGLE, ANGLE)
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), angle, 1 / scale)
    rows, columns = np.mgrid[:height, :width]
    grid = np.stack([columns, rows, np.ones_like(rows)], axis=-1)
    return np.asarray(grid @ matrix.T, dtype=np.float32)


def _bent(height: int, width: int, generator: np.random.Generator) -> Float[np.ndarray, "h w 2"]:
    """Return a smooth random displacement of every pixel."""
    coarse = generator.uniform(-1, 1, (ELASTIC_GRID, ELASTIC_GRID, 2)).astype(np.float32)
    smooth = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.asarray(smooth * np.float32(ELASTIC * max(height, width)))
