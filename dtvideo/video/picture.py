"""From a decoded frame to an upright RGB picture: matrix, range, pixel shape, orientation."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from av.sidedata.sidedata import Type as SideDataType
from av.video.reformatter import ColorRange, Colorspace, Interpolation
from jaxtyping import UInt8

QUALITY = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT
MATRICES = {
    1: Colorspace.ITU709,
    4: Colorspace.FCC,
    5: Colorspace.ITU601,
    6: Colorspace.ITU601,
    7: Colorspace.SMPTE240M,
    9: Colorspace.BT2020,
    10: Colorspace.BT2020,
}
HIGH_DYNAMIC_RANGE = {16: "PQ", 18: "HLG"}
ODD_ANGLE_DEGREES = 1.0


@dataclass(frozen=True)
class Orientation:
    """How stored rows and columns become an upright picture: transpose first, then flip."""

    transposed: bool = False
    flip_x: bool = False
    flip_y: bool = False
    odd_degrees: float = 0.0
    """How far the file's angle is from the right angle that is applied."""

    @property
    def rotation(self) -> int:
        """Counter-clockwise degrees of the turn, 0, 90, 180 or 270 (after any mirroring)."""
        if self.transposed:
            return 90 if self.flip_y else 270
        return 180 if self.flip_y else 0

    @property
    def mirrored(self) -> bool:
        """Whether left and right are swapped besides the turn."""
        return self.transposed ^ self.flip_x ^ self.flip_y

    def apply(self, image: UInt8[np.ndarray, "h w c"]) -> UInt8[np.ndarray, "h2 w2 c"]:
        """Return the upright picture, contiguous in memory."""
        upright = image.transpose(1, 0, 2) if self.transposed else image
        upright = upright[:: -1 if self.flip_y else 1, :: -1 if self.flip_x else 1]
        return np.ascontiguousarray(upright)


@dataclass(frozen=True)
class ColourTags:
    """What the file says about its colours; numbers of ITU-T H.273, 2 is "not stated"."""

    matrix: int
    primaries: int
    transfer: int
    full_range: bool


def orientation_of(frame: Any) -> Orientation:
    """Read the display matrix of a frame; without one the frame is upright.

    The matrix maps x' = a x + c y, y' = b x + d y, rows downwards (ISO 14496-12, 6.2.2).
    """
    for data in frame.side_data:
        if data.type == SideDataType.DISPLAYMATRIX:
            a, b, _, c, d, *_ = np.frombuffer(bytes(data), np.int32).tolist()
            return _orientation(a, b, c, d)
    return Orientation()


def _orientation(a: int, b: int, c: int, d: int) -> Orientation:
    transposed = abs(b) > abs(a)
    leading, other = (b, a) if transposed else (a, b)
    odd = float(np.degrees(np.arctan2(abs(other), abs(leading)))) if leading else 0.0
    flip_x, flip_y = (c < 0, b < 0) if transposed else (a < 0, d < 0)
    return Orientation(transposed, flip_x, flip_y, odd)


def colours_of(frame: Any) -> ColourTags:
    """Read a decoded frame's colour tags."""
    full = int(frame.color_range) == int(ColorRange.JPEG) or _is_rgb(frame)
    return ColourTags(int(frame.colorspace), int(frame.color_primaries), int(frame.color_trc), full)


def square_size(width: int, height: int, shape: Fraction | None) -> tuple[int, int]:
    """Return the size with square pixels: the side that is too short is stretched."""
    if not shape or shape == 1:
        return width, height
    if shape > 1:
        return round(width * shape), height
    return width, round(height / shape)


def to_rgb(frame: Any, size: tuple[int, int]) -> UInt8[np.ndarray, "h w 3"]:
    """Convert a decoded frame to full-range RGB of `size` (stored orientation).

    A frame that does not state its matrix has BT.709 when it is larger than standard
    definition and BT.601 otherwise, as players assume.
    """
    tags = colours_of(frame)
    assumed = Colorspace.ITU709 if _is_high_definition(frame) else Colorspace.ITU601
    converted = frame.reformat(
        width=size[0],
        height=size[1],
        format="rgb24",
        src_colorspace=MATRICES.get(tags.matrix, assumed),
        src_color_range=ColorRange.JPEG if tags.full_range else ColorRange.MPEG,
        dst_color_range=ColorRange.JPEG,
        interpolation=QUALITY,
        threads=1,
    )
    return np.asarray(converted.to_ndarray())


def _is_high_definition(frame: Any) -> bool:
    sides = sorted((frame.width, frame.height))
    return bool(sides[1] >= 1280 or sides[0] > 576)


def _is_rgb(frame: Any) -> bool:
    return bool(frame.format.is_rgb) or "pal8" in frame.format.name
