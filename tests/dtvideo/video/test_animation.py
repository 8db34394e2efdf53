import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from jaxtyping import UInt8
from PIL import Image

from dtvideo.errors import UsageError
from dtvideo.provenance import SOURCE_TYPE, comment_of, xmp_packet
from dtvideo.video.animation import MOST, AnimationWriter, frames_at_once
from dtvideo.video.gif import GifFile
from dtvideo.video.webp import WebpFile
from tests.media import number_of, numbered_frame

COUNT = 2 * MOST + 1  # three parts, the last one of a single frame
RATE = Fraction(30)
Frames = list[UInt8[np.ndarray, "h w c"]]
MEMORY = """
import resource, sys
from fractions import Fraction
from pathlib import Path
import numpy as np
from dtvideo.video import open_writer

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

picture = np.zeros((512, 512, 3), np.uint8)
with open_writer(Path(sys.argv[1]), size=(512, 512), rate=Fraction(25)) as writer:
    for index in range(170):
        picture[:, index : index + 100] = index
        writer.write(picture)
        begun = peak() if index < 70 else begun
print(peak() - begun)
"""


def write(path: Path, frames: Frames, rate: Fraction = RATE) -> Path:
    with AnimationWriter(path, rate=rate) as writer:
        for frame in frames:
            writer.write(frame)
    return path


def shown(path: Path) -> list[tuple[UInt8[np.ndarray, "h w 4"], int]]:
    """Return what a viewer shows, RGBA, and for how many milliseconds."""
    with Image.open(path) as image:
        pictures = []
        for index in range(image.n_frames):
            image.seek(index)
            image.load()
            pictures.append((np.asarray(image.convert("RGBA")), image.info["duration"]))
        return pictures


def square(number: int) -> UInt8[np.ndarray, "h w 4"]:
    """A red square of 16 pixels, on nothing, that wanders over the picture."""
    frame = np.zeros((48, 64, 4), np.uint8)
    x, y = 2 * (number * 5 % 24), 2 * (number * 3 % 16)
    frame[y : y + 16, x : x + 16] = (200, 30, 30, 255)
    return frame


@pytest.mark.parametrize(("suffix", "margin"), [(".webp", 50e6), (".gif", 12e6)])
def test_memory_does_not_grow_with_the_clip(suffix: str, margin: float, tmp_path: Path) -> None:
    """When all frames were kept, this took 186 MB for WebP and 55 MB for GIF."""
    result = subprocess.run(
        [sys.executable, "-c", MEMORY, str(tmp_path / f"a{suffix}")],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert int(result.stdout) < margin


@pytest.mark.parametrize("suffix", [".webp", ".gif"])
def test_one_part_is_to_the_byte_what_pillow_writes(suffix: str, tmp_path: Path) -> None:
    frames = [numbered_frame(number) for number in range(6)]
    first, *others = map(Image.fromarray, frames)
    told: dict[str, object] = {"comment": comment_of(SOURCE_TYPE)}
    if suffix == ".webp":
        told = {"quality": 90, "xmp": xmp_packet(SOURCE_TYPE).encode("utf-8")}
    expected = tmp_path / f"expected{suffix}"
    first.save(expected, save_all=True, append_images=others, duration=40, loop=0, **told)
    made = write(tmp_path / f"a{suffix}", frames, Fraction(25))
    assert made.read_bytes() == expected.read_bytes()


@pytest.mark.parametrize(("suffix", "times"), [(".webp", [33, 34, 33]), (".gif", [30, 40, 30])])
def test_parts_hold_every_frame_and_its_time(suffix: str, times: list[int], tmp_path: Path) -> None:
    made = shown(write(tmp_path / f"a{suffix}", [numbered_frame(k) for k in range(COUNT)]))
    assert [number_of(picture[..., :3]) for picture, _ in made] == list(range(COUNT))
    assert [time for _, time in made] == (times * COUNT)[:COUNT]


@pytest.mark.parametrize("suffix", [".webp", ".gif"])
def test_equal_neighbours_keep_their_time_within_parts_and_across(
    suffix: str, tmp_path: Path
) -> None:
    """Frames 50 to 134 are equal: the end of a part, a whole one and the begin of the next."""
    numbers = [*range(50), *[50] * 85, *range(51, 60)]
    made = shown(write(tmp_path / f"a{suffix}", [numbered_frame(k) for k in numbers], Fraction(25)))
    times = {number: 0 for number in range(60)}
    for picture, time in made:
        times[number_of(picture[..., :3])] += time
    assert times == {number: 85 * 40 if number == 50 else 40 for number in range(60)}


@pytest.mark.parametrize("suffix", [".webp", ".gif"])
def test_nothing_of_earlier_frames_shows_through_transparent_ones(
    suffix: str, tmp_path: Path
) -> None:
    made = shown(write(tmp_path / f"a{suffix}", [square(number) for number in range(COUNT)]))
    assert len(made) == COUNT
    for number, (picture, _) in enumerate(made):
        np.testing.assert_array_equal(picture[..., 3], square(number)[..., 3], str(number))
        inside = picture[square(number)[..., 3] > 0]
        assert np.abs(inside.mean(axis=0) - (200, 30, 30, 255)).max() < 10, number


def test_a_transparent_part_of_equal_frames_hides_what_the_part_before_showed(
    tmp_path: Path,
) -> None:
    numbers = [*range(MOST), *[MOST] * MOST, 5]
    made = shown(write(tmp_path / "a.webp", [square(number) for number in numbers], Fraction(25)))
    assert [time for _, time in made] == [40] * MOST + [40 * MOST, 40]
    for picture, number in zip([p for p, _ in made[MOST:]], [MOST, 5], strict=True):
        np.testing.assert_array_equal(picture[..., 3], square(number)[..., 3])


def test_a_frame_may_be_drawn_over_when_it_is_written(tmp_path: Path) -> None:
    """A caller may use one array for all frames."""
    frame = np.empty((48, 64, 4), np.uint8)
    with AnimationWriter(tmp_path / "a.webp", rate=RATE) as writer:
        for number in range(3):
            frame[:] = square(number)
            writer.write(frame)
    for number, (picture, _) in enumerate(shown(tmp_path / "a.webp")):
        np.testing.assert_array_equal(picture[..., 3], square(number)[..., 3])


@pytest.mark.parametrize(
    ("kind", "height", "width", "frames"),
    [(WebpFile, 48, 64, 64), (WebpFile, 512, 512, 64), (WebpFile, 720, 1280, 18),
     (WebpFile, 1080, 1920, 8), (WebpFile, 2160, 3840, 8), (GifFile, 48, 64, 64),
     (GifFile, 512, 512, 16), (GifFile, 1080, 1920, 8)],
)  # fmt: skip
def test_the_larger_frames_are_the_fewer_wait_for_each_other(
    kind: type[WebpFile | GifFile], height: int, width: int, frames: int
) -> None:
    assert frames_at_once((height, width, 3), part_bytes=kind.part_bytes) == frames


def test_v12_a_webp_that_grows_over_what_the_format_can_hold_ends_early(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(WebpFile, "most_bytes", 1000)
    with pytest.raises(UsageError, match=r"V12.*larger than 1000 bytes after 64 frames"):
        write(tmp_path / "a.webp", [numbered_frame(number) for number in range(MOST)])
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("count", [1, 2, COUNT])
def test_a_webp_says_its_size_and_what_it_is(count: int, tmp_path: Path) -> None:
    data = write(tmp_path / "a.webp", [numbered_frame(k) for k in range(count)]).read_bytes()
    assert int.from_bytes(data[4:8], "little") == len(data) - 8
    with Image.open(tmp_path / "a.webp") as image:
        assert image.n_frames == count
        assert image.size == (64, 48)
        assert image.info["xmp"].decode("utf-8") == xmp_packet(SOURCE_TYPE)


@pytest.mark.parametrize("count", [1, 2, COUNT])
def test_a_gif_says_what_it_is_once(count: int, tmp_path: Path) -> None:
    data = write(tmp_path / "a.gif", [numbered_frame(k) for k in range(count)]).read_bytes()
    assert data.count(comment_of(SOURCE_TYPE).encode()) == 1
    assert data.count(b"NETSCAPE2.0") == 1
    assert data.endswith(b";")


def test_soft_edges_of_a_gif_are_cut_at_one_half(tmp_path: Path) -> None:
    alpha = np.tile(np.arange(256, dtype=np.uint8), (8, 1))
    frame = np.dstack([np.full((8, 256, 3), 90, np.uint8), alpha])
    picture, _ = shown(write(tmp_path / "soft.gif", [frame]))[0]
    np.testing.assert_array_equal(picture[..., 3], np.where(alpha >= 128, 255, 0))
