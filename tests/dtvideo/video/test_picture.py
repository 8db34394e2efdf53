from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from dtvideo.video import probe, read_frames
from dtvideo.video.picture import Orientation, square_size
from tests.media import corner_frame

MakeVideo = Callable[..., Path]
LOSSLESS = {"crf": "4"}
RED, GREEN = np.array([200, 30, 30]), np.array([30, 200, 30])


def colour_at(frame: np.ndarray, name: str) -> np.ndarray:
    height, width = frame.shape[:2]
    y = height // 4 if name.startswith("top") else 3 * height // 4
    x = width // 4 if name.endswith("left") else 3 * width // 4
    return frame[y, x].astype(int)


@pytest.mark.parametrize(
    ("rotation", "mirrored", "size", "red", "green"),
    [
        (0, False, (64, 48), "top left", "top right"),
        (90, False, (48, 64), "bottom left", "top left"),
        (180, False, (64, 48), "bottom right", "bottom left"),
        (270, False, (48, 64), "top right", "bottom right"),
        (0, True, (64, 48), "top right", "top left"),
    ],
)
def test_v9_rotated_and_mirrored_video_comes_out_upright(
    rotation: int, mirrored: bool, size: tuple[int, int], red: str, green: str,
    make_video: MakeVideo,
) -> None:  # fmt: skip
    path = make_video(
        frames=[corner_frame()] * 3, rotation=rotation, mirrored=mirrored, options=LOSSLESS
    )
    info = probe(path)
    frame = next(iter(read_frames(info)))
    assert (info.size, info.rotation, info.orientation.mirrored) == (size, rotation, mirrored)
    assert frame.shape == (size[1], size[0], 3)
    np.testing.assert_allclose(colour_at(frame, red), RED, atol=12)
    np.testing.assert_allclose(colour_at(frame, green), GREEN, atol=12)


def test_v9_odd_angle_takes_the_nearest_right_angle_and_says_so(make_video: MakeVideo) -> None:
    info = probe(make_video(rotation=70))
    assert info.rotation == 90
    assert "20 degrees off" in info.notices[0]


def test_orientations_are_the_eight_symmetries_of_a_rectangle() -> None:
    image = np.arange(6 * 3).reshape(2, 3, 3).astype(np.uint8)
    turned = {
        (o.rotation, o.mirrored): o.apply(image).tobytes()
        for o in (Orientation(t, x, y) for t in (0 > 1, True) for x in (False, True)
                  for y in (False, True))
    }  # fmt: skip
    assert len(turned) == 8
    for quarter in range(4):
        assert turned[quarter * 90, False] == np.rot90(image, quarter).tobytes()


@pytest.mark.parametrize(("matrix", "full"), [(1, 1), (1, 2), (6, 1), (6, 2), (9, 1)])
def test_stated_matrix_and_range_are_honoured(
    matrix: int, full: int, make_video: MakeVideo
) -> None:
    """Planes hold pure red by the definition of each matrix; Kr, Kg, Kb of ITU-T H.273."""
    path = make_video("tagged.mp4", yuv_frames(matrix, full), yuv=True,
                      tags={"colorspace": matrix, "color_range": full})  # fmt: skip
    frame = next(iter(read_frames(path)))
    np.testing.assert_allclose(frame[10:-10, 10:-10].reshape(-1, 3).mean(0), [255, 0, 0], atol=4)


def yuv_frames(matrix: int, full: int) -> list[np.ndarray]:
    red, blue = {1: (0.2126, 0.0722), 6: (0.299, 0.114), 9: (0.2627, 0.0593)}[matrix]
    y, cb, cr = red, -red / (2 * (1 - blue)), 0.5
    low, luma, chroma = (0, 255, 255) if full == 2 else (16, 219, 224)
    planes = np.empty((72, 64), np.uint8)
    planes[:48] = round(low + luma * y)
    planes[48:60] = round(128 + chroma * cb)
    planes[60:] = min(255, round(128 + chroma * cr))
    return [planes] * 3


@pytest.mark.parametrize(("size", "right"), [((640, 480), 601), ((1280, 720), 709)])
def test_unstated_matrix_goes_by_the_size(
    size: tuple[int, int], right: int, make_video: MakeVideo
) -> None:
    planes = np.full((size[1] * 3 // 2, size[0]), 128, np.uint8)
    planes[size[1] :] = 60
    path = make_video(frames=[planes], yuv=True)
    frame = next(iter(read_frames(path)))
    red, blue = (0.299, 0.114) if right == 601 else (0.2126, 0.0722)
    luma, chroma = (128 - 16) / 219, (60 - 128) / 224
    green = luma - 2 * chroma * (red * (1 - red) + blue * (1 - blue)) / (1 - red - blue)
    assert abs(frame[100:-100, 100:-100, 1].mean() - 255 * green) < 3


def test_pixels_that_are_not_square_are_made_square(make_video: MakeVideo) -> None:
    info = probe(make_video(shape=Fraction(3, 2)))
    assert info.size == (96, 48)
    assert next(iter(read_frames(info))).shape == (48, 96, 3)
    assert square_size(100, 40, Fraction(1, 2)) == (100, 80)
    assert square_size(100, 40, None) == (100, 40)


def test_high_dynamic_range_is_said(make_video: MakeVideo) -> None:
    info = probe(make_video(tags={"color_trc": 18, "colorspace": 9, "color_primaries": 9}))
    assert any("HLG" in notice for notice in info.notices)
