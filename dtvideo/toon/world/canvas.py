"""A canvas that parts are painted on from back to front: colour, coverage and order together."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
from jaxtyping import Float, Int, UInt8

SUPERSAMPLING = 2
_SHIFT = 4  # OpenCV's fixed point: sixteenths of a pixel
_GRAIN = 512  # side of the tile of grain

Colour = tuple[int, int, int]
Shape = Float[np.ndarray, "_ 2"]
Fixed = Int[np.ndarray, "_ 2"]
Corner = Int[np.ndarray, "2"]


@dataclass(frozen=True)
class Style:
    """How parts are rendered.

    outline: half width of the contour in heights of the picture, 0 for none; outline_colour:
    one ink for all parts, else each part's own colour darkened; shading: "flat", "two-tone" or
    "soft"; light: where it comes from in the picture (x right, y up); depth: how dark shade is;
    grain: strength of the texture, 0 for none; pixel: side of a pixel in heights of the
    picture where the drawing is made of coarse pixels, else 0.
    """

    outline: float = 0.006
    outline_colour: Colour | None = None
    shading: str = "flat"
    light: tuple[float, float] = (-0.6, 0.8)
    depth: float = 0.25
    grain: float = 0.0
    pixel: float = 0.0


@dataclass(frozen=True, eq=False)
class Mark:
    """Something drawn on a part and cut off at its edge: a filled shape, or a line of a width."""

    shape: Shape
    colour: Colour
    width: float = 0.0


class Canvas:
    """Where a figure is painted; everything is told in figure heights, x right and y up."""

    def __init__(
        self, size: tuple[int, int], *, style: Style, scale: float, centre: tuple[float, float]
    ) -> None:
        width, height = size
        self.size = size
        self.style = style
        self._unit = scale * height
        self._origin = np.array([centre[0] * width, centre[1] * height])
        shape = (height * SUPERSAMPLING, width * SUPERSAMPLING)
        self._colours = np.zeros((*shape, 4), dtype=np.uint8)
        self._order = np.zeros((height, width), dtype=np.uint8)
        self._count = 0

    def to_pixels(self, points: Float[np.ndarray, "n d"]) -> Shape:
        """Return where points lie in the picture, in pixels (pixel centres at .5)."""
        return np.asarray(points[:, :2] * (self._unit, -self._unit) + self._origin)

    def paint(
        self,
        shapes: Sequence[Shape],
        colour: Colour,
        *,
        marks: Sequence[Mark] = (),
        holes: Sequence[Shape] = (),
        outlined: bool = True,
        shaded: bool = True,
    ) -> None:
        """Paint one part: the union of convex shapes less the holes, with marks on it."""
        polygons = [self._fixed(shape) for shape in shapes]
        outlined = outlined and self.style.outline > 0
        shaded = shaded and (self.style.shading != "flat" or self.style.grain > 0)
        self._count = min(self._count + 1, 255)
        if marks or holes or shaded:
            cut = [self._fixed(hole) for hole in holes]
            self._paint_patch(
                polygons, colour, marks=marks, holes=cut, outlined=outlined, shaded=shaded
            )
            return
        if outlined:
            ink, thickness = (*self._ink(colour), 255), 2 * self._contour_width()
            cv2.polylines(self._colours, polygons, True, ink, thickness, cv2.LINE_AA, _SHIFT)
        for polygon in polygons:
            cv2.fillConvexPoly(self._colours, polygon, (*colour, 255), cv2.LINE_AA, _SHIFT)
            small = polygon // SUPERSAMPLING
            cv2.fillConvexPoly(self._order, small, self._count, cv2.LINE_8, _SHIFT)

    def finish(self) -> tuple[UInt8[np.ndarray, "h w 4"], UInt8[np.ndarray, "h w"]]:
        """Return the picture (premultiplied RGBA) and the order of parts (0: nothing)."""
        colours = cv2.resize(self._colours, self.size, interpolation=cv2.INTER_AREA)
        if self.style.pixel > 0:
            colours = _pixelate(colours, side=self.style.pixel * self.size[1])
        return colours, self._order_within(colours[..., 3])

    def _order_within(self, alpha: UInt8[np.ndarray, "h w"]) -> UInt8[np.ndarray, "h w"]:
        """Return the order of parts where something is painted: a contour belongs to its part."""
        reach = int(np.ceil(max(self.style.outline, self.style.pixel) * self.size[1])) + 1
        brush = np.ones((2 * reach + 1, 2 * reach + 1), dtype=np.uint8)
        spread = cv2.dilate(self._order, brush)
        return np.where(alpha == 0, 0, np.where(self._order > 0, self._order, spread)).astype(
            np.uint8
        )

    def _fixed(self, shape: Shape) -> Fixed:
        pixels = self.to_pixels(shape) * SUPERSAMPLING - 0.5
        return np.rint(pixels * (1 << _SHIFT)).astype(np.int32)

    def _ink(self, colour: Colour) -> Colour:
        return self.style.outline_colour or scaled(colour, 0.45)

    def _contour_width(self) -> int:
        return max(1, round(self.style.outline * self.size[1] * SUPERSAMPLING))

    def _paint_patch(
        self,
        polygons: list[Fixed],
        colour: Colour,
        *,
        marks: Sequence[Mark],
        holes: list[Fixed],
        outlined: bool,
        shaded: bool,
    ) -> None:
        """Paint a part whose inside is not one colour: on a patch of its own, then blended."""
        box = self._box(polygons)
        if box is None:
            return
        left, top, right, bottom = box
        offset = np.array([left, top], dtype=np.int32) << _SHIFT
        mask = np.zeros((bottom - top, right - left), dtype=np.uint8)
        for polygon in polygons:
            cv2.fillConvexPoly(mask, polygon - offset, 255, cv2.LINE_AA, _SHIFT)
        patch = np.empty((*mask.shape, 4), dtype=np.uint8)
        patch[:] = (*colour, 255)
        self._paint_marks(patch, marks, offset=offset)
        if shaded:
            self._shade(patch, mask, anchor=polygons[0][0] - offset)
        for hole in holes:
            cv2.fillPoly(mask, [hole - offset], 0, cv2.LINE_AA, _SHIFT)
        order = self._order[top // 2 : (bottom + 1) // 2, left // 2 : (right + 1) // 2]
        order[mask[::2, ::2] > 127] = self._count
        if outlined:
            mask = self._draw_contour(patch, mask, self._ink(colour))
        weight = mask.astype(np.float32)
        region = self._colours[top:bottom, left:right]
        region[:] = cv2.blendLinear(patch, np.ascontiguousarray(region), weight, 255 - weight)

    def _draw_contour(
        self, patch: UInt8[np.ndarray, "h w 4"], mask: UInt8[np.ndarray, "h w"], ink: Colour
    ) -> UInt8[np.ndarray, "h w"]:
        """Fill a patch with ink outside of its mask and return the mask grown by the contour."""
        size = 2 * self._contour_width() + 1
        brush = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
        contour = np.empty_like(patch)
        contour[:] = (*ink, 255)
        weight = mask.astype(np.float32)
        patch[:] = cv2.blendLinear(patch, contour, weight, 255 - weight)
        return np.asarray(cv2.dilate(mask, brush))

    def _paint_marks(
        self, patch: UInt8[np.ndarray, "h w 4"], marks: Sequence[Mark], *, offset: Corner
    ) -> None:
        for mark in marks:
            points, ink = [self._fixed(mark.shape) - offset], (*mark.colour, 255)
            if mark.width == 0:
                cv2.fillPoly(patch, points, ink, cv2.LINE_AA, _SHIFT)
                continue
            thickness = max(1, round(mark.width * self._unit * SUPERSAMPLING))
            cv2.polylines(patch, points, False, ink, thickness, cv2.LINE_AA, _SHIFT)

    def _box(self, polygons: list[Fixed]) -> tuple[int, int, int, int] | None:
        """Return the even box around polygons that lies on the canvas, if any."""
        points = np.concatenate(polygons) >> _SHIFT
        height, width = self._colours.shape[:2]
        margin = 4 + round(self.style.outline * self.size[1] * SUPERSAMPLING)
        left, top = (max(int(low) - margin, 0) // 2 * 2 for low in points.min(axis=0))
        right, bottom = (int(high) + margin for high in points.max(axis=0))
        right, bottom = min(right, width), min(bottom, height)
        return (left, top, right, bottom) if left < right and top < bottom else None

    def _shade(
        self,
        patch: UInt8[np.ndarray, "h w 4"],
        mask: UInt8[np.ndarray, "h w"],
        *,
        anchor: Corner,
    ) -> None:
        """Darken the side of a part that is away from the light, and roughen it, in place."""
        weight = np.ones(mask.shape, dtype=np.float32)
        if self.style.shading != "flat":
            weight -= self.style.depth / 255 * self._shadow(mask)
        if self.style.grain > 0:
            x, y = (int(value) >> _SHIFT for value in anchor)
            step = 256 / self._unit / SUPERSAMPLING
            rows = ((np.arange(mask.shape[0]) - y) * step).astype(int) % _GRAIN
            columns = ((np.arange(mask.shape[1]) - x) * step).astype(int) % _GRAIN
            weight += self.style.grain * _grain()[rows][:, columns]
        shaded = patch[..., :3] * weight[..., None]
        np.clip(shaded, 0, 255, out=shaded)
        patch[..., :3] = shaded

    def _shadow(self, mask: UInt8[np.ndarray, "h w"]) -> Float[np.ndarray, "h w"]:
        """Return how much of a part lies in shade, up to 255: its mask less itself, moved.

        Soft shade is below zero in the middle of a broad part: a faint highlight.
        """
        unit = self._unit * SUPERSAMPLING
        reach = min(0.25 * min(mask.shape), 0.055 * unit)
        x, y = self.style.light
        lit = _moved(mask, round(x * reach), round(-y * reach))
        if self.style.shading == "soft":
            size = 2 * max(1, round(reach)) + 1
            far = cv2.blur(_moved(mask, round(-x * reach), round(y * reach)), (size, size))
            lit = cv2.blur(lit, (size, size))
            return np.asarray(0.7 * far.astype(np.float32) - np.float32(1.4) * lit + 160)
        return np.asarray(cv2.subtract(mask, lit), dtype=np.float32)


def _moved(mask: UInt8[np.ndarray, "h w"], x: int, y: int) -> UInt8[np.ndarray, "h w"]:
    """Return a mask moved by whole pixels, with nothing where it came from."""
    height, width = mask.shape
    moved = np.zeros_like(mask)
    if abs(x) < width and abs(y) < height:
        moved[max(y, 0) : height + min(y, 0), max(x, 0) : width + min(x, 0)] = mask[
            max(-y, 0) : height + min(-y, 0), max(-x, 0) : width + min(-x, 0)
        ]
    return moved


def _pixelate(colours: UInt8[np.ndarray, "h w 4"], *, side: float) -> UInt8[np.ndarray, "h w 4"]:
    """Return a picture of coarse square pixels that are either covered or not."""
    height, width = colours.shape[:2]
    small = (max(1, round(width / side)), max(1, round(height / side)))
    coarse = cv2.resize(colours, small, interpolation=cv2.INTER_AREA).astype(np.float32)
    alpha = coarse[..., 3:]
    whole = np.where(alpha > 127, coarse * 255 / np.maximum(alpha, 1), 0)
    whole[..., :3] = np.rint(whole[..., :3] / 12) * 12
    bounded = np.clip(whole, 0, 255).astype(np.uint8)
    return np.asarray(cv2.resize(bounded, (width, height), interpolation=cv2.INTER_NEAREST))


@cache
def _grain() -> Float[np.ndarray, "side side"]:
    """Return a tile of grain of about unit strength, fine, coarse and streaky together."""
    fine = np.random.default_rng(7).standard_normal((_GRAIN, _GRAIN)).astype(np.float32)
    coarse = cv2.GaussianBlur(fine, (0, 0), 3)
    return np.asarray(cv2.blur(fine, (2, 2)) * 0.8 + coarse * 4 + cv2.blur(fine, (25, 1)) * 3)


def scaled(colour: Colour, factor: float) -> Colour:
    """Return a colour with its channels scaled: below 1 it is darker."""
    red, green, blue = (min(255, round(channel * factor)) for channel in colour)
    return red, green, blue


def mixed(colour: Colour, other: Colour, share: float) -> Colour:
    """Return a colour moved towards another by a share in [0, 1]."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(colour, other, strict=True))
    return red, green, blue


def brightness(colour: Colour) -> float:
    """Return how bright a colour looks, from 0 to 255."""
    red, green, blue = colour
    return 0.3 * red + 0.59 * green + 0.11 * blue
