import struct
import time
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from dtvideo.errors import MediaError
from dtvideo.images import fit_to, load_image, place, resize, save_png
from tests.media import corner_frame

MakePicture = Callable[..., Path]
RED, GREEN = (200, 30, 30), (30, 200, 30)


def refusal(path: Path) -> MediaError:
    with pytest.raises(MediaError) as caught:
        load_image(path)
    assert caught.value.exit_code == 3
    return caught.value


@pytest.mark.parametrize("orientation", range(1, 9))
def test_r1_exif_orientation_is_applied(orientation: int, make_picture: MakePicture) -> None:
    """Store the picture turned so that its tag undoes the turn; tags as in the Exif standard."""
    undo = {
        1: lambda a: a, 2: np.fliplr, 3: lambda a: np.rot90(a, 2), 4: np.flipud,
        5: lambda a: a.transpose(1, 0, 2), 6: lambda a: np.rot90(a, 1),
        7: lambda a: np.rot90(a, 2).transpose(1, 0, 2), 8: lambda a: np.rot90(a, -1),
    }[orientation]  # fmt: skip
    tags = Image.Exif()
    tags[0x0112] = orientation
    stored = np.ascontiguousarray(undo(corner_frame()))
    path = make_picture("photo.png", stored, exif=tags)
    np.testing.assert_array_equal(load_image(path).rgb, corner_frame())


def test_r2_profile_is_converted_to_srgb(make_picture: MakePicture) -> None:
    """A profile that swaps nothing leaves colours; a linear one brightens mid-grey to 188."""
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    linear = linear_profile()
    pixels = np.full((32, 32, 3), 128, np.uint8)
    plain = load_image(make_picture("a.png", pixels, icc_profile=srgb)).rgb
    bright = load_image(make_picture("b.png", pixels, icc_profile=linear)).rgb
    assert abs(int(plain.mean()) - 128) <= 1
    assert abs(bright.mean() - 188) <= 2


def linear_profile() -> bytes:
    """The sRGB profile with its tone curves replaced by gamma 1."""
    content = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    count = struct.unpack_from(">I", content, 128)[0]
    for index in range(count):
        name, offset, _ = struct.unpack_from(">4sII", content, 132 + 12 * index)
        if name in (b"rTRC", b"gTRC", b"bTRC"):
            struct.pack_into(">4s4xHHi", content, offset, b"para", 0, 0, 65536)
    return bytes(content)


def test_r2_cmyk_without_profile_is_read_with_a_notice(make_picture: MakePicture) -> None:
    path = make_picture("a.jpg", corner_frame(), mode="CMYK", quality=95)
    loaded = load_image(path)
    assert "CMYK without a profile" in loaded.notices[0]
    np.testing.assert_allclose(loaded.rgb[12, 16].astype(int), RED, atol=8)


def test_r2_lab_is_read(make_picture: MakePicture, tmp_path: Path) -> None:
    lab = ImageCms.profileToProfile(
        Image.fromarray(corner_frame()), ImageCms.createProfile("sRGB"),
        ImageCms.createProfile("LAB"), outputMode="LAB",
    )  # fmt: skip
    lab.save(tmp_path / "a.tiff")
    rgb = load_image(tmp_path / "a.tiff").rgb
    np.testing.assert_allclose(rgb[12, 16].astype(int), RED, atol=4)


def test_r2_broken_profile_is_noticed_not_fatal(make_picture: MakePicture) -> None:
    loaded = load_image(make_picture("a.png", corner_frame(), icc_profile=b"rubbish" * 40))
    assert "profile in the picture cannot be used" in loaded.notices[0]
    np.testing.assert_array_equal(loaded.rgb, corner_frame())


def test_r3_sixteen_bits_are_scaled_by_257(make_picture: MakePicture) -> None:
    grey = np.linspace(0, 65535, 32 * 32).reshape(32, 32).astype(np.uint16)
    for name in ("a.png", "a.tiff"):
        rgb = load_image(make_picture(name, grey)).rgb
        np.testing.assert_array_equal(rgb[..., 0], np.round(grey / 257))
        assert (rgb[..., 0] == rgb[..., 2]).all()


def test_r3_whole_numbers_of_32_bits_that_fit_into_8_are_those(make_picture: MakePicture) -> None:
    grey = np.arange(32 * 8).reshape(16, 16).astype(np.int32)
    loaded = load_image(make_picture("a.tiff", grey))
    np.testing.assert_array_equal(loaded.rgb[..., 1], grey)
    assert "32-bit values" in loaded.notices[0]
    bright = load_image(make_picture("b.tiff", 257 * grey))
    np.testing.assert_array_equal(bright.rgb[..., 1], grey)


def test_r3_sixteen_bit_colour_is_right_to_one_level(tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 65536, (32, 32, 3)).astype(">u2")
    path = tmp_path / "a.png"
    path.write_bytes(png_file(32, 32, depth=16, colour=2, rows=values.reshape(32, -1)))
    error = np.abs(load_image(path).rgb - values.astype(float) / 257)
    assert error.max() <= 1


def png_file(width: int, height: int, *, depth: int, colour: int, rows: np.ndarray) -> bytes:
    lines = b"".join(b"\0" + row.tobytes() for row in rows)
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(lines)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )


def test_r4_float_picture_is_cut_to_0_and_1_or_refused(make_picture: MakePicture) -> None:
    values = np.linspace(-0.5, 1.5, 32 * 32, dtype=np.float32).reshape(32, 32)
    loaded = load_image(make_picture("a.tiff", values))
    assert (loaded.rgb.min(), loaded.rgb.max()) == (0, 255)
    assert "values from -0.5 to 1.5" in loaded.notices[0]
    values[3, 4] = np.nan
    error = refusal(make_picture("b.tiff", values))
    assert (error.code, "holds 1 values" in str(error)) == ("R4", True)


def test_r5_alpha_is_kept_and_laid_over_the_background(make_picture: MakePicture) -> None:
    pixels = np.dstack([corner_frame(), np.full((48, 64), 255, np.uint8)])
    pixels[24:, :, 3] = 0
    pixels[:12, :, 3] = 51
    loaded = load_image(make_picture("a.png", pixels), background=(0, 0, 250))
    assert loaded.alpha is not None
    np.testing.assert_array_equal(loaded.alpha, pixels[..., 3])
    np.testing.assert_array_equal(loaded.rgb[30, 5], [0, 0, 250])
    np.testing.assert_allclose(loaded.rgb[5, 5].astype(int), [40, 6, 206], atol=1)


@pytest.mark.parametrize("mode", ["P", "1", "L", "LA"])
def test_r5_palette_one_bit_and_grey_are_read(mode: str, make_picture: MakePicture) -> None:
    loaded = load_image(make_picture("a.png", corner_frame(), mode=mode))
    expected = np.asarray(Image.fromarray(corner_frame()).convert(mode).convert("RGB"))
    np.testing.assert_array_equal(loaded.rgb, expected)
    assert loaded.alpha is None


def test_r5_palette_with_transparency_has_alpha(make_picture: MakePicture) -> None:
    image = Image.fromarray(corner_frame()).quantize(4)
    path = make_picture("a.png", np.zeros((4, 4), np.uint8))
    image.save(path, transparency=image.getpixel((10, 10)))
    alpha = load_image(path).alpha
    assert alpha is not None
    assert (alpha[10, 10], alpha[40, 40]) == (0, 255)


def test_r5_fully_transparent_picture_is_refused(make_picture: MakePicture) -> None:
    error = refusal(make_picture("a.png", np.zeros((32, 32, 4), np.uint8)))
    assert (error.code, "fully transparent" in str(error)) == ("R5", True)


@pytest.mark.parametrize("suffix", ["gif", "webp", "png", "tiff"])
def test_r6_first_picture_of_several_is_used_with_a_notice(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"a.{suffix}"
    first, second = (Image.new("RGB", (32, 32), c) for c in ("red", "blue"))
    first.putpixel((0, 0), (255, 255, 255))
    first.save(path, save_all=True, append_images=[second])
    loaded = load_image(path)
    assert "holds 2 pictures; the first is used" in loaded.notices[0]
    assert loaded.rgb[16, 16, 0] > 200


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"%PDF-1.7 ...", "a PDF document"), (b"%!PS-Adobe-3.0 EPSF-3.0\n", "an EPS"),
     (b"<svg xmlns='x'/>", "an SVG"), (b"8BPS\0\1", "a Photoshop"),
     (b"\0\0\0\x18ftypheic", "is an HEIC picture, which"), (b"hello", "no known kind"),
     (b"", "is empty · copy it again"),
     (b"\0\0\0\x20ftypisom", "is a video, not a picture · give a picture"),
     (b"\0\0\0\x14ftypqt  ", "is a video, not"), (b"\x1aE\xdf\xa3", "is a video, not")],
)  # fmt: skip
def test_r7_what_is_not_read_is_named(content: bytes, words: str, tmp_path: Path) -> None:
    path = tmp_path / "ref.png"
    path.write_bytes(content)
    error = refusal(path)
    assert (error.code, words in str(error)) == ("R7", True)


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp"])
def test_r8_truncated_picture_is_refused(name: str, make_picture: MakePicture) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    path = make_picture(name, noise)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    error = refusal(path)
    assert (error.code, "is damaged" in str(error)) == ("R8", True)


def test_r9_bomb_is_refused_from_its_header(tmp_path: Path) -> None:
    path = tmp_path / "bomb.png"
    for width, height, told in (
        (50_000, 50_000, "has 2500 million pixels; the limit"),
        (12_000, 8_000, "has 96 million pixels; the limit"),
    ):
        rows = np.zeros((1, 8), np.uint8)
        path.write_bytes(png_file(width, height, depth=8, colour=2, rows=rows))
        start = time.perf_counter()
        error = refusal(path)
        assert time.perf_counter() - start < 1
        assert error.code == "R9"
        assert f"{told} is 89 million pixels" in str(error)


def test_r9_inflated_text_chunk_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bomb.png"
    content = png_file(32, 32, depth=8, colour=0, rows=np.zeros((32, 32), np.uint8))
    data = b"key\0\0" + zlib.compress(bytes(100_000_000))
    chunk = struct.pack(">I", len(data)) + b"zTXt" + data
    chunk += struct.pack(">I", zlib.crc32(b"zTXt" + data))
    path.write_bytes(content[:33] + chunk + content[33:])
    assert refusal(path).code == "R9"


def test_r10_tiny_is_refused_and_huge_reduced_with_a_notice(make_picture: MakePicture) -> None:
    error = refusal(make_picture("a.png", np.zeros((8, 64, 3), np.uint8)))
    assert (error.code, "64x8 pixels" in str(error)) == ("R10", True)
    wide = load_image(make_picture("b.png", np.zeros((400, 20_000, 3), np.uint8)))
    assert wide.rgb.shape == (82, 4096, 3)
    assert "reduced from 20000x400 to 4096x82" in wide.notices[0]


def test_r13_content_decides_not_the_suffix(make_picture: MakePicture, tmp_path: Path) -> None:
    path = make_picture("a.png", corner_frame()).rename(tmp_path / "a.jpg")
    np.testing.assert_array_equal(load_image(path).rgb, corner_frame())


def test_r14_uniform_picture_is_noticed(make_picture: MakePicture) -> None:
    loaded = load_image(make_picture("a.png", np.full((32, 32, 3), 255, np.uint8)))
    assert "one colour all over" in loaded.notices[0]


def test_missing_picture_is_named(tmp_path: Path) -> None:
    assert refusal(tmp_path / "ref.png").code == "V1"


@pytest.mark.parametrize("shape", [(32, 48), (32, 48, 3), (32, 48, 4)])
def test_saved_png_comes_back_with_its_text(shape: tuple[int, ...], tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, shape).astype(np.uint8)
    path = tmp_path / "out" / "a.png"
    save_png(path, pixels, text={"Comment": "gemacht für Zoë"})
    first = path.read_bytes()
    with Image.open(BytesIO(first)) as image:
        np.testing.assert_array_equal(np.asarray(image), pixels)
        assert image.info["Comment"] == "gemacht für Zoë"
    save_png(path, pixels, text={"Comment": "gemacht für Zoë"})
    assert path.read_bytes() == first


@pytest.mark.parametrize("source", [(64, 48), (48, 64), (100, 30), (7, 333)])
def test_letterboxed_picture_is_whole_and_centred(source: tuple[int, int]) -> None:
    picture = corner_frame(source)
    canvas, placement = fit_to(picture, (128, 128), fill=(1, 2, 3))
    assert canvas.shape == (128, 128, 3)
    assert max(placement.fitted_size) == 128
    width, height = source
    assert abs(placement.fitted_size[0] / placement.fitted_size[1] - width / height) < 0.5
    covered = np.zeros((128, 128), bool)
    placement.cut(covered)[...] = True
    assert (canvas[~covered] == (1, 2, 3)).all()


def test_points_move_with_the_picture_and_back() -> None:
    placement = place((64, 48), (128, 128))
    assert (placement.fitted_size, placement.offset) == ((128, 96), (0, 16))
    points = np.array([[0.0, 0.0], [64.0, 48.0], [np.nan, 3.0]])
    moved = placement.to_target(points)
    np.testing.assert_array_equal(moved[:2], [[0, 16], [128, 112]])
    np.testing.assert_allclose(placement.to_source(moved), points)


def test_masks_are_fitted_like_pictures_and_stay_between_0_and_1() -> None:
    mask = np.zeros((10, 20), np.float32)
    mask[:, 10:] = 1
    canvas, placement = fit_to(mask, (40, 40))
    assert canvas.dtype == np.float32
    assert (canvas.min(), canvas.max()) == (0, 1)
    assert abs(canvas.sum() / placement.cut(canvas).size - 0.5) < 0.01


def test_shrinking_averages_what_a_pixel_covers() -> None:
    image = np.arange(16, dtype=np.uint8).reshape(4, 4) * 10
    np.testing.assert_array_equal(resize(image, (2, 2)), [[25, 45], [105, 125]])
    same = resize(image, (4, 4))
    assert (same == image).all()
    assert same is not image


def test_an_enlarged_edge_does_not_ring():
    edge = np.full((32, 32, 3), 230, np.uint8)
    edge[:, :16] = 40
    large = resize(edge, (128, 128))
    assert (large[:, :60] == 40).all()
    assert (large[:, 68:] == 230).all()
    assert ((large > 40) & (large < 230)).any()
