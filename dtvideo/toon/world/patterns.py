"""Patterns, lettering and emblems that lie on a tube and move with it."""

from collections.abc import Callable

import numpy as np

from dtvideo.toon.world.canvas import Colour, Mark
from dtvideo.toon.world.solids import Numbers, Shape, Tube

EMBLEMS = ("star", "heart", "circle", "bolt")

_TURN = np.linspace(0, 2 * np.pi, 9)[:-1]
_LETTERS: dict[str, str] = {  # strokes on a grid of 0..2 by 0..4, x to the viewer's right, y up
    "A": "00 14 20|02 22",
    "B": "00 04 14 23 12 02|12 21 10 00",
    "C": "24 04 00 20",
    "E": "24 04 00 20|02 12",
    "F": "00 04 24|02 12",
    "H": "00 04|20 24|02 22",
    "K": "00 04|24 02 20",
    "L": "04 00 20",
    "M": "00 04 12 24 20",
    "N": "00 04 20 24",
    "R": "00 04 24 22 02 20",
    "S": "24 04 02 22 20 00",
    "T": "10 14|04 24",
    "V": "04 10 24",
    "X": "00 24|04 20",
    "Z": "04 24 00 20",
    "1": "03 14 10|00 20",
    "2": "04 24 22 02 00 20",
    "3": "04 14 23 12|12 21 10 00",
    "4": "04 02 22|24 20",
    "5": "24 04 02 22 20 00",
    "7": "04 24 10",
    "8": "00 04 24 20 00|02 22",
    "9": "22 02 04 24 20 00",
}
LETTERS = tuple(_LETTERS)


def pattern_marks(tube: Tube, pattern: str, colour: Colour, *, cell: float) -> list[Mark]:
    """Return the marks of a pattern; cell is its repeat in figure heights."""
    rows = max(2, round(tube.length / cell))
    columns = max(4, round(np.pi * tube.girth / cell) * 2)
    return [Mark(shape, colour) for shape in _SHAPES[pattern](tube, rows, columns)]


def _plain(tube: Tube, rows: int, columns: int) -> list[Shape]:
    return []


def _striped(tube: Tube, rows: int, columns: int) -> list[Shape]:
    return [tube.band((row + 0.5) / rows, (row + 1) / rows) for row in range(rows)]


def _banded(tube: Tube, rows: int, columns: int) -> list[Shape]:
    return [tube.band(0.42, 0.62)]


def _lined(tube: Tube, rows: int, columns: int) -> list[Shape]:
    along = np.linspace(0, 1, 5)
    lengths = np.concatenate([along, along[::-1]])
    step = 2 * np.pi / columns
    return [
        tube.place(np.repeat([k * step, (k + 0.5) * step], 5), lengths)
        for k in _seen(tube, columns)
    ]


def _dotted(tube: Tube, rows: int, columns: int) -> list[Shape]:
    step = 2 * np.pi / columns
    across, tall = 0.28 * step * np.cos(_TURN), 0.28 / rows * np.sin(_TURN)
    return [
        tube.place((k + 0.5 * (row % 2)) * step + across, (row + 0.5) / rows + tall)
        for row in range(rows)
        for k in _seen(tube, columns)
    ]


def _checked(tube: Tube, rows: int, columns: int) -> list[Shape]:
    step = 2 * np.pi / columns
    across, up = np.array([0.0, 1.0, 1.0, 0.0]), np.array([0.0, 0.0, 1.0, 1.0])
    return [
        tube.place((k + across) * step, (row + up) / rows)
        for row in range(rows)
        for k in _seen(tube, columns)
        if (k + row) % 2
    ]


def _seen(tube: Tube, columns: int) -> range:
    """Return the columns around a tube that face the viewer."""
    middle = round(tube.facing / (2 * np.pi) * columns)
    reach = columns // 4 + 1
    return range(middle - reach, middle + reach + 1)


_SHAPES: dict[str, Callable[[Tube, int, int], list[Shape]]] = {
    "plain": _plain,
    "striped": _striped,
    "banded": _banded,
    "lined": _lined,
    "dotted": _dotted,
    "checked": _checked,
}


def letter_marks(
    tube: Tube, letter: str, colour: Colour, *, along: float, height: float
) -> list[Mark]:
    """Return a letter on the front of a tube; along is its middle, height in figure heights."""
    wide = 0.3 * height / tube.girth
    tall = height / tube.length / 4
    marks = []
    for stroke in _LETTERS[letter].split("|"):
        grid = _points(stroke)
        angles = (grid[:, 0] - 1) * wide
        if (np.cos(angles - tube.facing) > 0.1).all():
            shape = tube.place(angles, along + (grid[:, 1] - 2) * tall)
            marks.append(Mark(shape, colour, width=height * 0.2))
    return marks


def emblem_mark(tube: Tube, emblem: str, colour: Colour, *, along: float, radius: float) -> Mark:
    """Return an emblem on the front of a tube; radius in figure heights."""
    x, y = _emblem(emblem)
    shape = tube.place(x * radius / tube.girth, along + y * radius / tube.length)
    return Mark(shape, colour)


def _emblem(emblem: str) -> tuple[Numbers, Numbers]:
    """Return the outline of an emblem of unit radius: x to the viewer's right, y up."""
    if emblem == "bolt":
        x = np.array([0.1, -0.6, -0.05, -0.2, 0.6, 0.05])
        return x, np.array([1, -0.15, -0.15, -1, 0.25, 0.25])
    if emblem == "star":
        turn = np.linspace(0, 2 * np.pi, 11)[:-1]
        radius = np.where(np.arange(10) % 2 == 0, 1.0, 0.45)
        return np.sin(turn) * radius, np.cos(turn) * radius
    turn = np.linspace(0, 2 * np.pi, 25)[:-1]
    if emblem == "heart":
        y = (13 * np.cos(turn) - 5 * np.cos(2 * turn) - 2 * np.cos(3 * turn)) / 16
        return np.sin(turn) ** 3, y
    return np.sin(turn), np.cos(turn)


def _points(stroke: str) -> Shape:
    """Return the points of a stroke, with one more in the middle of each piece."""
    digits = [int(digit) for digit in stroke.replace(" ", "")]
    points = np.array(digits, dtype=float).reshape(-1, 2)
    both = np.empty((2 * len(points) - 1, 2))
    both[::2], both[1::2] = points, (points[1:] + points[:-1]) / 2
    return both
