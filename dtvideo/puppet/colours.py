"""Which colour a part of a picture has, where several are mixed."""

import numpy as np
from jaxtyping import Float

SHADES = 6  # of each primary that are told apart

Colour = Float[np.ndarray, "3"]


def commonest(colours: Float[np.ndarray, "n 3"]) -> Colour:
    """Return the colour that most of some are nearly: the mean of the fullest box of shades.

    Colours are in [0, 1].
    """
    boxes = np.clip(colours * SHADES, 0, SHADES - 1).astype(int) @ (SHADES**2, SHADES, 1)
    return np.asarray(colours[boxes == np.bincount(boxes).argmax()].mean(axis=0))
