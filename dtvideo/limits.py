"""Limits on the size of a video, checked against its header and then against its content."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dtvideo.errors import MediaError


@dataclass(frozen=True)
class VideoLimits:
    """The most frames of a video, and the most pixels of one frame, that are read."""

    frames: int = 1_000_000
    pixels: int = 8192 * 8192

    def check_header(self, path: Path, container: Any, stream: Any) -> None:
        """Refuse what is too much by the file's own word, before anything is decoded.

        Raises: MediaError V10.
        """
        told = estimated_frames(container, stream)
        if told > self.frames:
            raise self._too_long(path, f"holds about {told} frames")
        self.check_size(path, stream.width, stream.height)

    def check_size(self, path: Path, width: int, height: int) -> None:
        """Raises: MediaError V10 when a frame has too many pixels."""
        if width * height > self.pixels:
            problem = f"is {width}x{height} pixels, more than {self.pixels} in all"
            raise MediaError("V10", path, problem, "scale it down, or raise --max-pixels")

    def check_count(self, path: Path, count: int) -> None:
        """Raises: MediaError V10 when so many frames are too many."""
        if count > self.frames:
            raise self._too_long(path, "goes on beyond what its header says")

    def _too_long(self, path: Path, told: str) -> MediaError:
        problem = f"{told}; at most {self.frames} are read"
        return MediaError("V10", path, problem, "cut it into pieces, or raise --max-frames")


def estimated_frames(container: Any, stream: Any) -> int:
    """Return how many frames the header promises, 0 where it says nothing. It may lie."""
    rate = stream.average_rate or stream.guessed_rate
    if stream.frames:
        return int(stream.frames)
    if stream.duration and stream.time_base and rate:
        return int(round(stream.duration * stream.time_base * rate, 0))
    # A container's own duration is in microseconds.
    return int(container.duration * rate / 1_000_000) if container.duration and rate else 0
