"""A looping .gif or .webp, written part by part, so that memory does not grow with the clip."""

from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from dtvideo.errors import MediaError, UsageError
from dtvideo.files import atomic_path
from dtvideo.provenance import SOURCE_TYPE
from dtvideo.video.gif import GifFile
from dtvideo.video.webp import WebpFile

GIF_FASTEST = 50  # frames per second; browsers show faster ones slowly
FEWEST, MOST = 8, 64
"""Frames of a part, however large or small: each begins with a whole picture, which costs space."""
PIXEL_BYTES = 4  # as Pillow keeps RGB and RGBA


class AnimationWriter:
    """A looping .gif or .webp for previews, which appears under its name when complete.

    Times are rounded so that the whole never drifts (GIF counts 1/100 s, WebP 1/1000 s). GIF
    cannot be faster than 50 frames per second: above, every second frame or fewer is kept.
    Viewers may join equal neighbours to one longer frame.
    The temporary file is removed when the `with` block is left by an exception.
    Raises: MediaError V5 when no frame was written; UsageError V12 for a WebP above 4 GiB.
    """

    def __init__(self, path: Path, *, rate: Fraction, source_type: str = SOURCE_TYPE) -> None:
        """Take where to write, frames per second and IPTC's term for how pictures came to be."""
        self.path = path
        self.frames = 0
        self._source_type = source_type
        self._kind = GifFile if path.suffix.lower() == ".gif" else WebpFile
        self._keep_every = -(-rate // GIF_FASTEST) if self._kind is GifFile else 1
        self._rate = rate / self._keep_every
        self._shape: tuple[int, ...] = ()
        self._part: list[Image.Image] = []
        self._encoded = 0

    def __enter__(self) -> "AnimationWriter":
        with ExitStack() as files:
            temporary = files.enter_context(atomic_path(self.path))
            self._file = files.enter_context(temporary.open("wb"))
            self._animation = self._kind(self._file, source_type=self._source_type)
            self._files = files.pop_all()
        return self

    def write(self, frame: UInt8[np.ndarray, "h w c"]) -> None:
        """Append one RGB or RGBA frame.

        Raises: MediaError V13 when the frame has another shape than the first.
        """
        if self.frames and frame.shape != self._shape:
            raise MediaError(
                "V13",
                self.path,
                f"frame {self.frames} has shape {frame.shape}",
                f"every frame must be {self._shape}",
            )
        self._shape = frame.shape
        if self.frames % self._keep_every == 0:
            self._part.append(Image.fromarray(frame.copy()))
        self.frames += 1
        if len(self._part) == frames_at_once(frame.shape, part_bytes=self._kind.part_bytes):
            self._encode_part()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None:
            self._files.__exit__(kind, error, trace)
            return
        with self._files:
            self._finish()

    def _finish(self) -> None:
        if not self.frames:
            raise MediaError("V5", self.path, "no frame was written", "check the frame range")
        if self._part:
            self._encode_part()
        self._animation.finish()

    def _encode_part(self) -> None:
        edges = [self._edge(self._encoded + index) for index in range(len(self._part) + 1)]
        self._animation.add(self._part, np.diff(edges).tolist())
        self._encoded += len(self._part)
        self._part = []
        if self._file.tell() > self._kind.most_bytes:
            raise UsageError(
                "V12",
                self.path,
                f"would be larger than {self._kind.most_bytes} bytes after {self.frames} frames",
                "give .mp4, a folder, or fewer frames",
            )

    def _edge(self, index: int) -> int:
        """Return when a kept frame begins, in milliseconds, rounded to what the format counts."""
        unit = self._kind.unit
        return round(index * 1000 / self._rate / unit) * unit


def frames_at_once(shape: tuple[int, ...], *, part_bytes: int) -> int:
    """Return how many frames of (height, width, channels) are encoded together."""
    height, width = shape[:2]
    return min(MOST, max(FEWEST, part_bytes // (height * width * PIXEL_BYTES)))
