"""One way to write frames, whatever the output: movie, animation, folder or frame pattern."""

import re
import tempfile
from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from dtvideo.errors import MediaError, UsageError
from dtvideo.files import atomic_path
from dtvideo.images import save_png
from dtvideo.video.encode import COMMENT, PROFILES, VideoWriter

ANIMATIONS = (".gif", ".webp")
FOLDER_PATTERN = "frame.%04d.png"
PATTERN = re.compile(r"%(0\d+)?d|#+")
GIF_FASTEST = 50  # frames per second; browsers show faster ones slowly


@runtime_checkable
class FrameWriter(Protocol):
    """Takes the frames of one clip in order; a context manager that publishes at the end."""

    def write(self, frame: UInt8[np.ndarray, "h w c"]) -> None:
        """Append one RGB or, where the output can hold it, RGBA frame."""

    def __enter__(self) -> "FrameWriter": ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


def open_writer(
    output: Path,
    *,
    size: tuple[int, int],
    rate: Fraction,
    audio_from: Path | None = None,
    audio_offset: Fraction = Fraction(0),
    comment: str = COMMENT,
) -> FrameWriter:
    """Return the writer for an output: .mp4 .mov .webm, .gif .webp, a folder or a pattern.

    A pattern holds `%04d` or `####` and ends in .png; a folder gets frame.0000.png and so on,
    counted from 0. Only movies hold sound.
    Raises: UsageError V12 for another suffix.
    """
    suffix = output.suffix.lower()
    if PATTERN.search(output.name) or suffix == "" or output.is_dir():
        return SequenceWriter(output, comment=comment)
    if suffix in ANIMATIONS:
        return AnimationWriter(output, rate=rate, comment=comment)
    if suffix in PROFILES:
        return VideoWriter(
            output,
            size=size,
            rate=rate,
            audio_from=audio_from,
            audio_offset=audio_offset,
            comment=comment,
        )
    known = ", ".join((*PROFILES, *ANIMATIONS))
    raise UsageError(
        "V12",
        output,
        f"{suffix} is no format that can be written",
        f"give {known}, a folder, or a pattern such as shot.%04d.png",
    )


def frame_path(output: Path, index: int) -> Path:
    """Return the file of frame `index` of a folder or a frame pattern."""
    if not PATTERN.search(output.name):
        output = output / FOLDER_PATTERN
    if output.suffix.lower() != ".png":
        raise UsageError("V12", output, "frames are written as .png", "end the pattern in .png")

    def number(match: re.Match[str]) -> str:
        width = len(match[0]) if match[0].startswith("#") else int(match[1] or 0)
        return str(index).zfill(width)

    return output.with_name(PATTERN.sub(number, output.name, count=1))


class SequenceWriter:
    """One PNG per frame; each appears under its name when it is complete."""

    def __init__(self, output: Path, *, comment: str = COMMENT) -> None:
        self.output = output
        self.frames = 0
        self._text = {"Comment": comment}

    def __enter__(self) -> "SequenceWriter":
        return self

    def write(self, frame: UInt8[np.ndarray, "h w c"]) -> None:
        """Save the next frame."""
        save_png(frame_path(self.output, self.frames), frame, text=self._text)
        self.frames += 1

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Keep what was written: a sequence is usable frame by frame."""


class AnimationWriter:
    """A looping .gif or .webp for previews; frames wait in a temporary file until the end.

    Times are rounded so that the whole never drifts (GIF counts 1/100 s, WebP 1/1000 s). GIF
    cannot be faster than 50 frames per second: above, every second frame or fewer is kept.
    Viewers may join equal neighbours to one longer frame.
    """

    def __init__(self, path: Path, *, rate: Fraction, comment: str = COMMENT) -> None:
        self.path = path
        self.frames = 0
        self._comment = comment
        self._is_gif = path.suffix.lower() == ".gif"
        self._keep_every = -(-rate // GIF_FASTEST) if self._is_gif else 1
        self._rate = rate / self._keep_every
        self._shape: tuple[int, ...] = ()

    def __enter__(self) -> "AnimationWriter":
        self._spool = tempfile.TemporaryFile()
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
            self._spool.write(np.ascontiguousarray(frame).tobytes())
        self.frames += 1

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._spool:
            if error is None:
                self._save()

    def _save(self) -> None:
        if not self.frames:
            raise MediaError("V5", self.path, "no frame was written", "check the frame range")
        first, *durations = self._pictures(), *self._durations()
        with atomic_path(self.path) as temporary:
            options = {"comment": self._comment} if self._is_gif else {"quality": 90}
            next(first).save(
                temporary,
                format=self.path.suffix[1:].upper(),
                save_all=True,
                loop=0,
                append_images=first,
                duration=durations,
                **options,
            )

    def _durations(self) -> list[int]:
        """Return each kept frame's time in milliseconds, summing without drift."""
        kept = -(-self.frames // self._keep_every)
        unit = 10 if self._is_gif else 1
        edges = [round(index * 1000 / self._rate / unit) * unit for index in range(kept + 1)]
        return [after - before for before, after in pairwise(edges)]

    def _pictures(self) -> Iterator[Image.Image]:
        self._spool.seek(0)
        size = int(np.prod(self._shape))
        while data := self._spool.read(size):
            yield Image.fromarray(np.frombuffer(data, np.uint8).reshape(self._shape))
