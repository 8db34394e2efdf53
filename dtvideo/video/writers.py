"""One way to write frames, whatever the output: movie, animation, folder or frame pattern."""

from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import UInt8

from dtvideo.errors import UsageError
from dtvideo.frame_names import frame_path, is_sequence
from dtvideo.images import save_png
from dtvideo.profiles import Profile, suffixes_of
from dtvideo.provenance import SOURCE_TYPE, XMP_KEYWORD, comment_of, xmp_packet
from dtvideo.video.animation import AnimationWriter
from dtvideo.video.encode import VideoWriter
from dtvideo.video.exr import open_exr, save_exr


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
        f"{suffix} is not a format that can be written",
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
