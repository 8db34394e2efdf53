"""Open a video file safely: plain local files of known formats, never what they point to."""

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from dtvideo.errors import MediaError
from dtvideo.files import check_input, file_head

READABLE_FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mxf,asf,flv,ogg,gif,apng,"
    "mp3,aac,wav,flac"
)
OPTIONS = {"format_whitelist": READABLE_FORMATS, "protocol_whitelist": "file"}
LOOKS_LIKE = (
    (b"\x89PNG", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"%PDF", "a PDF document"),
    (b"PK\x03\x04", "a zip archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"<!doctype html", "a web page"),
    (b"<html", "a web page"),
)
PLAYLISTS = (b"#extm3u", b"ffconcat", b"[playlist]", b"<?xml", b"<mpd", b"<smil")


@contextmanager
def open_container(path: Path) -> Iterator[Any]:
    """Yield an open PyAV container of a plain local file; it is closed whatever happens.

    Raises: MediaError V1, V2 (not a video), V3 (incomplete), V17 (an address or a playlist).
    """
    if path.is_dir():
        remedy = "give a video, or --poses FOLDER for key points"
        raise MediaError("V1", path, "is a folder, not a video", remedy)
    check_input(path)
    with path.open("rb") as file:
        try:
            container = av.open(file, options=OPTIONS, metadata_errors="replace")
        except (av.error.FFmpegError, ValueError, OSError) as error:
            raise _unreadable(path) from error
        with container:
            yield container


def video_track(container: Any, path: Path) -> Any:
    """Return the first track of moving pictures, set to decode with slice threads.

    Cover art does not count. Frame threads can hang when decoding stops early, so slices.
    Raises: MediaError V6 when there is none.
    """
    cover = av.stream.Disposition.attached_pic
    for stream in container.streams.video:
        if not stream.disposition & cover:
            stream.thread_type = "SLICE"
            return stream
    held = "sound only" if container.streams.audio else "no pictures"
    raise MediaError("V6", path, f"no video track: it holds {held}", "give a video")


def audio_track(container: Any) -> Any | None:
    """Return the first sound track, or None."""
    return container.streams.audio[0] if container.streams.audio else None


def promised_end(container: Any, stream: Any) -> tuple[Fraction | None, bool]:
    """Return the seconds that the header gives the pictures, and whether sound may be in them."""
    if stream.duration and stream.time_base:
        return stream.duration * Fraction(stream.time_base), False
    length = Fraction(container.duration, av.time_base) if container.duration else None
    return length, len(container.streams) > 1


def end_of_packets(path: Path) -> Fraction:
    """Return when the last packet of any track ends, in seconds on the file's own clock."""
    end = Fraction(0)
    with open_container(path) as container:
        for packet in container.demux():
            if packet.pts is not None and packet.time_base:
                end = max(end, (packet.pts + (packet.duration or 0)) * Fraction(packet.time_base))
    return end


def _unreadable(path: Path) -> MediaError:
    head = file_head(path)
    lowered = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if not head:
        return MediaError("V2", path, "is empty", "copy it again")
    if lowered.startswith(PLAYLISTS):
        return MediaError(
            "V17",
            path,
            "is a playlist that points elsewhere",
            "download the video and give the file",
        )
    if head[4:8] in (b"ftyp", b"mdat", b"moov", b"free", b"wide"):
        remedy = "copy it again, or recover the recording with a repair tool"
        return MediaError("V3", path, "is incomplete: its index is missing or damaged", remedy)
    kind = next((name for start, name in LOOKS_LIKE if lowered.startswith(start.lower())), None)
    if kind is None and _is_text(head):
        kind = "text"
    seen = f"looks like {kind}" if kind else "is of no known video format"
    return MediaError(
        "V2",
        path,
        f"is not a media file that can be read: it {seen}",
        "give a video such as .mp4, .mov, .webm or .mkv",
    )


def _is_text(head: bytes) -> bool:
    try:
        return head.decode("utf-8", errors="strict").isprintable() or b"\n" in head
    except UnicodeDecodeError:
        return False
