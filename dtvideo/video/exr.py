"""OpenEXR frames: half floats, linear light, colours multiplied by alpha."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Float16, UInt8

from dtvideo.errors import UsageError
from dtvideo.files import atomic_path
from dtvideo.provenance import comment_of
from poses.requirement import require

REC709 = (0.64, 0.33, 0.30, 0.60, 0.15, 0.06, 0.3127, 0.3290)
"""Chromaticities x, y of red, green, blue and white (ITU-R BT.709, also those of sRGB)."""


def save_exr(
    path: Path, frame: UInt8[np.ndarray, "h w c"], *, rate: Fraction, source_type: str
) -> None:
    """Save an sRGB frame as scene-linear EXR (ZIP), whole or not at all.

    RGBA frames have straight alpha; the file's is premultiplied, as EXR demands.
    Raises: UsageError M1 when the package for it is not installed.
    """
    exr = open_exr()
    header = {
        "compression": exr.ZIP_COMPRESSION,
        "type": exr.scanlineimage,
        "chromaticities": REC709,
        "comments": comment_of(source_type),
        "digitalSourceType": source_type,
        "framesPerSecond": rate,
    }
    names = "RGBA" if frame.shape[2] == 4 else "RGB"
    with atomic_path(path) as temporary, exr.File(header, {names: linear_pixels(frame)}) as file:
        file.write(str(temporary))


def linear_pixels(frame: UInt8[np.ndarray, "h w c"]) -> Float16[np.ndarray, "h w c"]:
    """Return an sRGB frame as linear light; with alpha, colours are multiplied by it."""
    values = frame.astype(np.float32) / 255
    colours = to_linear(values[..., :3])
    if frame.shape[2] == 4:
        colours = np.concatenate([colours * values[..., 3:], values[..., 3:]], axis=-1)
    return np.ascontiguousarray(colours.astype(np.float16))


def to_linear(values: Float[np.ndarray, "*n"]) -> Float[np.ndarray, "*n"]:
    """Undo the transfer of sRGB (IEC 61966-2-1) on values from 0 to 1."""
    return np.asarray(
        np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    )


def open_exr() -> Any:
    """Return the OpenEXR package.

    Raises: UsageError M1 when it is not installed.
    """
    return require("OpenEXR", subject="exr", install="'dtvideo[studio]'", error=UsageError)
