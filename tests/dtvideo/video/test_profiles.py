import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from dtvideo.errors import UsageError
from dtvideo.profiles import BY_SUFFIX, PROFILES
from dtvideo.provenance import SOURCE_TYPE, XMP_BOX
from dtvideo.video import open_writer, probe, read_frames
from dtvideo.video.exr import REC709, to_linear
from tests.media import number_of, numbered_frame

NTSC = Fraction(30000, 1001)
SIZE = (64, 48)
OPACITIES = (0, 60, 120, 255)
STATED = {
    "h264-web": ("h264", "yuv420p", 1, 1),
    "h264-review": ("h264", "yuv420p", 1, 1),
    "hevc": ("hevc", "yuv420p10le", 1, 1),
    "prores4444": ("prores", "yuv444p10le", 1, 1),
    "ffv1-master": ("ffv1", "bgr0", 0, 2),
}


def see_through() -> np.ndarray:
    """A frame of one colour whose four upright quarters have the opacities."""
    frame = np.zeros((SIZE[1], SIZE[0], 4), np.uint8)
    frame[..., :3] = (200, 30, 90)
    frame[..., 3] = np.repeat(OPACITIES, SIZE[0] // 4)
    return frame


def write(path: Path, frames: list[np.ndarray], **options: object) -> Path:
    with open_writer(path, size=SIZE, rate=NTSC, **options) as writer:
        for frame in frames:
            writer.write(frame)
    return path


def boxes(path: Path) -> list[tuple[bytes, bytes]]:
    """Return the outermost boxes of an MPEG-4 file: kind and content."""
    content, place, found = path.read_bytes(), 0, []
    while place < len(content):
        length, kind = struct.unpack(">I4s", content[place : place + 8])
        found.append((kind, content[place + 8 : place + length]))
        place += length
    assert place == len(content)
    return found


@pytest.mark.parametrize(
    ("name", "suffix"),
    [(name, suffix) for name in STATED for suffix in PROFILES[name].suffixes],
)
def test_a_movie_holds_the_codec_and_colours_that_its_profile_states(name, suffix, tmp_path):
    numbered = [numbered_frame(k, SIZE) for k in range(6)]
    path = write(tmp_path / f"x{suffix}", numbered, profile=PROFILES[name])
    codec, pixels, matrix, colour_range = STATED[name]
    with av.open(str(path)) as movie:
        stream = movie.streams.video[0]
        context = stream.codec_context
        found = context.name, context.colorspace, context.color_range
        assert found == (codec, matrix, colour_range)
        assert (context.color_primaries, context.color_trc) == (1, 13)
        if codec != "prores":  # its decoder always reports 12 bits
            assert context.pix_fmt == pixels
        assert SOURCE_TYPE in next(v for k, v in movie.metadata.items() if k.lower() == "comment")
    info = probe(path)
    assert (info.frames, info.rate) == (6, NTSC)
    assert [number_of(frame) for frame in read_frames(path)] == list(range(6))


@pytest.mark.parametrize("name", sorted(STATED))
def test_the_same_frames_give_the_same_bytes(name, tmp_path):
    numbered = [numbered_frame(k, SIZE) for k in range(3)]
    suffix = PROFILES[name].suffixes[0]
    first, second = (
        write(tmp_path / f"{stem}{suffix}", numbered, profile=PROFILES[name]).read_bytes()
        for stem in "ab"
    )
    assert first == second


def test_hevc_says_hvc1_as_apple_players_ask_for(tmp_path):
    path = write(tmp_path / "x.mp4", [numbered_frame(1, SIZE)], profile=PROFILES["hevc"])
    assert b"hvc1" in path.read_bytes()


@pytest.mark.parametrize(("name", "off"), [("prores4444", 1), ("ffv1-master", 0)])
def test_movies_keep_straight_alpha(name, off, tmp_path):
    suffix = PROFILES[name].suffixes[0]
    path = write(tmp_path / f"x{suffix}", [see_through()] * 2, profile=PROFILES[name], alpha=True)
    with av.open(str(path)) as movie:
        frame = next(movie.decode(video=0)).to_ndarray(format="rgba")
    np.testing.assert_allclose(frame[20, 8::16, 3].astype(int), OPACITIES, atol=off)
    np.testing.assert_allclose(frame[20, 8, :3].astype(int), (200, 30, 90), atol=3)


def test_the_master_is_lossless(tmp_path):
    frame = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
    path = write(tmp_path / "x.mkv", [frame], profile=PROFILES["ffv1-master"])
    with av.open(str(path)) as movie:
        np.testing.assert_array_equal(next(movie.decode(video=0)).to_ndarray(format="rgb24"), frame)


def test_exr_frames_are_linear_half_floats_with_premultiplied_alpha(tmp_path):
    exr = pytest.importorskip("OpenEXR")
    write(tmp_path / "s.%04d.exr", [see_through()] * 2, profile=PROFILES["exr"], first=1001)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["s.1001.exr", "s.1002.exr"]
    with exr.File(str(tmp_path / "s.1001.exr")) as file:
        header, pixels = dict(file.header()), file.channels()["RGBA"].pixels.copy()
    assert pixels.dtype == np.float16
    assert header["chromaticities"] == pytest.approx(REC709)
    assert header["digitalSourceType"] == SOURCE_TYPE
    assert header["framesPerSecond"] == NTSC
    linear = ((200 / 255 + 0.055) / 1.055) ** 2.4  # 0.5776, by hand
    assert pixels[0, 63] == pytest.approx((linear, 0.01298, 0.10224, 1), abs=5e-4)
    assert pixels[0, 40, 0] == pytest.approx(linear * 120 / 255, abs=5e-4)
    assert pixels[0, 0].tolist() == [0, 0, 0, 0]


def test_the_transfer_of_srgb_is_undone():
    known = to_linear(np.array([0.0, 0.04045, 0.5, 1.0]))
    np.testing.assert_allclose(known, [0, 0.0031308, 0.2140411, 1], atol=1e-6)


def test_a_profile_and_a_suffix_that_do_not_fit_are_refused(tmp_path):
    with pytest.raises(
        UsageError, match=r"\.mp4 is not a movie format of this profile.*give \.mov"
    ):
        open_writer(tmp_path / "x.mp4", size=SIZE, rate=NTSC, profile=PROFILES["prores4444"])


def test_xmp_says_who_made_it_and_the_index_stays_in_front(tmp_path):
    found = boxes(write(tmp_path / "x.mp4", [numbered_frame(1, SIZE)]))
    kinds = [kind for kind, _ in found]
    assert kinds == [b"ftyp", b"moov", b"free", b"mdat", b"uuid"]
    identity, packet = found[-1][1][:16], found[-1][1][16:].decode()
    assert identity == XMP_BOX
    assert f"<Iptc4xmpExt:DigitalSourceType>{SOURCE_TYPE}<" in packet


def test_quicktime_holds_xmp_in_its_user_data(tmp_path):
    content = write(tmp_path / "x.mov", [numbered_frame(1, SIZE)]).read_bytes()
    place = content.index(b"XMP_")
    assert content.index(b"moov") < place < content.index(b"mdat")
    assert SOURCE_TYPE.encode() in content[place : place + 1000]


@pytest.mark.parametrize(("output", "made"), [("s.%04d.png", "s.0000.png"), ("x.webp", "x.webp")])
def test_pictures_hold_xmp(output, made, tmp_path):
    write(tmp_path / output, [numbered_frame(1, SIZE)] * 2)
    with Image.open(tmp_path / made) as image:
        image.load()
        held = image.info.get("xmp") or image.info["XML:com.adobe.xmp"]
        described = image.getxmp() if _has_defused_xml() else {}
    text = held.decode() if isinstance(held, bytes) else held
    assert SOURCE_TYPE in text
    assert not described or SOURCE_TYPE in str(described)


def _has_defused_xml() -> bool:
    try:
        import defusedxml  # noqa: F401
    except ImportError:
        return False
    return True


def test_every_profile_is_found_by_its_first_suffix_or_is_a_choice_of_its_own():
    assert {BY_SUFFIX[profile.suffixes[0]].kind for profile in PROFILES.values()} == {
        profile.kind for profile in PROFILES.values()
    }
