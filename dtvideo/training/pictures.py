"""Pictures with captions to learn from: a folder, or the shards of a WebDataset, read by number.

A sample is the files that share a name up to its first dot: `0001.png` (or .jpg, .jpeg, .webp),
`0001.txt` with the caption, and where they are wanted `0001.depth.png`, grey, near is white, and
`0001.mask.png`, white on the subject. Shards (.tar) are read in place: the samples of a stream come
in an order that a stopped run could not go on in.
"""

import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float32, UInt8

from dtvideo.errors import MediaError
from dtvideo.files import check_input
from dtvideo.images import LoadedImage, load_image, resize
from dtvideo.segmentation import find_mask

PICTURE_KINDS = ("png", "jpg", "jpeg", "webp")
CAPTION, DEPTH, MASK = "txt", "depth.png", "mask.png"
SHUFFLE = 0x5A  # last key of random draws: what they are for


@dataclass(frozen=True)
class Portion:
    """Where the bytes of one file of a sample lie."""

    file: Path
    start: int = 0
    size: int | None = None
    """None is up to the end."""

    def read(self) -> bytes:
        """Return the bytes."""
        with self.file.open("rb") as file:
            file.seek(self.start)
            return file.read() if self.size is None else file.read(self.size)


@dataclass(frozen=True, eq=False)
class Portrait:
    """A subject in a scene.

    subject: it alone, on white; layout: how near each place is, grey, 255 in front.
    """

    image: UInt8[np.ndarray, "h w 3"]
    subject: UInt8[np.ndarray, "h w 3"]
    layout: UInt8[np.ndarray, "h w 3"]
    caption: str


class PictureSet:
    """The samples under a path: a folder of files or of shards, or one shard.

    needs_layout: refuse samples without depth; else theirs is black.
    Raises: MediaError V1 when there is nothing, or a sample lacks what is needed.
    """

    def __init__(self, path: Path, *, needs_layout: bool) -> None:
        samples: dict[str, dict[str, Portion]] = {}
        for name, portion in _portions(path):
            key, _, kind = name.partition(".")
            samples.setdefault(key, {})[kind.lower()] = portion
        self.names = sorted(key for key, parts in samples.items() if _picture_kind(parts))
        self._samples = samples
        if not self.names:
            raise MediaError("V1", path, "holds no pictures", "give a folder of .png and .txt")
        for name in self.names:
            needed = (CAPTION, DEPTH) if needs_layout else (CAPTION,)
            lacking = [kind for kind in needed if kind not in samples[name]]
            if lacking:
                problem = f"lacks {name}.{lacking[0]}"
                remedy = "add it" if lacking[0] == CAPTION else "add it, or set layout = false"
                raise MediaError("V1", path, problem, remedy)

    def __len__(self) -> int:
        return len(self.names)

    def portrait(self, seed: int, number: int, *, size: int) -> Portrait:
        """Return picture `number` of an endless sequence, its middle square at a side of `size`.

        Every run through all samples has an order of its own.
        """
        epoch, place = divmod(number, len(self))
        order = np.random.default_rng((seed, epoch, SHUFFLE)).permutation(len(self))
        parts = self._samples[self.names[order[place]]]
        kind = _picture_kind(parts)
        assert kind is not None
        loaded = _load(parts[kind], kind)
        image = _square(loaded.rgb, size)
        mask = _square(_subject_mask(parts, loaded), size)[..., None]
        layout = np.zeros_like(image)
        if DEPTH in parts:
            layout = _square(_load(parts[DEPTH], DEPTH).rgb, size)
        return Portrait(
            image=image,
            subject=(image * mask + 255 * (1 - mask)).round().astype(np.uint8),
            layout=layout,
            caption=parts[CAPTION].read().decode("utf-8", errors="replace").strip(),
        )


def _portions(path: Path) -> Iterator[tuple[str, Portion]]:
    """Yield every file under a path with its name; of shards, what is in them."""
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.is_file())
    else:
        check_input(path)
        files = [path]
    for file in files:
        if file.suffix.lower() != ".tar":
            yield file.name, Portion(file)
            continue
        try:
            with tarfile.open(file, "r:") as shard:
                for member in shard:
                    if member.isfile():
                        yield Path(member.name).name, Portion(file, member.offset_data, member.size)
        except tarfile.TarError as error:
            problem = f"is no whole shard ({error})"
            raise MediaError("V1", file, problem, "give plain .tar files") from None


def _picture_kind(parts: dict[str, Portion]) -> str | None:
    return next((kind for kind in PICTURE_KINDS if kind in parts), None)


def _load(portion: Portion, kind: str) -> LoadedImage:
    """Decode a picture under the same limits as any other."""
    if portion.size is None:
        return load_image(portion.file)
    with tempfile.NamedTemporaryFile(suffix=f".{kind}") as file:
        file.write(portion.read())
        file.flush()
        return load_image(Path(file.name))


def _subject_mask(parts: dict[str, Portion], loaded: LoadedImage) -> Float32[np.ndarray, "h w"]:
    """Return the mask that is given, or else found in the picture."""
    if MASK not in parts:
        return find_mask(loaded).mask
    given = _load(parts[MASK], MASK).rgb
    return np.asarray(given.mean(axis=2) / 255, np.float32)


def _square(picture: np.ndarray, side: int) -> np.ndarray:
    """Return the middle square of a picture or mask, scaled."""
    height, width = picture.shape[:2]
    edge = min(height, width)
    top, left = (height - edge) // 2, (width - edge) // 2
    return resize(np.ascontiguousarray(picture[top : top + edge, left : left + edge]), (side, side))
