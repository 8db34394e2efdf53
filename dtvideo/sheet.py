"""The contact sheet: reference, driving frames, fitted poses and results at one glance."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont

from dtvideo.images import fit_to, save_png

PAPER = (250, 249, 246)
CARD = (238, 236, 231)
INK = (52, 50, 47)
FAINT = (140, 136, 129)
CELL = 160
GAP = 12
MARGIN = 28
TITLE = 30
LABEL = 18
MOST_COLUMNS = 8
ROWS = ("motion", "pose", "result")

Picture = UInt8[np.ndarray, "_ _ 3"]


@dataclass(frozen=True, eq=False)
class SheetColumn:
    """What one frame of the clip shows; a picture that does not exist is None."""

    index: int
    driver: Picture | None
    pose: Picture
    result: Picture


def evenly_spaced(count: int, shown: int = 6) -> list[int]:
    """Return up to `shown` frame numbers of a clip of `count`, first and last among them."""
    return sorted({round(k) for k in np.linspace(0, count - 1, min(count, shown))})


def contact_sheet(
    reference: Picture, columns: Sequence[SheetColumn], *, title: str = ""
) -> Picture:
    """Lay out a clip: the reference at the left, then one column per frame."""
    rows = [name for name in ROWS if name != "motion" or columns[0].driver is not None]
    width, height = _cell_size(columns[0].result)
    step_x, step_y = width + GAP, height + GAP
    left, top = MARGIN + step_x + 3 * GAP, MARGIN + TITLE
    size = (left + len(columns) * step_x - GAP + MARGIN, top + len(rows) * step_y + MARGIN)
    page = Image.new("RGB", size, PAPER)
    pen = ImageDraw.Draw(page)
    _write(pen, (MARGIN, MARGIN - 8), title, size=15, ink=INK)
    _paste(page, reference, (MARGIN, top + (len(rows) - 1) * step_y), (width, height))
    _write(pen, (MARGIN, size[1] - MARGIN - GAP + 8), "reference", size=12, ink=FAINT)
    for number, column in enumerate(columns):
        x = left + number * step_x
        _write(pen, (x, top - 18), f"frame {column.index}", size=12, ink=FAINT)
        for row, picture in enumerate(_pictures(column, rows)):
            _paste(page, picture, (x, top + row * step_y), (width, height))
    for row, name in enumerate(rows):
        _write_sideways(page, (left - 2 * GAP, top + row * step_y), name, height)
    return np.array(page)


def save_sheet(
    path: Path, reference: Picture, columns: Sequence[SheetColumn], *, title: str = ""
) -> None:
    """Write a contact sheet as PNG, whole or not at all."""
    save_png(path, contact_sheet(reference, columns, title=title))


def picture_sheet(
    reference: Picture | None,
    pictures: Sequence[tuple[str, Picture]],
    *,
    title: str = "",
    columns: int = MOST_COLUMNS,
) -> Picture:
    """Lay out pictures with a label above each, row by row, a reference at the left if given."""
    width, height = _cell_size(pictures[0][1])
    step_x, step_y = width + GAP, height + GAP + LABEL
    columns = min(columns, len(pictures))
    rows = -(-len(pictures) // columns)
    left = MARGIN + (0 if reference is None else step_x + 2 * GAP)
    top = MARGIN + TITLE
    size = (left + columns * step_x - GAP + MARGIN, top + rows * step_y + MARGIN - LABEL)
    page = Image.new("RGB", size, PAPER)
    pen = ImageDraw.Draw(page)
    _write(pen, (MARGIN, MARGIN - 8), title, size=15, ink=INK)
    places = [(MARGIN, top)] if reference is not None else []
    for number in range(len(pictures)):
        row, column = divmod(number, columns)
        places.append((left + column * step_x, top + row * step_y))
    shown = [*([("reference", reference)] if reference is not None else []), *pictures]
    for place, (label, picture) in zip(places, shown, strict=True):
        _write(pen, (place[0], place[1] - 18), label, size=12, ink=FAINT)
        _paste(page, picture, place, (width, height))
    return np.array(page)


def save_picture_sheet(
    path: Path,
    reference: Picture | None,
    pictures: Sequence[tuple[str, Picture]],
    *,
    title: str = "",
    columns: int = MOST_COLUMNS,
) -> None:
    """Write a sheet of labelled pictures as PNG, whole or not at all."""
    save_png(path, picture_sheet(reference, pictures, title=title, columns=columns))


def thumbnail(picture: Picture) -> Picture:
    """Return a picture as small as it is in a cell of a sheet, where it looks the same."""
    return fit_to(picture, _cell_size(picture), fill=CARD)[0]


def _cell_size(picture: Picture) -> tuple[int, int]:
    """Return the width and height of a cell: the shape of a picture, `CELL` pixels long."""
    height, width = picture.shape[:2]
    scale = CELL / max(height, width)
    return max(1, round(width * scale)), max(1, round(height * scale))


def _pictures(column: SheetColumn, rows: Sequence[str]) -> list[Picture | None]:
    shown = {"motion": column.driver, "pose": column.pose, "result": column.result}
    return [shown[name] for name in rows]


def _paste(
    page: Image.Image, picture: Picture | None, place: tuple[int, int], size: tuple[int, int]
) -> None:
    ground = np.full((size[1], size[0], 3), CARD, np.uint8)
    if picture is not None:
        ground, _ = fit_to(picture, size, fill=CARD)
    page.paste(Image.fromarray(ground), place)


def _write(
    pen: ImageDraw.ImageDraw,
    place: tuple[int, int],
    text: str,
    *,
    size: int,
    ink: tuple[int, int, int],
) -> None:
    pen.text(place, text, fill=ink, font=ImageFont.load_default(size))


def _write_sideways(page: Image.Image, place: tuple[int, int], text: str, height: int) -> None:
    """Write upwards along the left of a row, centred on it."""
    strip = Image.new("RGB", (height, 18), PAPER)
    pen = ImageDraw.Draw(strip)
    pen.text((height / 2, 8), text, fill=FAINT, font=ImageFont.load_default(12), anchor="mm")
    page.paste(strip.rotate(90, expand=True), place)
