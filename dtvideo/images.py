"""Still pictures: read whatever people have as upright 8-bit sRGB, fit to a size, save."""

import re
import struct
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path

import numpy as np
from jaxtyping import Float, Float32, UInt8
from PIL import Image, ImageCms, ImageOps, PngImagePlugin, UnidentifiedImageError
from scipy import ndimage

from dtvideo.errors import MediaError
from dtvideo.files import atomic_path, check_input, file_head

FORMATS = (
    "PNG",
    "JPEG",
    "WEBP",
    "GIF",
    "BMP",
    "TIFF",
    "AVIF",
    "PPM",
    "TGA",
    "ICO",
    "JPEG2000",
)
ENDINGS = (".png", ".jpg", ".jpeg", ".webp")
"""Of the files in a folder that are taken for pictures."""
BACKGROUND = (128, 128, 128)
MINIMUM_SIDE = 16
MAXIMUM_SIDE = 4096
MAXIMUM_PIXELS = 89_478_485
COMPRESSION = 6
REFUSED = (
    (b"%PDF", "a PDF document"),
    (b"%!PS", "an EPS or PostScript document"),
    (b"\xc5\xd0\xd3\xc6", "an EPS document"),
    (b"8BPS", "a Photoshop document"),
    (b"<svg", "an SVG drawing"),
    (b"<?xml", "an XML or SVG file"),
    (b"v/1\x01", "an OpenEXR picture"),
)
HEIC = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
MATROSKA = b"\x1aE\xdf\xa3"


@dataclass(frozen=True, eq=False)
class LoadedImage:
    """A picture as the rest of the package wants it.

    rgb: upright sRGB, transparent parts over the background; alpha: 0 is transparent, None
    when the file has none; notices: what a person should know, in plain words; room: pixels
    that were added to the file's picture at its left, top, right and bottom.
    """

    rgb: UInt8[np.ndarray, "h w 3"]
    alpha: UInt8[np.ndarray, "h w"] | None = None
    notices: tuple[str, ...] = ()
    room: tuple[int, int, int, int] = (0, 0, 0, 0)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height, room included."""
        height, width = self.rgb.shape[:2]
        return width, height

    @property
    def file_size(self) -> tuple[int, int]:
        """Width and height of the file's picture."""
        left, top, right, bottom = self.room
        return self.size[0] - left - right, self.size[1] - top - bottom

    def with_room(
        self, room: tuple[int, int, int, int], colour: tuple[int, int, int]
    ) -> "LoadedImage":
        """Return the picture with ground of a colour added at its left, top, right and bottom."""
        left, top, right, bottom = room
        margins = ((top, bottom), (left, right))
        shape = (self.size[1] + top + bottom, self.size[0] + left + right, 3)
        rgb = np.full(shape, colour, np.uint8)
        rgb[top : top + self.size[1], left : left + self.size[0]] = self.rgb
        alpha = None if self.alpha is None else np.pad(self.alpha, margins)
        had = self.room
        whole = (had[0] + left, had[1] + top, had[2] + right, had[3] + bottom)
        return replace(self, rgb=rgb, alpha=alpha, room=whole)


@dataclass(frozen=True)
class Placement:
    """Where a picture came to lie in a canvas: target = source * scale + offset (pixels)."""

    source_size: tuple[int, int]
    target_size: tuple[int, int]
    fitted_size: tuple[int, int]
    offset: tuple[int, int]

    @property
    def scale(self) -> tuple[float, float]:
        """Horizontal and vertical factor; they differ by rounding only."""
        return (
            self.fitted_size[0] / self.source_size[0],
            self.fitted_size[1] / self.source_size[1],
        )

    def to_target(self, points: Float[np.ndarray, "*n 2"]) -> Float[np.ndarray, "*n 2"]:
        """Move points (x, y) from the picture to the canvas."""
        return np.asarray(points * np.array(self.scale) + np.array(self.offset))

    def to_source(self, points: Float[np.ndarray, "*n 2"]) -> Float[np.ndarray, "*n 2"]:
        """Move points (x, y) from the canvas to the picture."""
        return np.asarray((points - np.array(self.offset)) / np.array(self.scale))

    def cut(self, canvas: np.ndarray) -> np.ndarray:
        """Return the part of a canvas (h, w, ...) that the picture covers."""
        (left, top), (width, height) = self.offset, self.fitted_size
        return canvas[top : top + height, left : left + width]


def load_image(path: Path, *, background: tuple[int, int, int] = BACKGROUND) -> LoadedImage:
    """Read a picture: upright, sRGB, 8 bits, first frame, laid over `background`.

    Raises: MediaError V1 (no such file), R4 (not finite), R5 (fully transparent), R7 (no
    picture, or a kind that is never opened), R8 (damaged), R9 (too large), R10 (tiny).
    """
    check_input(path)
    notices: list[str] = []
    with _pixels_of(path) as image:
        count = getattr(image, "n_frames", 1)
        if count > 1 and image.format != "MPO":
            notices.append(f"the file holds {count} pictures; the first is used")
        upright = ImageOps.exif_transpose(image)
        colour, alpha = _split_alpha(_eight_bits(upright, path, notices))
        rgb = _to_srgb(colour, upright.info.get("icc_profile"), notices)
    rgb, alpha = _within_limits(rgb, alpha, notices)
    if alpha is not None and not np.asarray(alpha).any():
        raise MediaError("R5", path, "is fully transparent", "give a picture with something on it")
    flat = _lay_over(rgb, alpha, background)
    if (flat == flat[0, 0]).all():
        notices.append("the picture is of one colour all over")
    return LoadedImage(flat, None if alpha is None else np.array(alpha), tuple(notices))


def picture_files(path: Path) -> tuple[Path, ...]:
    """Return a picture's path itself, or the pictures of a folder in the order of their names.

    Raises: MediaError V15 for a folder that holds none.
    """
    if not path.is_dir():
        return (path,)
    files = sorted(file for file in path.iterdir() if file.suffix.lower() in ENDINGS)
    if not files:
        raise MediaError("V15", path, "holds no pictures", "give PNG, JPEG or WebP files")
    return tuple(files)


def save_png(
    path: Path,
    image: UInt8[np.ndarray, "h w *c"],
    *,
    text: Mapping[str, str] | None = None,
    compression: int = COMPRESSION,
) -> None:
    """Save grey, RGB or RGBA as PNG, whole or not at all; equal pictures give equal bytes.

    compression: 0, large and quick, to 9.
    """
    information = PngImagePlugin.PngInfo()
    for key, value in (text or {}).items():
        information.add_itxt(key, value)
    with atomic_path(path) as temporary:
        Image.fromarray(np.ascontiguousarray(image)).save(
            temporary, format="PNG", compress_level=compression, pnginfo=information
        )


def resize(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Scale a uint8 picture (h, w) or (h, w, c) or a float32 map (h, w) to (width, height).

    Every target pixel is the average of what it covers when shrinking (area), Lanczos when
    growing, within the range of the source pixels next to it, so that no edge rings.
    """
    height, width = image.shape[:2]
    if (width, height) == size:
        return image.copy()
    shrinks = size[0] <= width and size[1] <= height
    if shrinks:
        return np.array(Image.fromarray(image).resize(size, Image.Resampling.BOX))
    low, high = (
        _repeated(extreme(image, size=(3, 3), axes=(0, 1)), size)
        for extreme in (ndimage.minimum_filter, ndimage.maximum_filter)
    )
    scaled = np.array(Image.fromarray(image).resize(size, Image.Resampling.LANCZOS))
    return scaled.clip(low, high)


def _repeated(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return np.array(Image.fromarray(image).resize(size, Image.Resampling.NEAREST))


def fit_to(
    image: UInt8[np.ndarray, "h w *c"] | Float32[np.ndarray, "h w"],
    size: tuple[int, int],
    *,
    fill: int | float | tuple[int, ...] = 0,
) -> tuple[np.ndarray, Placement]:
    """Letterbox a picture or mask into (width, height): whole, centred, aspect ratio kept.

    Returns the canvas, filled with `fill` around the picture, and where the picture lies.
    """
    placement = place(image.shape[1::-1], size)
    canvas = np.empty((size[1], size[0], *image.shape[2:]), image.dtype)
    canvas[...] = fill
    placement.cut(canvas)[...] = resize(image, placement.fitted_size)
    return canvas, placement


def place(source_size: tuple[int, ...], target_size: tuple[int, int]) -> Placement:
    """Return where `fit_to` puts a picture of one (width, height) in a canvas of another."""
    width, height = source_size
    scale = min(target_size[0] / width, target_size[1] / height)
    fitted = (
        min(target_size[0], max(1, round(width * scale))),
        min(target_size[1], max(1, round(height * scale))),
    )
    offset = ((target_size[0] - fitted[0]) // 2, (target_size[1] - fitted[1]) // 2)
    return Placement((width, height), target_size, fitted, offset)


@contextmanager
def _pixels_of(path: Path) -> Iterator[Image.Image]:
    """Yield an open picture whose pixels are decoded; refuse it from its header if too large."""
    try:
        with warnings.catch_warnings(), path.open("rb") as file:
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            image = Image.open(file, formats=FORMATS)
            _check_size(image.size, path)
            image.load()
            yield image
    except UnidentifiedImageError as error:
        raise _no_picture(path) from error
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        count = re.search(r"\((\d+) pixels\)", str(error))
        problem = f"has {int(count[1]) // 1_000_000} million pixels" if count else "is too large"
        raise _too_large(path, problem) from error
    except (OSError, SyntaxError, EOFError, ValueError, struct.error) as error:
        if "too large" in str(error).lower() or "decompressed data" in str(error).lower():
            raise _too_large(path, str(error).lower()) from error
        raise MediaError("R8", path, f"is damaged: {error}", "copy or export it again") from error


def _check_size(size: tuple[int, int], path: Path) -> None:
    width, height = size
    if min(width, height) < MINIMUM_SIDE:
        raise MediaError(
            "R10",
            path,
            f"is {width}x{height} pixels, too small",
            f"give a picture of at least {MINIMUM_SIDE} pixels on each side",
        )
    if width * height > MAXIMUM_PIXELS:
        raise _too_large(path, f"is {width}x{height} pixels")


def _too_large(path: Path, problem: str) -> MediaError:
    limit = f"the limit is {MAXIMUM_PIXELS // 1_000_000} million pixels"
    return MediaError("R9", path, f"{problem}; {limit}", "scale it down first")


def _no_picture(path: Path) -> MediaError:
    head = file_head(path)
    if not head:
        return MediaError("R7", path, "is empty", "copy it again")
    if (head[4:8] == b"ftyp" and head[8:12] not in HEIC) or head.startswith(MATROSKA):
        return MediaError("R7", path, "is a video, not a picture", "give a picture")
    kind = next((name for start, name in REFUSED if head.lstrip().startswith(start)), None)
    if head[4:8] == b"ftyp":
        kind = "an HEIC picture"
    seen = f"is {kind}" if kind else "is of no known kind"
    return MediaError("R7", path, f"{seen}, which is not read", "export it as PNG or JPEG")


def _eight_bits(image: Image.Image, path: Path, notices: list[str]) -> Image.Image:
    """Return the picture with 8 bits a channel; 65535 becomes 255 and 257 becomes 1.

    Integers of 32 bits that all fit into 8 are taken as such, with a notice.
    """
    if image.mode == "F":
        return Image.fromarray(_from_float(np.asarray(image), path, notices))
    if image.mode == "I" or image.mode.startswith("I;16"):
        values = np.asarray(image).astype(np.int64).clip(0, 65535)
        if image.mode == "I" and values.max() <= 255:
            notices.append("32-bit values, none above 255, are taken as 8-bit ones")
            return Image.fromarray(values.astype(np.uint8))
        return Image.fromarray(((values + 128) // 257).astype(np.uint8))
    return image


def _from_float(
    values: Float32[np.ndarray, "h w"], path: Path, notices: list[str]
) -> UInt8[np.ndarray, "h w"]:
    if not np.isfinite(values).all():
        raise MediaError(
            "R4",
            path,
            f"holds {np.sum(~np.isfinite(values))} values that are no finite numbers",
            "repair or export it again",
        )
    if values.min() < 0 or values.max() > 1:
        notices.append(f"values from {values.min():.3g} to {values.max():.3g} are cut to 0..1")
    return np.round(values.clip(0, 1) * 255).astype(np.uint8)


def _split_alpha(image: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """Return colours and alpha; alpha that is opaque all over counts as none."""
    if not image.has_transparency_data:
        return image, None
    straight = image.convert("RGBA")
    alpha = straight.getchannel("A")
    opaque = alpha.getextrema() == (255, 255)
    return straight.convert("RGB"), None if opaque else alpha


def _to_srgb(image: Image.Image, profile: bytes | None, notices: list[str]) -> Image.Image:
    """Convert to sRGB through the embedded profile; without one by Pillow's plain rule."""
    simple = image.convert("RGB") if image.mode in ("1", "P") else image
    source = ImageCms.createProfile("LAB") if simple.mode == "LAB" else BytesIO(profile or b"")
    if isinstance(source, BytesIO) and not profile:
        if simple.mode in ("CMYK", "YCbCr"):
            notices.append(f"the picture is {simple.mode} without a profile; colours may be off")
        return simple.convert("RGB")
    target = ImageCms.createProfile("sRGB")
    try:
        converted = ImageCms.profileToProfile(simple, source, target, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError):
        notices.append("the colour profile in the picture cannot be used; colours may be off")
        return simple.convert("RGB")
    assert converted is not None
    return converted


def _within_limits(
    image: Image.Image, alpha: Image.Image | None, notices: list[str]
) -> tuple[Image.Image, Image.Image | None]:
    if max(image.size) <= MAXIMUM_SIDE:
        return image, alpha
    scale = MAXIMUM_SIDE / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    notices.append(f"reduced from {image.width}x{image.height} to {size[0]}x{size[1]} pixels")
    kernel = Image.Resampling.BOX
    return image.resize(size, kernel), alpha and alpha.resize(size, kernel)


def _lay_over(
    image: Image.Image, alpha: Image.Image | None, background: tuple[int, int, int]
) -> UInt8[np.ndarray, "h w 3"]:
    if alpha is None:
        return np.array(image)
    ground = Image.new("RGB", image.size, background)
    return np.array(Image.composite(image, ground, alpha))
