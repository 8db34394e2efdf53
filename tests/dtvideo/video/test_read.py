import struct
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from dtvideo.errors import MediaError
from dtvideo.video import VideoLimits, probe, read_frames
from tests.media import clicks, number_of, numbered_frame, write_video

MakeVideo = Callable[..., Path]
NTSC = Fraction(30000, 1001)


def numbers(path: Path, rate: Fraction | None = None) -> list[int]:
    return [number_of(frame) for frame in read_frames(path, rate=rate)]


@pytest.mark.parametrize("rate", [Fraction(25), NTSC, Fraction(24000, 1001), Fraction(60)])
@pytest.mark.parametrize("name", ["a.mp4", "a.mov", "a.mkv"])
def test_every_frame_comes_once_at_the_exact_rate(
    name: str, rate: Fraction, make_video: MakeVideo
) -> None:
    path = make_video(name, 31, rate=rate)
    info = probe(path)
    assert (info.rate, info.frames, info.size) == (rate, 31, (64, 48))
    assert not info.variable_rate
    assert not info.has_audio
    assert info.notices == ()
    assert numbers(path) == list(range(31))


def test_vp9_and_gif_are_read_too(make_video: MakeVideo) -> None:
    assert numbers(make_video("a.webm", 9, codec="libvpx-vp9")) == list(range(9))
    assert numbers(make_video("a.gif", 9, codec="gif", pixels="rgb8")) == list(range(9))


def test_v7_one_frame_is_a_video(make_video: MakeVideo) -> None:
    path = make_video(frames=1)
    assert probe(path).frames == 1
    assert numbers(path) == [0]


def test_stopping_early_closes_the_file_with_torchvision_imported(make_video: MakeVideo) -> None:
    import torchvision  # noqa: F401  frame threads of the decoder hang in its presence

    path = make_video(frames=60)
    for _ in range(3):
        frames = read_frames(path)
        assert number_of(next(frames)) == 0
        frames.close()
    open_files = [link.readlink() for link in Path("/proc/self/fd").iterdir() if link.exists()]
    assert path not in open_files


def test_v4_damage_in_the_middle_names_the_last_good_frame(make_video: MakeVideo) -> None:
    noise = [np.random.default_rng(k).integers(0, 255, (48, 64, 3), np.uint8) for k in range(30)]
    path = make_video(frames=noise, muxer_options={"movflags": "+faststart"})
    content = bytearray(path.read_bytes())
    content = content[: len(content) * 2 // 3]
    path.write_bytes(content)
    with pytest.raises(
        MediaError, match=r"damaged or cut off: the last good frame is \d+"
    ) as caught:
        probe(path)
    assert (caught.value.code, caught.value.exit_code) == ("V4", 3)
    last = int(str(caught.value).split("frame is ")[1].split(" ")[0])
    assert 5 < last < 29


def test_v5_header_that_claims_more_frames_than_there_are(make_video: MakeVideo) -> None:
    path = make_video("a.avi", 12, codec="mpeg4")
    content = bytearray(path.read_bytes())
    place = content.index(b"avih") + 8 + 16
    assert struct.unpack_from("<I", content, place) == (12,)
    struct.pack_into("<I", content, place, 5000)
    path.write_bytes(content)
    assert probe(path).frames == 12
    assert len(numbers(path)) == 12


def test_v5_a_video_that_ends_before_its_header_says_is_read_so_far(
    make_video: MakeVideo,
) -> None:
    path = make_video("whole.mkv", 40, codec="ffv1")
    assert probe(path).notices == ()
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    info = probe(path)
    assert numbers(path) == list(range(info.frames))
    assert 0 < info.frames < 40
    (notice,) = info.notices
    assert f"holds {info.frames} frames in {info.frames / 25:.2f} s of 1.60 s" in notice


@pytest.mark.parametrize("name", ["long.mkv", "long.mp4"])
def test_v5_sound_that_is_longer_than_the_pictures_is_no_fault(
    name: str, make_video: MakeVideo
) -> None:
    info = probe(make_video(name, 5, sound=clicks(3.0, [0.1])))
    assert (info.frames, info.notices) == (5, ())


def test_v5_no_picture_that_can_be_decoded(make_video: MakeVideo) -> None:
    path = make_video("a.avi", 3, codec="mpeg4")
    content = bytearray(path.read_bytes())
    start = content.index(b"movi")
    for place in range(start, len(content) - 8):
        if content[place : place + 4] == b"00dc":
            size = struct.unpack_from("<I", content, place + 4)[0]
            content[place + 8 : place + 8 + size] = bytes(size)
    path.write_bytes(content)
    with pytest.raises(MediaError) as caught:
        probe(path)
    assert caught.value.code in ("V4", "V5")
    assert caught.value.exit_code == 3


def test_v8_variable_rate_becomes_constant_by_the_nearest_frame(make_video: MakeVideo) -> None:
    shown = [k for k in range(40) if k not in (5, 6, 20)]
    times = [Fraction(k, 30) for k in shown]
    path = make_video("a.mp4", [numbered_frame(k) for k in shown], rate=Fraction(30), times=times)
    info = probe(path)
    assert (info.rate, info.frames, info.variable_rate) == (Fraction(30), 40, True)
    assert "varies" in info.notices[0]
    expected = list(range(40))
    expected[5], expected[6], expected[20] = 4, 7, 19
    assert numbers(path) == expected


def test_v8_first_frame_is_frame_0_whatever_its_time(make_video: MakeVideo) -> None:
    times = [Fraction(7, 2) + Fraction(k, 25) for k in range(10)]
    path = make_video("a.mkv", 10, times=times)
    info = probe(path)
    assert (info.start, info.frames, info.rate) == (Fraction(7, 2), 10, Fraction(25))
    assert numbers(path) == list(range(10))


def test_v8_a_time_stamp_far_beyond_the_others_is_refused(make_video: MakeVideo) -> None:
    times = [*(Fraction(k, 25) for k in range(9)), Fraction(100)]
    path = make_video("a.mkv", 10, times=times)
    with pytest.raises(MediaError, match=r"10 pictures for 100\.\d seconds.*--fps") as caught:
        probe(path)
    assert (caught.value.code, caught.value.exit_code) == ("V8", 3)
    assert probe(path, rate=Fraction(1)).frames == 100


def test_another_rate_keeps_the_length_in_seconds(make_video: MakeVideo) -> None:
    path = make_video(frames=60, rate=Fraction(60))
    info = probe(path, rate=Fraction(24))
    assert (info.frames, info.duration) == (24, 1)
    assert info == probe(path).at_rate(Fraction(24))
    assert numbers(path, Fraction(30)) == list(range(0, 60, 2))


def test_v10_too_many_frames_are_refused_by_the_header_before_any_is_decoded(
    make_video: MakeVideo, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_video(frames=40)
    assert probe(path, limits=VideoLimits(frames=40)).frames == 40
    monkeypatch.setattr("dtvideo.video.read._decode", lambda *_: pytest.fail("decoded"))
    with pytest.raises(MediaError, match=r"holds about 40 frames; at most 39.*--max-frames") as e:
        probe(path, limits=VideoLimits(frames=39))
    assert (e.value.code, e.value.exit_code) == ("V10", 3)
    with pytest.raises(MediaError, match=r"is 64x48 pixels, more than 3071 in all.*--max-pixels"):
        probe(path, limits=VideoLimits(pixels=3071))


def test_v10_a_header_that_tells_less_than_there_is_does_not_get_past_the_limit(
    make_video: MakeVideo,
) -> None:
    path = make_video("a.avi", 40, codec="mpeg4")
    content = bytearray(path.read_bytes())
    for name, offset in ((b"avih", 16), (b"strh", 32)):
        struct.pack_into("<I", content, content.index(name) + 8 + offset, 5)
    path.write_bytes(content)
    with pytest.raises(MediaError, match="at most 20 are read") as caught:
        probe(path, limits=VideoLimits(frames=20))
    assert caught.value.code == "V10"


@pytest.mark.parametrize("size", [(8, 64), (64, 8)])
def test_v11_tiny_video_is_refused(size: tuple[int, int], make_video: MakeVideo) -> None:
    with pytest.raises(MediaError, match=f"{size[0]}x{size[1]} pixels, too small") as caught:
        probe(make_video(size=size))
    assert caught.value.code == "V11"


def test_v13_size_that_changes_in_the_stream_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.ts"
    parts = [write_video(tmp_path / f"{k}.ts", 5, size=size)
             for k, size in enumerate(((64, 48), (96, 64)))]  # fmt: skip
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    with pytest.raises(MediaError, match=r"from \(64, 48\) to \(96, 64\)") as caught:
        probe(path)
    assert caught.value.code == "V13"


@pytest.mark.parametrize("pixels", ["yuv444p", "yuv420p10le", "yuv422p"])
def test_v13_other_pixel_formats_are_converted(pixels: str, make_video: MakeVideo) -> None:
    assert numbers(make_video("a.mkv", 5, pixels=pixels)) == list(range(5))


@pytest.mark.parametrize(("codec", "pixels"), [("prores_ks", "yuva444p10le"), ("qtrle", "argb")])
def test_v13_video_with_alpha_is_read(codec: str, pixels: str, make_video: MakeVideo) -> None:
    assert numbers(make_video("a.mov", 5, codec=codec, pixels=pixels)) == list(range(5))


def test_v13_interlaced_video_is_read_and_told(make_video: MakeVideo) -> None:
    path = make_video("a.mp4", 6, options={"x264-params": "tff=1"})
    assert any("interlaced" in notice for notice in probe(path).notices)
    assert numbers(path) == list(range(6))
    assert not any("interlaced" in notice for notice in probe(make_video("b.mp4", 6)).notices)


def test_v14_rate_that_is_no_rate_asks_for_one(make_video: MakeVideo) -> None:
    path = make_video("a.mkv", 3, rate=Fraction(1, 60), times=[Fraction(60 * k) for k in range(3)])
    with pytest.raises(MediaError, match=r"frame rate .* unusable.*--fps") as caught:
        probe(path)
    assert caught.value.code == "V14"
    assert probe(path, rate=Fraction(1)).frames > 100


def test_v13_of_several_tracks_the_first_is_used_and_told(tmp_path: Path) -> None:
    path = tmp_path / "two.mkv"
    with av.open(str(path), "w") as container:
        tracks = [container.add_stream("libx264", rate=25) for _ in range(2)]
        for track in tracks:
            track.width, track.height, track.pix_fmt = 64, 48, "yuv420p"
        for k in range(5):
            for track, number in zip(tracks, (k, 200 + k), strict=True):
                frame = av.VideoFrame.from_ndarray(numbered_frame(number), format="rgb24")
                container.mux(track.encode(frame))
        for track in tracks:
            container.mux(track.encode(None))
    assert "several video tracks" in probe(path).notices[0]
    assert numbers(path) == list(range(5))


def test_v13_pixels_that_are_not_square_are_made_so(make_video: MakeVideo) -> None:
    info = probe(make_video("a.mkv", 3, shape=Fraction(4, 3)))
    assert info.size == (85, 48)


@pytest.mark.parametrize(
    ("told", "rate"),
    [(Fraction(2997, 100), NTSC), (Fraction(2398, 100), Fraction(24000, 1001)),
     (Fraction(1), Fraction(1)), (Fraction(239), Fraction(239))],
)  # fmt: skip
def test_v14_a_rounded_rate_is_snapped_and_an_exotic_one_kept(
    told: Fraction, rate: Fraction, make_video: MakeVideo
) -> None:
    info = probe(make_video("a.mp4", 12, rate=told))
    assert (info.rate, info.frames, info.variable_rate) == (rate, 12, False)


def test_v15_gif_and_apng_are_videos_and_animated_webp_is_refused_by_name(tmp_path: Path) -> None:
    pictures = [Image.fromarray(numbered_frame(k)) for k in range(5)]
    for name, kind in (("a.gif", "GIF"), ("a.apng", "PNG"), ("a.webp", "WebP")):
        path = tmp_path / name
        pictures[0].save(path, kind, save_all=True, append_images=pictures[1:], duration=40)
        if kind == "WebP":
            with pytest.raises(MediaError, match="no known video format") as caught:
                probe(path)
            assert (caught.value.code, caught.value.exit_code) == ("V2", 3)
        else:
            assert (probe(path).rate, numbers(path)) == (Fraction(25), list(range(5)))


def test_v16_file_that_changes_between_probe_and_read_is_refused(make_video: MakeVideo) -> None:
    info = probe(make_video(frames=20))
    make_video(frames=12)
    with pytest.raises(MediaError, match=r"changed while it was read: \d+ bytes, then") as caught:
        next(read_frames(info))
    assert (caught.value.code, caught.value.exit_code) == ("V16", 3)


def test_v16_file_with_another_number_of_frames_is_refused(make_video: MakeVideo) -> None:
    info = probe(make_video(frames=20))
    shorter = make_video(frames=12)
    with pytest.raises(MediaError, match="20 frames, then 12") as caught:
        list(read_frames(replace(info, file_bytes=shorter.stat().st_size)))
    assert caught.value.code == "V16"


def test_v16_file_that_grows_while_it_is_read_is_refused(make_video: MakeVideo) -> None:
    path = make_video("a.ts", 20)
    frames = read_frames(path)
    next(frames)
    path.write_bytes(path.read_bytes() + make_video("b.ts", 20).read_bytes())
    with pytest.raises(MediaError, match="changed while it was read") as caught:
        list(frames)
    assert caught.value.code == "V16"


def test_frames_stream_one_at_a_time(
    make_video: MakeVideo, monkeypatch: pytest.MonkeyPatch
) -> None:
    converted = []
    reformat = av.VideoFrame.to_ndarray
    path = make_video(frames=30)
    monkeypatch.setattr(
        "dtvideo.video.read.to_rgb",
        lambda frame, size: converted.append(1) or reformat(frame.reformat(format="rgb24")),
    )
    frames = read_frames(path)
    next(frames)
    next(frames)
    assert len(converted) == 2
    frames.close()
