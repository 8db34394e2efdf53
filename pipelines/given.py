"""Pictures and masks as a program hands them to `open`, checked before anything is computed."""

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

from dtvideo.errors import UsageError


def given_picture(name: str, given: object) -> UInt8[np.ndarray, "h w 3"]:
    """Return a picture as an array: uint8 of (h, w, 3), or a PIL image of the mode RGB.

    Raises: UsageError M11 for anything else.
    """
    picture = np.asarray(given) if isinstance(given, Image.Image) and given.mode == "RGB" else given
    if isinstance(picture, np.ndarray) and picture.dtype == np.uint8 and picture.shape[2:] == (3,):
        return picture
    raise UsageError(
        "M11",
        name,
        f"is {_described(given)}",
        "give a uint8 array (height, width, 3) of values from 0 to 255, or a PIL image in RGB",
    )


def given_mask(given: object) -> Float[np.ndarray, "mask_h mask_w"] | None:
    """Return a mask as it is: an array of floats, (h, w), or none; its values are not looked at.

    Raises: UsageError M11 for anything else.
    """
    if given is None:
        return None
    if isinstance(given, np.ndarray) and given.ndim == 2 and given.dtype.kind == "f":
        return given
    raise UsageError(
        "M11",
        "mask",
        f"is {_described(given)}",
        "give a float array (height, width) of values from 0 to 1, such as float32",
    )


def _described(given: object) -> str:
    if isinstance(given, Image.Image):
        return f"a PIL image of the mode {given.mode}"
    if isinstance(given, np.ndarray):
        return f"an array of {given.dtype} and shape {given.shape}"
    return f"of the type {type(given).__module__}.{type(given).__name__}"
