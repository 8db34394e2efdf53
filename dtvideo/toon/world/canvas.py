"""A canvas that parts are painted on from back to front: colour, coverage and order together."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, UInt8

SUPERSAMPLING = 2
_SHIFT = 4  # OpenCV's fixed point: sixteenths of a pixel

Colour = tuple[int, int, int]
Shape = Float[np.ndarray, "n 2"]


@dataclass(frozen=True)
class Style:
    """How parts are rendered.

    outline: width of the contour in heights of the picture, 0 for none; shading: "flat",
    "two-tone" or "soft"; light: where the light comes from in the picture (x right, y up);
    texture: strength of the grain, 0 for none.
    """

    outline: float = 0.012
    outline_colour: Colour | None = None
    shading: str = "flat"
    light: tuple[float, float] = (-0.6, 0.8)
    depth: float = 0.25
    texture: float = 0.0


class Canvas:
    """Where a figure is painted; everything is told in figure heights, x right and y up."""

    def __init__(
        self, size: tuple[int, int], *, style: Style, scale: float, centre: tuple[float, float]
    ) -> None:
        width, height = size
        self.size = size
        self.style = style
        self._pixels = scale * height
        self._origin = np.array([centre[0] * width, centre[1] * height])
        shape = (height * SUPERSAMPLING, width * SUPERSAMPLING)
        self._colours = np.zeros((*shape, 4), dtype=np.uint8)
        self._order = np.zeros((height, width), dtype=np.uint8)
        self._count = 0

    def to_pixels(self, points: Float[np.ndarray, "n d"]) -> Shape:
        """Return where points lie in the picture, in pixels (pixel centres at .5)."""
        return points[:, :2] * (self._pixels, -self._pixels) + self._origin

    def paint(
        self,
        shapes: Sequence[Shape],
        colour: Colour,
        *,
        marks: Sequence[tuple[Shape, Colour]] = (),
        outlined: bool = True,
        shaded: bool = True,
    ) -> None:
        """Paint one part: the union of convex shapes, with marks that stay inside of it."""
        polygons = [self._fixed(shape) for shape in shapes]
        self._count += 1
        self._paint_order(polygons)
        if outlined and self.style.outline > 0:
            self._paint_outline(polygons, colour)
        if not marks and (not shaded or self.style.shading == "flat"):
            for polygon in polygons:
                cv2.fillConvexPoly(self._colours, polygon, (*colour, 255), cv2.LINE_AA, _SHIFT)
            return
        self._paint_patch(polygons, colour, marks=marks, shaded=shaded)

    def stroke(self, line: Shape, colour: Colour, *, width: float) -> None:
        """Draw an open line over what is painted; width in figure heights."""
        thickness = max(1, round(width * self._pixels * SUPERSAMPLING))
        points = self._fixed(line)
        cv2.polylines(
            self._colours, [points], False, (*colour, 255), thickness, cv2.LINE_AA, _SHIFT
        )

    def finish(self) -> tuple[UInt8[np.ndarray, "h w 4"], UInt8[np.ndarray, "h w"]]:
        """Return the picture (premultiplied RGBA) and the order of parts (0: nothing)."""
        colours = cv2.resize(self._colours, self.size, interpolation=cv2.INTER_AREA)
        return colours, self._order

    def _fixed(self, shape: Shape) -> np.ndarray:
        pixels = self.to_pixels(shape) * SUPERSAMPLING - 0.5
        return np.round(pixels * (1 << _SHIFT)).astype(np.int32)

    def _paint_order(self, polygons: list[np.ndarray]) -> None:
        for polygon in polygons:
            cv2.fillConvexPoly(
                self._order, polygon // SUPERSAMPLING, min(self._count, 255), cv2.LINE_8, _SHIFT
            )

    def _paint_outline(self, polygons: list[np.ndarray], colour: Colour) -> None:
        ink = self.style.outline_colour or darker(colour, 0.45)
        thickness = max(1, round(2 * self.style.outline * self.size[1] * SUPERSAMPLING))
        cv2.polylines(self._colours, polygons, True, (*ink, 255), thickness, cv2.LINE_AA, _SHIFT)

    def _paint_patch(
        self,
        polygons: list[np.ndarray],
        colour: Colour,
        *,
        marks: Sequence[tuple[Shape, Colour]],
        shaded: bool,
    ) -> None:
        """Paint a part whose inside is not one colour: on a patch of its own, then blended."""
        box = self._box(polygons)
        if box is None:
            return
        left, top, right, bottom = box
        offset = np.array([left, top]) << _SHIFT
        mask = np.zeros((bottom - top, right - left), dtype=np.uint8)
        for polygon in polygons:
            cv2.fillConvexPoly(mask, polygon - offset, 255, cv2.LINE_AA, _SHIFT)
        patch = np.full((*mask.shape, 3), colour, dtype=np.uint8)
        for shape, ink in marks:
            cv2.fillPoly(patch, [self._fixed(shape) - offset], ink, cv2.LINE_AA, _SHIFT)
        if shaded and self.style.shading != "flat":
            patch = self._shade(patch, mask)
        region = self._colours[top:bottom, left:right]
        _blend(region, patch, mask)

    def _box(self, polygons: list[np.ndarray]) -> tuple[int, int, int, int] | None:
        points = np.concatenate(polygons) >> _SHIFT
        height, width = self._colours.shape[:2]
        left, top = np.maximum(points.min(axis=0) - 2, 0)
        right, bottom = np.minimum(points.max(axis=0) + 4, (width, height))
        return (left, top, right, bottom) if left < right and top < bottom else None

    def _shade(
        self, patch: UInt8[np.ndarray, "h w 3"], mask: UInt8[np.ndarray, "h w"]
    ) -> UInt8[np.ndarray, "h w 3"]:
        """Darken the side of a part that is away from the light."""
        height, width = mask.shape
        reach = 0.22 * min(height, width)
        x, y = self.style.light
        move = np.array([[1, 0, x * reach], [0, 1, -y * reach]], dtype=np.float64)
        lit = cv2.warpAffine(mask, move, (width, height), flags=cv2.INTER_NEAREST)
        if self.style.shading == "soft":
            size = 2 * max(1, round(reach)) + 1
            lit = cv2.blur(lit, (size, size), borderType=cv2.BORDER_REPLICATE)
        dark = cv2.subtract(mask, lit)
        weight = 256 - (dark.astype(np.uint16) * int(256 * self.style.depth) >> 8)
        return (patch * weight[..., None] >> 8).astype(np.uint8)


def _blend(
    region: UInt8[np.ndarray, "h w 4"],
    patch: UInt8[np.ndarray, "h w 3"],
    mask: UInt8[np.ndarray, "h w"],
) -> None:
    """Lay a patch over a region of the canvas, in place, weighted by its mask."""
    weight = mask.astype(np.uint16)[..., None]
    rest = 255 - weight
    region[..., :3] = (region[..., :3] * rest + patch * weight + 127) // 255
    region[..., 3:] = (region[..., 3:] * rest + 255 * weight + 127) // 255


def darker(colour: Colour, factor: float) -> Colour:
    """Return a colour with its channels scaled."""
    red, green, blue = (min(255, round(channel * factor)) for channel in colour)
    return red, green, blue


def mixed(colour: Colour, other: Colour, share: float) -> Colour:
    """Return a colour moved towards another by a share in [0, 1]."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(colour, other, strict=True))
    return red, green, blue
