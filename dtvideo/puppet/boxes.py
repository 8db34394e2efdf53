"""Boxes around a character, so that no work is done far from it."""

import cv2
import numpy as np
from jaxtyping import Bool, Float

from dtvideo.puppet.body import Point

Box = tuple[slice, slice]
"""Rows and columns, as they index a picture."""


def box_around(region: Bool[np.ndarray, "h w"]) -> Box:
    """Return the smallest box around a region."""
    left, top, width, height = cv2.boundingRect(region.astype(np.uint8))
    return np.s_[top : top + height, left : left + width]


def offsets(
    box: Box, start: Point
) -> tuple[Float[np.ndarray, "1 columns"], Float[np.ndarray, "rows 1"]]:
    """Return how far to the right of a point, and how far below it, the pixels of a box are."""
    rows, columns = np.ogrid[box]
    return columns - start[0], rows - start[1]
