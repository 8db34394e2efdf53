import hashlib
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import pytest

from dtvideo.errors import MediaError
from dtvideo.video import VideoWriter, probe, read_frames
from dtvideo.video.sound import first_picture_time
from tests.media import click_times, clicks, numbered_frame, write_audio_file

MakeVideo = Callable[..., Path]
RATE = Fraction(25)
CLICKS = [0.2, 0.8, 1.3, 1.9]


def render(source: Path, output: Path, count: int = 50, offset: Fraction = Fraction(0)) -> Path:
    with VideoWriter(
        output, size=(64, 48), rate=RATE, audio_from=source, audio_offset=offset
    ) as writer:
        for index in range(count):
            writer.write(numbered_frame(index))
    return output


def packet_hashes(path: Path) -> list[str]:
    with av.open(str(path)) as container:
        return [
            hashlib.sha256(bytes(packet)).hexdigest()
            for packet in container.demux(audio=0)
            if packet.size
        ]


@pytest.mark.parametrize(
    ("name", "codec", "suffix"),
    [("a.mp4", "aac", ".mp4"), ("a.mkv", "libopus", ".mp4"), ("a.mov", "aac", ".mov"),
     ("a.mkv", "libopus", ".webm"), ("a.mov", "pcm_s16le", ".mov"), ("a.mkv", "flac", ".mp4")],
)  # fmt: skip
def test_packets_are_copied_as_they_are_and_in_step(
    name: str, codec: str, suffix: str, make_video: MakeVideo, tmp_path: Path
) -> None:
    source = make_video(name, 50, sound=clicks(2, CLICKS), sound_codec=codec)
    output = render(source, tmp_path / f"out{suffix}")
    copied = packet_hashes(output)
    original = packet_hashes(source)
    assert "".join(copied) in "".join(original)
    assert len(original) - len(copied) <= 3
    heard = click_times(output)
    assert heard == pytest.approx(CLICKS, abs=0.01)
    assert probe(output).has_audio


@pytest.mark.parametrize(
    ("name", "codec", "suffix"),
    [("a.mp4", "aac", ".webm"), ("a.mov", "pcm_s16le", ".mp4"), ("a.avi", "mp3", ".webm")],
)
def test_codec_that_the_container_cannot_hold_is_encoded_anew_in_step(
    name: str, codec: str, suffix: str, make_video: MakeVideo, tmp_path: Path
) -> None:
    video = "mpeg4" if name.endswith("avi") else "libx264"
    source = make_video(name, 50, codec=video, sound=clicks(2, CLICKS), sound_codec=codec)
    heard = click_times(render(source, tmp_path / f"out{suffix}"))
    original = click_times(source)
    assert heard == pytest.approx(original, abs=0.015)


@pytest.mark.parametrize("suffix", [".mp4", ".webm"])
def test_range_of_frames_has_its_own_part_of_the_sound(
    suffix: str, make_video: MakeVideo, tmp_path: Path
) -> None:
    source = make_video(frames=50, sound=clicks(2, CLICKS))
    output = render(source, tmp_path / f"out{suffix}", 20, offset=Fraction(16, 25))
    assert click_times(output) == pytest.approx([0.8 - 0.64, 1.3 - 0.64], abs=0.015)
    with av.open(str(output)) as container:
        assert container.duration / av.time_base == pytest.approx(0.8, abs=0.05)


def test_sound_stays_in_step_when_the_pictures_begin_late(
    make_video: MakeVideo, tmp_path: Path
) -> None:
    late = [Fraction(1, 2) + k / RATE for k in range(30)]
    source = make_video("a.mkv", 30, times=late, sound=clicks(2, CLICKS))
    start = float(first_picture_time(source))
    assert start == pytest.approx(0.5, abs=0.05)
    output = render(source, tmp_path / "out.mp4", 30)
    heard = click_times(output)
    expected = [time - start for time in click_times(source) if time > start]
    assert heard == pytest.approx([t for t in expected if t < 1.2], abs=0.01)


def test_sound_that_begins_late_stays_late(make_video: MakeVideo, tmp_path: Path) -> None:
    source = make_video("a.mkv", 50, sound=clicks(1, [0.2]), sound_start=Fraction(1))
    assert click_times(render(source, tmp_path / "out.mp4")) == pytest.approx([1.2], abs=0.02)


def test_sound_longer_than_the_pictures_is_cut(make_video: MakeVideo, tmp_path: Path) -> None:
    source = make_video(frames=10, sound=clicks(2, CLICKS))
    with av.open(str(render(source, tmp_path / "out.mp4", 10))) as container:
        track = container.streams.audio[0]
        assert float(track.duration * track.time_base) == pytest.approx(0.4, abs=0.03)


def test_source_without_sound_gives_a_silent_movie(make_video: MakeVideo, tmp_path: Path) -> None:
    assert not probe(render(make_video(), tmp_path / "out.mp4", 5)).has_audio


def test_sound_file_alone_can_be_laid_under(tmp_path: Path) -> None:
    song = write_audio_file(tmp_path / "song.wav", clicks(2, CLICKS), "pcm_s16le")
    assert click_times(render(song, tmp_path / "out.mp4")) == pytest.approx(CLICKS, abs=0.01)


def test_frames_are_the_same_with_and_without_sound(make_video: MakeVideo, tmp_path: Path) -> None:
    source = make_video(frames=10, sound=clicks(0.4, [0.1]))
    with_sound = render(source, tmp_path / "with.mp4", 10)
    without = render(make_video("silent.mp4"), tmp_path / "without.mp4", 10)
    pairs = zip(read_frames(with_sound), read_frames(without), strict=True)
    assert all((first == second).all() for first, second in pairs)


def test_missing_source_of_sound_is_named_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match=r"no\.mp4"):
        render(tmp_path / "no.mp4", tmp_path / "out.mp4")
    assert list(tmp_path.iterdir()) == []
