"""Backgrounds: plain, graded, patterned and scenic, each a function of a seed and a size."""

from collections.abc import Callable

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from dtvideo.toon.world.canvas import Colour, mixed, scaled
from dtvideo.toon.world.palette import COLOURS, WHITE, varied

Picture = UInt8[np.ndarray, "h w 3"]
_SUPERSAMPLING = 2
_SHIFT = 4


class Ground:
    """A picture to paint on in fractions of its width (x) and height (y from the top)."""

    def __init__(self, size: tuple[int, int], rng: np.random.Generator) -> None:
        width, height = (side * _SUPERSAMPLING for side in size)
        self.pixels = np.zeros((height, width, 3), dtype=np.uint8)
        self.rng = rng
        self._scale = np.array([width, height])

    def polygon(self, points: Float[np.ndarray, "n 2"], colour: Colour) -> None:
        """Fill a shape."""
        fixed = np.rint(points * self._scale * (1 << _SHIFT)).astype(np.int32)
        cv2.fillPoly(self.pixels, [fixed], colour, cv2.LINE_AA, _SHIFT)

    def box(self, left: float, top: float, right: float, bottom: float, *, colour: Colour) -> None:
        """Fill an upright rectangle."""
        corners = [(left, top), (right, top), (right, bottom), (left, bottom)]
        self.polygon(np.array(corners), colour)

    def disc(self, x: float, y: float, radius: float, *, colour: Colour, flat: float = 1.0) -> None:
        """Fill a circle whose radius is a fraction of the height; flat below 1 squeezes it."""
        turn = np.linspace(0, 2 * np.pi, 32, endpoint=False)
        aspect = self._scale[1] / self._scale[0]
        points = [x + radius * aspect * np.cos(turn), y + radius * flat * np.sin(turn)]
        self.polygon(np.stack(points, axis=1), colour)

    def graded(self, top: Colour, bottom: Colour, *, low: float = 0.0, high: float = 1.0) -> None:
        """Fill the rows between two heights from one colour to another."""
        first, last = (round(place * len(self.pixels)) for place in (low, high))
        share = np.linspace(0, 1, max(last - first, 1))[:, None]
        column = np.array(top) * (1 - share) + np.array(bottom) * share
        self.pixels[first:last] = column[: last - first, None].round()

    def hills(self, level: float, *, height: float, colour: Colour) -> None:
        """Fill everything below a rolling line."""
        phase, waves = self.rng.uniform(0, 6), self.rng.uniform(3, 9)
        x = np.linspace(0, 1, 40)
        y = level - height * (0.5 + 0.5 * np.sin(phase + waves * x))
        self.polygon(np.stack([[0, *x, 1], [1, *y, 1]], axis=1), colour)

    def finish(self, size: tuple[int, int]) -> Picture:
        """Return the picture at its final size."""
        return np.asarray(cv2.resize(self.pixels, size, interpolation=cv2.INTER_AREA))


def paint_background(kind: str, seed: int, *, size: tuple[int, int]) -> Picture:
    """Paint a background of a kind from BACKGROUNDS; size is (width, height)."""
    ground = Ground(size, np.random.default_rng((seed, 0xB6)))
    _PAINTERS[kind](ground)
    return ground.finish(size)


def _pale(rng: np.random.Generator, *, low: float = 0.3, high: float = 0.8) -> Colour:
    """Return a quiet shade of a named colour."""
    base = tuple(COLOURS.values())[int(rng.integers(len(COLOURS)))]
    return varied(mixed(base, WHITE, float(rng.uniform(low, high))), rng)


def _plain(ground: Ground) -> None:
    colour = _pale(ground.rng, low=0.0 if ground.rng.random() < 0.25 else 0.3)
    ground.pixels[:] = WHITE if ground.rng.random() < 0.15 else colour


def _transparent(ground: Ground) -> None:
    ground.pixels[:] = 255


def _gradient(ground: Ground) -> None:
    top, bottom = _pale(ground.rng), _pale(ground.rng)
    if ground.rng.random() < 0.6:
        ground.graded(top, bottom)
        return
    ground.pixels[:] = bottom
    for step in np.linspace(0, 1, 24):
        ground.disc(0.5, 0.5, 0.8 * (1 - step), colour=mixed(bottom, top, float(step)))


def _patterned(ground: Ground) -> None:
    rng = ground.rng
    base = _pale(rng)
    second = mixed(base, WHITE, 0.45) if rng.random() < 0.5 else scaled(base, 0.88)
    ground.pixels[:] = base
    pattern = (_diagonals, _dots, _squares, _rays, _zigzags)[int(rng.integers(5))]
    pattern(ground, int(rng.integers(4, 10)), second)


def _diagonals(ground: Ground, count: int, colour: Colour) -> None:
    for k in range(-count, 2 * count, 2):
        a, b = k / count, (k + 1) / count
        ground.polygon(np.array([(a, 0), (b, 0), (b - 0.5, 1), (a - 0.5, 1)]), colour)


def _dots(ground: Ground, count: int, colour: Colour) -> None:
    for row in range(count + 1):
        for k in range(count + 1):
            ground.disc((k + 0.5 * (row % 2)) / count, row / count, 0.25 / count, colour=colour)


def _squares(ground: Ground, count: int, colour: Colour) -> None:
    for row in range(count):
        for k in range(row % 2, count, 2):
            left, top = k / count, row / count
            ground.box(left, top, left + 1 / count, top + 1 / count, colour=colour)


def _rays(ground: Ground, count: int, colour: Colour) -> None:
    for a in np.linspace(0, 2 * np.pi, 2 * count, endpoint=False):
        b = a + np.pi / 2 / count
        fan = [(0, 0), (np.cos(a), np.sin(a)), (np.cos(b), np.sin(b))]
        ground.polygon(np.array(fan) + 0.5, colour)


def _zigzags(ground: Ground, count: int, colour: Colour) -> None:
    x = np.linspace(0, 1, 2 * count + 1)
    for row in range(count + 1):
        upper = row / count + 0.3 / count * (np.arange(len(x)) % 2)
        edges = np.stack([x, upper], axis=1), np.stack([x, upper + 0.4 / count], axis=1)
        ground.polygon(np.concatenate([edges[0], edges[1][::-1]]), colour)


def _sky(ground: Ground, *, low: float) -> None:
    blue = varied(mixed((96, 170, 236), WHITE, 0.2), ground.rng)
    if ground.rng.random() < 0.25:
        blue = varied((250, 170, 130), ground.rng)
    ground.graded(blue, mixed(blue, WHITE, 0.6), high=low)


def _clouds(ground: Ground, count: int) -> None:
    for _ in range(count):
        x, y, size = ground.rng.uniform((0, 0.05, 0.03), (1, 0.35, 0.07))
        for step in (-1.2, 0.0, 1.1):
            ground.disc(x + step * size, y, size * (1.2 - 0.3 * abs(step)), colour=(252, 253, 255))


def _park(ground: Ground) -> None:
    rng = ground.rng
    _sky(ground, low=0.7)
    if rng.random() < 0.5:
        ground.disc(float(rng.uniform(0.1, 0.9)), 0.15, 0.09, colour=(255, 236, 150))
    _clouds(ground, int(rng.integers(0, 4)))
    green = varied((126, 190, 104), rng)
    ground.hills(0.66, height=0.16, colour=mixed(green, WHITE, 0.3))
    ground.hills(0.74, height=0.05, colour=green)
    for _ in range(int(rng.integers(0, 4))):
        x, foot = float(rng.uniform(0, 1)), float(rng.uniform(0.7, 0.78))
        size = float(rng.uniform(0.09, 0.16))
        ground.box(x - 0.015, foot - 0.2, x + 0.015, foot, colour=(130, 94, 66))
        for dx, dy in ((0.0, -0.28), (-0.06, -0.2), (0.06, -0.2)):
            ground.disc(x + dx, foot + dy, size * 0.75, colour=scaled(green, 0.8))


def _forest(ground: Ground) -> None:
    rng = ground.rng
    base = varied((70, 120, 92), rng)
    ground.graded(mixed(base, WHITE, 0.6), mixed(base, WHITE, 0.3))
    for layer, shade in ((0.0, 0.35), (0.1, 0.15)):
        for _ in range(7):
            x, wide = float(rng.uniform(0, 1)), float(rng.uniform(0.06, 0.12))
            top = float(rng.uniform(0.1, 0.4)) + layer
            tree = np.array([(x, top), (x + wide, 0.85), (x - wide, 0.85)])
            ground.polygon(tree, mixed(base, WHITE, shade))
    ground.hills(0.86, height=0.04, colour=scaled(base, 0.85))


def _beach(ground: Ground) -> None:
    _sky(ground, low=0.5)
    _clouds(ground, int(ground.rng.integers(0, 3)))
    sea = varied((64, 150, 200), ground.rng)
    ground.graded(sea, mixed(sea, WHITE, 0.35), low=0.5, high=0.85)
    sand = varied((240, 216, 160), ground.rng)
    ground.hills(0.74, height=0.04, colour=mixed(sand, WHITE, 0.5))
    ground.hills(0.76, height=0.04, colour=sand)


def _city(ground: Ground) -> None:
    rng = ground.rng
    _sky(ground, low=0.85)
    for depth in (0.55, 0.25):
        x = -0.05
        while x < 1.0:
            wide, top = rng.uniform(0.09, 0.2), rng.uniform(0.2, 0.6)
            wall = mixed(_pale(rng, low=0.0, high=0.2), (190, 200, 214), depth)
            ground.box(x, top, x + wide, 0.86, colour=wall)
            for row in np.arange(top + 0.04, 0.8, 0.08):
                for column in np.arange(x + 0.02, x + wide - 0.03, 0.05):
                    ground.box(
                        column, row, column + 0.022, row + 0.04, colour=mixed(wall, WHITE, 0.4)
                    )
            x += wide + float(rng.uniform(0, 0.04))
    ground.box(0.0, 0.85, 1.0, 1.0, colour=(140, 142, 150))
    ground.box(0.0, 0.85, 1.0, 0.87, colour=(190, 190, 194))


def _room(ground: Ground) -> None:
    rng = ground.rng
    wall, floor = _pale(rng, low=0.45), varied((190, 148, 106), rng)
    ground.pixels[:] = wall
    if rng.random() < 0.4:
        for k in range(0, 14, 2):
            ground.box(k / 14, 0.0, (k + 1) / 14, 0.78, colour=mixed(wall, WHITE, 0.25))
    x = float(rng.uniform(0.05, 0.7))
    ground.box(x - 0.015, 0.11, x + 0.265, 0.46, colour=WHITE)
    ground.box(x, 0.125, x + 0.25, 0.445, colour=(160, 210, 240))
    ground.box(x + 0.118, 0.12, x + 0.132, 0.45, colour=WHITE)
    ground.box(x, 0.28, x + 0.25, 0.292, colour=WHITE)
    ground.box(0.0, 0.78, 1.0, 1.0, colour=floor)
    ground.box(0.0, 0.765, 1.0, 0.785, colour=mixed(wall, WHITE, 0.6))
    for k in range(1, 4):
        ground.box(0.0, 0.78 + k * 0.06, 1.0, 0.784 + k * 0.06, colour=scaled(floor, 0.88))


def _space(ground: Ground) -> None:
    rng = ground.rng
    night = varied((38, 34, 74), rng)
    ground.graded(night, mixed(night, (110, 60, 130), 0.5))
    for x, y, size in rng.uniform((0, 0, 0.003), (1, 1, 0.009), (50, 3)):
        ground.disc(x, y, size, colour=(250, 246, 226))
    for _ in range(int(rng.integers(1, 3))):
        x, y, size = rng.uniform((0, 0.05, 0.06), (1, 0.5, 0.15))
        planet = _pale(rng, low=0.0, high=0.3)
        ground.disc(x, y, size, colour=planet)
        ground.disc(x - size * 0.3, y - size * 0.3, size * 0.25, colour=mixed(planet, WHITE, 0.3))
    ground.hills(0.9, height=0.05, colour=varied((150, 140, 160), rng))


def _stage(ground: Ground) -> None:
    rng = ground.rng
    curtain = _pale(rng, low=0.0, high=0.15)
    for k in range(16):
        shade = 0.72 if k % 2 else 0.86
        ground.box(k / 16, 0.0, (k + 1) / 16, 0.84, colour=scaled(curtain, shade))
    ground.box(0.0, 0.82, 1.0, 1.0, colour=(168, 124, 86))
    ground.disc(0.5, 0.92, 0.36, colour=(214, 176, 128), flat=0.2)
    if rng.random() < 0.5:
        beam = np.array([(0.45, 0), (0.55, 0), (0.82, 0.84), (0.18, 0.84)])
        ground.polygon(beam, mixed(curtain, WHITE, 0.3))


def _snow(ground: Ground) -> None:
    rng = ground.rng
    ground.graded((176, 204, 232), (226, 236, 246))
    ground.hills(0.6, height=0.25, colour=(200, 216, 236))
    ground.hills(0.76, height=0.05, colour=(246, 249, 253))
    for x, y in rng.uniform(0, 1, (40, 2)):
        ground.disc(x, y, 0.008, colour=WHITE)


def _desert(ground: Ground) -> None:
    _sky(ground, low=0.75)
    sand = varied((234, 190, 120), ground.rng)
    ground.hills(0.66, height=0.14, colour=mixed(sand, (230, 140, 90), 0.4))
    ground.hills(0.76, height=0.06, colour=sand)


def _bokeh(ground: Ground) -> None:
    """Soft spots of light, like a photograph out of focus."""
    rng = ground.rng
    base = _pale(rng, low=0.0, high=0.6)
    ground.graded(base, scaled(base, 0.7))
    for x, y, size in rng.uniform((0, 0, 0.05), (1, 1, 0.22), (16, 3)):
        ground.disc(x, y, size, colour=mixed(base, _pale(rng, low=0.1), 0.5))
    reach = max(3, len(ground.pixels) // 10)
    for _ in range(2):
        ground.pixels = cv2.blur(ground.pixels, (reach, reach))


_PAINTERS: dict[str, Callable[[Ground], None]] = {
    "plain": _plain,
    "gradient": _gradient,
    "transparent": _transparent,
    "patterned": _patterned,
    "park": _park,
    "forest": _forest,
    "beach": _beach,
    "city": _city,
    "room": _room,
    "space": _space,
    "stage": _stage,
    "snow": _snow,
    "desert": _desert,
    "blurred": _bokeh,
}
BACKGROUNDS: dict[str, float | int] = {
    "plain": 5, "gradient": 3, "transparent": 2, "patterned": 3, "park": 2, "forest": 1,
    "beach": 1, "city": 1, "room": 1.5, "space": 0.8, "stage": 1, "snow": 0.8, "desert": 0.7,
    "blurred": 1,
}  # fmt: skip
