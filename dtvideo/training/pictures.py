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
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path, PurePosixPath

import numpy as np
from jaxtyping import Float32, UInt8

from dtvideo.errors import MediaError
from dtvideo.files import check_input
from dtvideo.images import LoadedImage, load_image, resize
from dtvideo.segmentation import find_mask
from dtvideo.training.clips import ClipReader

PICTURE_KINDS = ("png", "jpg", "jpeg", "webp")
CLIP_KINDS = ("mp4", "mov", "mkv", "webm", "avi")
CAPTION, DEPTH, MASK = "txt", "depth.png", "mask.png"
SHUFFLE, FRAMES = 0x5A, 0xF2  # last keys of random draws: what they are for
CLIPS_OPEN = 4  # at once, each with a process of its own

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
        self._clips: dict[Path, tuple[ClipReader, ExitStack]] = {}
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
        mask = _square(_subject_mask(parts, other), size)
        here = mask if shown is other else _square(_subject_mask(parts, shown), size)
        return Portrait(
            image=image,
            subject=_on_white(subject, mask),
            layout=self._layout(parts, image),
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

    def _layout(self, parts: dict[str, Portion], image: Image) -> Image:
        if DEPTH in parts:
            return _square(_load(parts[DEPTH], DEPTH).rgb, image.shape[0])
        if self._estimate is not None and self._needs_layout:
            return self._estimate(image)
        return np.zeros_like(image)

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
        reader = self._open(clip)
        chosen = np.random.default_rng(key).choice(len(reader), 2, replace=len(reader) < 2)
        first, second = reader.read([int(each) for each in chosen])
        return LoadedImage(first), LoadedImage(second)

    def _open(self, clip: Path) -> ClipReader:
        """Return the reader of a clip; the last few stay open."""
        if clip not in self._clips:
            if len(self._clips) == CLIPS_OPEN:
                self._close(next(iter(self._clips)))
            stack = ExitStack()
            self._clips[clip] = stack.enter_context(ClipReader(clip)), stack
        return self._clips[clip][0]

    def _close(self, clip: Path) -> None:
        self._clips.pop(clip)[1].close()

    def close(self) -> None:
        """End the processes that read clips."""
        for clip in list(self._clips):
            self._close(clip)


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
            problem = f"is no whole shard ({error})"
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
