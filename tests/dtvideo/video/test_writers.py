import os
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dtvideo.errors import MediaError, UsageError
from dtvideo.frame_names import frame_path
from dtvideo.images import load_image
from dtvideo.video import FrameWriter, VideoWriter, open_writer
from tests.media import number_of, numbered_frame

SIZE = (64, 48)


def write(
    output: Path, count: int = 12, rate: Fraction = Fraction(25), alpha: bool = False
) -> None:
    with open_writer(output, size=SIZE, rate=rate) as writer:
        assert isinstance(writer, FrameWriter)
        for index in range(count):
            frame = numbered_frame(index)
            opacity = np.full((*frame.shape[:2], 1), 128, np.uint8)
            writer.write(np.concatenate([frame, opacity], axis=2) if alpha else frame)


def animation(path: Path) -> tuple[list[int], list[int]]:
    """Return the numbers of the frames and their times in milliseconds."""
    with Image.open(path) as image:
        numbers, times = [], []
        for index in range(image.n_frames):
            image.seek(index)
            image.load()
            numbers.append(number_of(np.asarray(image.convert("RGB"))))
            times.append(image.info["duration"])
        assert image.info["loop"] == 0
        return numbers, times


@pytest.mark.parametrize(
    ("output", "index", "expected"),
    [("out", 7, "out/frame.0007.png"), ("shot.%04d.png", 7, "shot.0007.png"),
     ("shot_####.png", 12, "shot_0012.png"), ("s%d.png", 7, "s7.png"),
     ("s.%02d.png", 1234, "s.1234.png"), ("s.%4d.png", 7, "s.0007.png"),
     ("a#b", 7, "a#b/frame.0007.png"), ("a#b.%03d.png", 7, "a#b.007.png")],
)  # fmt: skip
def test_frames_are_named_by_folder_or_pattern(output: str, index: int, expected: str) -> None:
    assert frame_path(Path(output), index) == Path(expected)


def test_folder_holds_every_frame_exactly(tmp_path: Path) -> None:
    write(tmp_path / "out")
    assert sorted(os.listdir(tmp_path / "out")) == [f"frame.{k:04d}.png" for k in range(12)]
    for index in range(12):
        frame = load_image(frame_path(tmp_path / "out", index)).rgb
        np.testing.assert_array_equal(frame, numbered_frame(index))


def test_pattern_keeps_alpha(tmp_path: Path) -> None:
    write(tmp_path / "shot.%03d.png", 2, alpha=True)
    with Image.open(tmp_path / "shot.001.png") as image:
        assert image.mode == "RGBA"
        assert image.getchannel("A").getextrema() == (128, 128)
        assert "trainedAlgorithmicMedia" in image.info["Comment"]


@pytest.mark.parametrize(
    ("suffix", "rate", "times"),
    [(".gif", Fraction(25), [40] * 12), (".gif", Fraction(30), [30, 40, 30] * 4),
     (".webp", Fraction(30), [33, 34, 33] * 4), (".webp", Fraction(60), [17, 16, 17] * 4)],
)  # fmt: skip
def test_animation_holds_every_frame_and_its_times_do_not_drift(
    suffix: str, rate: Fraction, times: list[int], tmp_path: Path
) -> None:
    write(tmp_path / f"a{suffix}", rate=rate)
    numbers, shown = animation(tmp_path / f"a{suffix}")
    assert numbers == list(range(12))
    assert shown == times


def test_gif_of_60_frames_per_second_keeps_every_second_one_and_its_length(tmp_path: Path) -> None:
    write(tmp_path / "a.gif", rate=Fraction(60))
    numbers, times = animation(tmp_path / "a.gif")
    assert numbers == list(range(0, 12, 2))
    assert sum(times) == 200


def test_webp_keeps_alpha(tmp_path: Path) -> None:
    write(tmp_path / "a.webp", 3, alpha=True)
    with Image.open(tmp_path / "a.webp") as image:
        assert image.mode == "RGBA"
        assert 120 < image.getchannel("A").getextrema()[0] < 136


def write_and_stop(output: Path) -> None:
    with open_writer(output, size=SIZE, rate=Fraction(25)) as writer:
        writer.write(numbered_frame(0))
        raise KeyboardInterrupt


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".mp4"])
def test_interrupted_animation_leaves_nothing(suffix: str, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        write_and_stop(tmp_path / f"a{suffix}")
    assert os.listdir(tmp_path) == []


def test_animation_without_frames_or_with_mixed_sizes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="no frame was written"):
        write(tmp_path / "a.gif", 0)
    with open_writer(tmp_path / "a.webp", size=SIZE, rate=Fraction(25)) as writer:
        writer.write(numbered_frame(0))
        with pytest.raises(MediaError, match="frame 1 has shape"):
            writer.write(numbered_frame(0)[:10])


def test_suffix_chooses_the_writer_and_unknown_ones_are_refused(tmp_path: Path) -> None:
    assert isinstance(open_writer(tmp_path / "A.MP4", size=SIZE, rate=Fraction(25)), VideoWriter)
    with pytest.raises(UsageError, match=r"\.xyz is not a format") as caught:
        open_writer(tmp_path / "a.xyz", size=SIZE, rate=Fraction(25))
    assert caught.value.exit_code == 2
    with pytest.raises(UsageError, match=r"end the pattern in \.png"):
        frame_path(tmp_path / "a.%04d.jpg", 0)
