import os
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from dtvideo.errors import MediaError, ResourceError, UsageError
from dtvideo.video import VideoWriter, probe, read_frames
from tests.media import number_of, numbered_frame

MakeVideo = Callable[..., Path]
NTSC = Fraction(30000, 1001)


def write(path: Path, frames: list[np.ndarray], rate: Fraction = NTSC) -> Path:
    height, width = frames[0].shape[:2]
    with VideoWriter(path, size=(width, height), rate=rate) as writer:
        for frame in frames:
            writer.write(frame)
    return path


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".webm"])
@pytest.mark.parametrize("rate", [NTSC, Fraction(25), Fraction(24000, 1001), Fraction(60)])
def test_frames_in_are_frames_out_at_the_exact_rate(
    suffix: str, rate: Fraction, tmp_path: Path
) -> None:
    path = write(tmp_path / f"a{suffix}", [numbered_frame(k) for k in range(40)], rate)
    info = probe(path)
    assert (info.frames, info.rate, info.variable_rate) == (40, rate, False)
    assert [number_of(frame) for frame in read_frames(path)] == list(range(40))


def test_one_frame_is_a_movie(tmp_path: Path) -> None:
    assert probe(write(tmp_path / "a.mp4", [numbered_frame(3)])).frames == 1


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".webm"])
def test_colours_are_tagged_and_come_back(suffix: str, tmp_path: Path) -> None:
    patches = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255], [0, 0, 0],
                        [128, 128, 128], [200, 30, 90], [240, 200, 170]], np.uint8)  # fmt: skip
    frame = np.repeat(np.repeat(patches.reshape(2, 4, 3), 32, axis=0), 32, axis=1)
    path = write(tmp_path / f"a{suffix}", [frame] * 5)
    tags = probe(path).colours
    assert (tags.matrix, tags.primaries, tags.transfer, tags.full_range) == (1, 1, 13, False)
    back = list(read_frames(path))[2][16::32, 16::32].reshape(-1, 3)
    np.testing.assert_allclose(back.astype(int), patches.astype(int), atol=4)


def test_movie_is_h264_yuv420p_that_plays_while_it_loads(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mp4", [numbered_frame(k) for k in range(5)])
    with av.open(str(path)) as container:
        context = container.streams.video[0].codec_context
        assert (context.name, context.pix_fmt) == ("h264", "yuv420p")
        assert "creation_time" not in container.metadata
        assert "trainedAlgorithmicMedia" in container.metadata["comment"]
    content = path.read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")


def test_same_frames_give_the_same_bytes(tmp_path: Path) -> None:
    frames = [np.random.default_rng(k).integers(0, 255, (48, 64, 3), np.uint8) for k in range(8)]
    first, second = (write(tmp_path / name, frames).read_bytes() for name in ("a.mp4", "b.mp4"))
    assert first == second


@pytest.mark.parametrize("suffix", [".mp4", ".webm"])
@pytest.mark.parametrize("size", [(161, 121), (160, 121), (17, 16), (1, 1)])
def test_v12_odd_sizes_are_stored_one_larger(
    size: tuple[int, int], suffix: str, tmp_path: Path
) -> None:
    width, height = size
    frame = np.random.default_rng(0).integers(100, 130, (height, width, 3), np.uint8)
    with VideoWriter(tmp_path / f"a{suffix}", size=size, rate=Fraction(25)) as writer:
        writer.write(frame)
    with av.open(str(writer.path)) as container:
        stream = container.streams.video[0]
        assert (stream.width, stream.height) == writer.stored_size
    assert writer.stored_size == (width + width % 2, height + height % 2)


def test_frame_of_another_size_is_refused_by_number(tmp_path: Path) -> None:
    frames = [numbered_frame(0), numbered_frame(0)[:, :32]]
    with pytest.raises(MediaError, match=r"frame 1 is 32x48.*every frame must be 64x48"):
        write(tmp_path / "a.mp4", frames)
    assert os.listdir(tmp_path) == []


def test_movie_without_frames_is_an_error_and_no_file(tmp_path: Path) -> None:
    with (
        pytest.raises(MediaError, match="no frame was written") as caught,
        VideoWriter(tmp_path / "a.mp4", size=(64, 48), rate=NTSC),
    ):
        pass
    assert caught.value.code == "V5"
    assert os.listdir(tmp_path) == []


def write_and_stop(path: Path) -> None:
    with VideoWriter(path, size=(64, 48), rate=NTSC) as writer:
        writer.write(numbered_frame(0))
        raise KeyboardInterrupt


def test_interrupted_movie_leaves_the_old_one(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mp4", [numbered_frame(k) for k in range(3)])
    before = path.read_bytes()
    with pytest.raises(KeyboardInterrupt):
        write_and_stop(path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["a.mp4"]


def test_unknown_suffix_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"\.wmv is not a movie format.*\.mp4") as caught:
        VideoWriter(tmp_path / "a.wmv", size=(64, 48), rate=NTSC)
    assert caught.value.exit_code == 2


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_full_disk_is_a_resource_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dtvideo.video.encode._create", lambda *_: av.open(
        "/dev/full", "w", format="mpegts"))  # fmt: skip
    frames = [np.random.default_rng(k).integers(0, 255, (240, 320, 3), np.uint8) for k in range(30)]
    with pytest.raises(ResourceError, match="disk is full") as caught:
        write(tmp_path / "a.mp4", frames)
    assert caught.value.exit_code == 7
    assert os.listdir(tmp_path) == []
