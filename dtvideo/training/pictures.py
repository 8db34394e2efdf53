"""Pictures with captions to learn from: a folder, or the shards of a WebDataset, read by number.

A sample is the files that share a name up to its first dot: `0001.png` (or .jpg, .jpeg, .webp),
`0001.txt` with the caption, and where they are wanted `0001.depth.png`, grey, near is white, and
`0001.mask.png`, white on the subject. Shards (.tar) are read in place: the samples of a stream come
in an order that a stopped run could not go on in. Names count within a shard and a folder of it.

In a folder a sample may be a clip, `0001.mp4`: one frame of it is the picture and another one
shows the subject, so that the subject cannot be had by copying.
"""

import hashlib
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path, PurePosixPath

import numpy as np
from jaxtyping import Float32, UInt8

from dtvideo.errors import MediaError
from dtvideo.files import check_input
from dtvideo.images import LoadedImage, load_image, resize
from dtvideo.segmentation import find_mask
from dtvideo.training.clips import ClipReaders
from dtvideo.training.found import Found

PICTURE_KINDS = ("png", "jpg", "jpeg", "webp")
CLIP_KINDS = ("mp4", "mov", "mkv", "webm", "avi")
CAPTION, DEPTH, MASK = "txt", "depth.png", "mask.png"
SHUFFLE, FRAMES = 0x5A, 0xF2  # last keys of random draws: what they are for

Image = UInt8[np.ndarray, "h w 3"]
Key = tuple[str, str]
"""A sample's name, of a shard with the folder in it, and the shard, empty outside one."""


@dataclass(frozen=True)
class Portion:
    """Where the bytes of one file of a sample lie."""

    file: Path
    start: int = 0
    size: int | None = None
    """None is up to the end."""

    @property
    def length(self) -> int:
        """How many bytes there are."""
        return self.file.stat().st_size - self.start if self.size is None else self.size

    def read(self) -> bytes:
        """Return the bytes."""
        with self.file.open("rb") as file:
            file.seek(self.start)
            return file.read() if self.size is None else file.read(self.size)


@dataclass(frozen=True, eq=False)
class Portrait:
    """A subject in a scene.

    subject: it alone, on white, maybe in another stance; layout: how near each place of the
    picture is, grey, 255 in front; mask: 1 is the subject in the picture.
    """

    image: UInt8[np.ndarray, "h w 3"]
    subject: UInt8[np.ndarray, "h w 3"]
    layout: UInt8[np.ndarray, "h w 3"]
    mask: Float32[np.ndarray, "h w"]
    caption: str


class PictureSet:
    """The samples under a path: a folder of files or of shards, or one shard.

    needs_layout: refuse samples without depth; else theirs is black. estimate, describe: give
    depth and a caption to pictures that come without.
    Raises: MediaError V1 when there is nothing, or a sample lacks what is needed.
    """

    def __init__(
        self,
        path: Path,
        *,
        needs_layout: bool,
        estimate: Callable[[Image], Image] | None = None,
        describe: Callable[[Image], str] | None = None,
    ) -> None:
        self._estimate, self._describe = estimate, describe
        self._captions: dict[Key, str] = {}
        self._found, self._clips = Found(), ClipReaders()
        samples: dict[Key, dict[str, Portion]] = {}
        for shard, file, portion in _portions(path):
            stem, _, kind = file.name.partition(".")
            key = str(file.with_name(stem)) if stem else "", shard
            samples.setdefault(key, {})[kind.lower()] = portion
        self._keys = sorted(key for key, parts in samples.items() if _kind(parts))
        self._samples = samples
        if not self._keys:
            raise MediaError("V1", path, "holds no pictures", "give a folder of .png and .txt")
        self._needs_layout = needs_layout
        for key in self._keys:
            self._check(path, key)

    def __len__(self) -> int:
        return len(self._keys)

    @property
    def digest(self) -> str:
        """A hash of what is there, names and lengths, which does not depend on the folder."""
        listed = hashlib.sha256()
        for key in self._keys:
            parts = sorted(self._samples[key].items())
            lengths = {kind: portion.length for kind, portion in parts}
            listed.update(repr((key, lengths)).encode())
        return f"{len(self)} of {listed.hexdigest()[:12]}"

    def portrait(self, seed: int, number: int, *, size: int) -> Portrait:
        """Return picture `number` of an endless sequence, its middle square at a side of `size`.

        Every run through all samples has an order of its own.
        """
        epoch, place = divmod(number, len(self))
        order = np.random.default_rng((seed, epoch, SHUFFLE)).permutation(len(self))
        key = self._keys[order[place]]
        parts = self._samples[key]
        kind = _kind(parts)
        assert kind is not None
        if kind in CLIP_KINDS:
            shown, other = self._two_frames(parts[kind].file, (seed, number, FRAMES))
        else:
            shown = other = _load(parts[kind], kind)
        image, subject = _square(shown.rgb, size), _square(other.rgb, size)
        if shown is other:
            mask = here = self._found.get(("mask", key, size), lambda: _mask(parts, other, size))
        else:
            mask, here = _mask(parts, other, size), _mask(parts, shown, size)
        return Portrait(
            image=image,
            subject=_on_white(subject, mask),
            layout=self._layout(key, image),
            mask=here,
            caption=self._caption(key, parts, image),
        )

    def _check(self, path: Path, key: Key) -> None:
        """Refuse a sample that lacks what nobody gives it."""
        parts, name = self._samples[key], _shown(key)
        lacking = {
            CAPTION: "add it, or name a captioner",
            DEPTH: "add it, name a depth_model, or set layout = false",
        }
        if self._describe is not None:
            del lacking[CAPTION]
        if self._estimate is not None or not self._needs_layout:
            del lacking[DEPTH]
        for kind, remedy in lacking.items():
            if kind not in parts:
                raise MediaError("V1", path, f"lacks {name}.{kind}", remedy)
        is_clip = _kind(parts) in CLIP_KINDS
        if is_clip and find_spec("decord") is None:
            remedy = "run: pip install 'dtvideo[train]'"
            raise MediaError("V1", path, f"{name} is a clip and decord is not installed", remedy)
        if is_clip and (DEPTH in parts or MASK in parts):
            problem = f"{name} is a clip with depth or mask of one frame"
            raise MediaError("V1", path, problem, "leave them out")
        if is_clip and any(portion.size is not None for portion in parts.values()):
            raise MediaError("V1", path, f"{name} is a clip in a shard", "unpack the shard")

    def _layout(self, key: Key, image: Image) -> Image:
        """Return the depth of a sample; that of a picture is estimated once."""
        parts, estimate, size = self._samples[key], self._estimate, image.shape[0]
        if DEPTH in parts:
            return _square(_load(parts[DEPTH], DEPTH).rgb, size)
        if estimate is None or not self._needs_layout:
            return np.zeros_like(image)
        if _kind(parts) in CLIP_KINDS:
            return estimate(image)
        return self._found.get((DEPTH, key, size), lambda: estimate(image))

    def _caption(self, key: Key, parts: dict[str, Portion], image: Image) -> str:
        """Return the caption of a sample; one that is made is made once."""
        if CAPTION in parts:
            return parts[CAPTION].read().decode("utf-8", errors="replace").strip()
        if key not in self._captions:
            assert self._describe is not None
            self._captions[key] = self._describe(image)
        return self._captions[key]

    def _two_frames(self, clip: Path, key: tuple[int, ...]) -> tuple[LoadedImage, LoadedImage]:
        """Return two frames of a clip, chosen by a key; of a clip of one frame that one twice."""
        count = self._clips.info(clip).decoded_frames
        chosen = np.random.default_rng(key).choice(count, 2, replace=count < 2)
        first, second = self._clips.read(clip, [int(each) for each in chosen])
        return LoadedImage(first), LoadedImage(second)

    def close(self) -> None:
        """End the process that reads clips."""
        self._clips.close()


def _on_white(subject: Image, mask: Float32[np.ndarray, "h w"]) -> Image:
    share = mask[..., None]
    return np.asarray((subject * share + 255 * (1 - share)).round().astype(np.uint8))


def _shown(key: Key) -> str:
    """Return what a message calls a sample."""
    name, shard = key
    return f"{shard}/{name}" if shard else name


def _portions(path: Path) -> Iterator[tuple[str, PurePosixPath, Portion]]:
    """Yield the shard, empty for none, the name in it and the bytes of every file under a path."""
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.is_file())
    else:
        check_input(path)
        files = [path]
    for file in files:
        if file.suffix.lower() != ".tar":
            yield "", PurePosixPath(file.name), Portion(file)
            continue
        try:
            with tarfile.open(file, "r:") as shard:
                for member in shard:
                    if member.isfile():
                        portion = Portion(file, member.offset_data, member.size)
                        yield file.name, PurePosixPath(member.name), portion
        except tarfile.TarError as error:
            problem = f"is not a complete shard ({error})"
            raise MediaError("V1", file, problem, "give plain .tar files") from None


def _kind(parts: dict[str, Portion]) -> str | None:
    return next((kind for kind in (*PICTURE_KINDS, *CLIP_KINDS) if kind in parts), None)


def _load(portion: Portion, kind: str) -> LoadedImage:
    """Decode a picture under the same limits as any other."""
    if portion.size is None:
        return load_image(portion.file)
    with tempfile.NamedTemporaryFile(suffix=f".{kind}") as file:
        file.write(portion.read())
        file.flush()
        return load_image(Path(file.name))


def _mask(parts: dict[str, Portion], loaded: LoadedImage, size: int) -> Float32[np.ndarray, "s s"]:
    """Return the mask of the middle square: the one that is given, or else found in the picture.

    What is searched is the whole picture, reduced until its square is as large as is asked for.
    """
    if MASK not in parts:
        return _square(find_mask(_reduced(loaded, size)).mask, size)
    given = _load(parts[MASK], MASK).rgb
    return _square(np.asarray(given.mean(axis=2) / 255, np.float32), size)


def _reduced(loaded: LoadedImage, shorter: int) -> LoadedImage:
    """Return a picture whose shorter side has at most so many pixels; a smaller one as it is."""
    share = shorter / min(loaded.size)
    if share >= 1:
        return loaded
    width, height = (max(shorter, round(side * share)) for side in loaded.size)
    alpha = None if loaded.alpha is None else resize(loaded.alpha, (width, height))
    return LoadedImage(resize(loaded.rgb, (width, height)), alpha)


def _square(picture: np.ndarray, side: int) -> np.ndarray:
    """Return the middle square of a picture or mask, scaled."""
    height, width = picture.shape[:2]
    edge = min(height, width)
    top, left = (height - edge) // 2, (width - edge) // 2
    return resize(np.ascontiguousarray(picture[top : top + edge, left : left + edge]), (side, side))
