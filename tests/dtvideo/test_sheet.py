from pathlib import Path

import numpy as np
import pytest

from dtvideo.images import load_image
from dtvideo.sheet import (
    CELL,
    GAP,
    LABEL,
    MARGIN,
    PAPER,
    TITLE,
    SheetColumn,
    contact_sheet,
    evenly_spaced,
    picture_sheet,
    save_sheet,
    thumbnail,
)


def flat(colour: tuple[int, int, int], size: tuple[int, int] = (64, 64)) -> np.ndarray:
    return np.full((size[1], size[0], 3), colour, np.uint8)


def column(index: int, *, driver: bool = True, size: tuple[int, int] = (64, 64)) -> SheetColumn:
    return SheetColumn(
        index, flat((0, 0, 200)) if driver else None, flat((0, 0, 0), size),
        flat((0, 200, 0), size),
    )  # fmt: skip


def count(sheet: np.ndarray, colour: tuple[int, int, int]) -> int:
    return int((sheet == colour).all(axis=2).sum())


@pytest.mark.parametrize(
    ("frames", "expected"),
    [(1, [0]), (2, [0, 1]), (6, [0, 1, 2, 3, 4, 5]), (45, [0, 9, 18, 26, 35, 44])],
)
def test_shown_frames_are_evenly_spaced_with_both_ends(frames: int, expected: list[int]) -> None:
    assert evenly_spaced(frames) == expected


def test_every_picture_is_on_the_sheet_once_and_uncovered() -> None:
    sheet = contact_sheet(flat((200, 0, 0)), [column(k) for k in (0, 4, 9)], title="a_b.mp4")
    area = 160 * 160
    assert count(sheet, (200, 0, 0)) == area
    assert count(sheet, (0, 0, 200)) == count(sheet, (0, 200, 0)) == 3 * area
    assert (sheet[0] == PAPER).all()
    assert (sheet[-1] == PAPER).all()


def test_without_a_driving_video_there_are_two_rows() -> None:
    with_video = contact_sheet(flat((200, 0, 0)), [column(0)])
    without = contact_sheet(flat((200, 0, 0)), [column(0, driver=False)])
    assert without.shape[0] < with_video.shape[0]
    assert count(without, (0, 0, 200)) == 0


@pytest.mark.parametrize("size", [(64, 96), (96, 64), (300, 20)])
def test_cells_have_the_shape_of_the_result(size: tuple[int, int]) -> None:
    sheet = contact_sheet(flat((200, 0, 0), size), [column(0, size=size)])
    longer = 160 * round(160 * min(size) / max(size))
    assert count(sheet, (0, 200, 0)) == longer


def test_sheet_is_saved_as_png(tmp_path: Path) -> None:
    save_sheet(tmp_path / "a.sheet.png", flat((200, 0, 0)), [column(0)])
    loaded = load_image(tmp_path / "a.sheet.png").rgb
    np.testing.assert_array_equal(loaded, contact_sheet(flat((200, 0, 0)), [column(0)]))


def test_a_sheet_of_pictures_shows_each_of_them_row_by_row():
    reference, *pictures = (np.full((8, 8, 3), value, np.uint8) for value in (10, 60, 110, 160))
    labelled = [(str(number), picture) for number, picture in enumerate(pictures)]
    page = picture_sheet(reference, labelled, columns=2)
    for value, (row, column) in ((60, (0, 0)), (110, (0, 1)), (160, (1, 0))):
        rows, columns = np.nonzero((page == value).all(axis=2))
        assert len(rows) == CELL * CELL
        assert rows.min() == MARGIN + TITLE + row * (CELL + GAP + LABEL)
        assert columns.min() == MARGIN + CELL + GAP + 2 * GAP + column * (CELL + GAP)


@pytest.mark.parametrize("size", [(64, 64), (511, 333), (97, 640), (320, 160), (1000, 7)])
def test_a_sheet_of_thumbnails_is_the_sheet_of_the_pictures(size: tuple[int, int]) -> None:
    random = np.random.default_rng(7)
    pictures = [random.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8) for _ in range(3)]
    small = [thumbnail(each) for each in pictures]
    assert all(max(each.shape) <= 160 for each in small)
    sheets = [
        picture_sheet(pictures[0], [(str(k), each) for k, each in enumerate(shown)], title="a")
        for shown in (pictures, small)
    ]
    assert np.array_equal(*sheets)
