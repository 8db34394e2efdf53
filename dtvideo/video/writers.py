"""One way to write frames, whatever the output: movie, animation, folder or frame pattern."""

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
from dtvideo.frame_names import frame_path, is_sequence
from dtvideo.images import save_png
from dtvideo.profiles import Profile, suffixes_of
from dtvideo.provenance import SOURCE_TYPE, XMP_KEYWORD, comment_of, xmp_packet
from dtvideo.video.encode import VideoWriter
from dtvideo.video.exr import open_exr, save_exr

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
    source_type: str = SOURCE_TYPE,
    profile: Profile | None = None,
    alpha: bool = False,
    first: int = 0,
) -> FrameWriter:
    """Return the writer for an output: .mp4 .mov .mkv .webm, .gif .webp, a folder or a pattern.

    A pattern holds `%04d` or `####` and ends in .png or .exr; a folder gets frame.0000.png and so
    on, or what its profile says. Numbers begin with `first`. Only movies hold sound. Movies keep
    transparency where `alpha` is set and the profile can; the others hold what they are given.
    Raises: UsageError V12 for another suffix, M1 when the package for EXR is not installed.
    """
    suffix = output.suffix.lower()
    if is_sequence(output):
        folder = ".png" if profile is None else profile.suffixes[0]
        return SequenceWriter(
            output, rate=rate, source_type=source_type, first=first, suffix=folder
        )
    if suffix in suffixes_of("animation"):
        return AnimationWriter(output, rate=rate, source_type=source_type)
    if suffix in suffixes_of("movie"):
        return VideoWriter(
            output,
            size=size,
            rate=rate,
            audio_from=audio_from,
            audio_offset=audio_offset,
            source_type=source_type,
            profile=profile,
            alpha=alpha,
        )
    known = ", ".join((*suffixes_of("movie"), *suffixes_of("animation")))
    raise UsageError(
        "V12",
        output,
        f"{suffix} is no format that can be written",
        f"give {known}, a folder, or a pattern such as shot.%04d.png",
    )


class SequenceWriter:
    """One PNG or EXR per frame; each appears under its name when it is complete."""

    def __init__(
        self,
        output: Path,
        *,
        rate: Fraction = Fraction(25),
        source_type: str = SOURCE_TYPE,
        first: int = 0,
        suffix: str = ".png",
    ) -> None:
        self.output = output
        self.frames = 0
        self._rate = rate
        self._source_type = source_type
        self._first = first
        self._suffix = suffix
        self._is_exr = frame_path(output, first, suffix=suffix).suffix.lower() == ".exr"
        if self._is_exr:
            open_exr()
        self._text = {"Comment": comment_of(source_type), XMP_KEYWORD: xmp_packet(source_type)}

    def __enter__(self) -> "SequenceWriter":
        return self

    def write(self, frame: UInt8[np.ndarray, "h w c"]) -> None:
        """Save the next frame."""
        path = frame_path(self.output, self._first + self.frames, suffix=self._suffix)
        if self._is_exr:
            save_exr(path, frame, rate=self._rate, source_type=self._source_type)
        else:
            save_png(path, frame, text=self._text)
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

    def __init__(self, path: Path, *, rate: Fraction, source_type: str = SOURCE_TYPE) -> None:
        self.path = path
        self.frames = 0
        self._source_type = source_type
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
            options: dict[str, object] = {"comment": comment_of(self._source_type)}
            if not self._is_gif:
                options = {"quality": 90, "xmp": xmp_packet(self._source_type).encode("utf-8")}
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
