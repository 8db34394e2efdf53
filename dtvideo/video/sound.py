"""Sound in step: packets copied as they are where the container can hold them."""

from collections.abc import Iterator
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from dtvideo.errors import MediaError
from dtvideo.video.container import audio_track, open_container

HELD_AS_IS = {
    ".mp4": {"aac", "mp3", "ac3", "eac3", "alac", "opus", "flac"},
    ".mov": {"aac", "mp3", "ac3", "eac3", "alac", "pcm_s16le", "pcm_s24le", "pcm_s16be"},
    ".webm": {"opus", "vorbis"},
    ".mkv": {"aac", "mp3", "ac3", "eac3", "opus", "vorbis", "flac", "pcm_s16le", "pcm_s24le"},
}
RE_ENCODED = {".mp4": "aac", ".mov": "aac", ".webm": "libopus", ".mkv": "flac"}
SAMPLE_RATE = 48000
BIT_RATE = 192_000


class SoundTrack:
    """The sound of one file, laid under the frames of another from a moment on.

    Time 0 of the output is `offset` seconds after the first picture of the source. Packets
    come out in order while they begin before the time asked for; a packet is never cut, so a
    copy ends at most one packet (some 20 ms) late. A packet that spans time 0 keeps its
    negative stamp, which the edit list of .mp4 and .mov hides. A source without sound gives
    no packets.
    """

    def __init__(self, source: Path, output: Any, *, suffix: str, offset: Fraction) -> None:
        self._source = source
        self._start = first_picture_time(source) + offset
        self._keeps_negative = suffix in (".mp4", ".mov")
        self._files = ExitStack()
        reader = self._files.enter_context(open_container(source))
        self._input = audio_track(reader)
        self._waiting: Any = None
        self._packets: Iterator[Any] = iter(())
        if self._input is None:
            return
        if self._input.codec_context.name in HELD_AS_IS[suffix]:
            self._stream = output.add_stream_from_template(self._input)
            self._packets = self._copied(reader)
        else:
            self._stream = output.add_stream(RE_ENCODED[suffix], rate=SAMPLE_RATE)
            self._stream.bit_rate = BIT_RATE
            self._packets = self._encoded(reader)

    def until(self, seconds: Fraction) -> Iterator[Any]:
        """Yield the packets that begin before `seconds` of the output and were not given yet.

        Raises: MediaError V4 when the sound is damaged.
        """
        while packet := self._waiting or self._next():
            self._waiting = packet
            if packet.pts * packet.time_base >= seconds:
                return
            self._waiting = None
            yield packet

    def close(self) -> None:
        """Close the source."""
        self._packets = iter(())
        self._files.close()

    def _next(self) -> Any:
        try:
            return next(self._packets, None)
        except av.error.FFmpegError as error:
            raise MediaError(
                "V4", self._source, "its sound is damaged", "render without it: --audio none"
            ) from error

    def _copied(self, reader: Any) -> Iterator[Any]:
        for packet in reader.demux(self._input):
            stamp = packet.pts if packet.pts is not None else packet.dts
            if stamp is None:
                continue
            stamp -= round(self._start / packet.time_base)
            if stamp < 0 and not (self._keeps_negative and stamp + 2 * (packet.duration or 0) > 0):
                continue
            packet.pts = packet.dts = stamp
            packet.stream = self._stream
            yield packet

    def _encoded(self, reader: Any) -> Iterator[Any]:
        for frame in reader.decode(self._input):
            if cut := _from_zero(frame, self._start):
                yield from self._stream.encode(cut)
        yield from self._stream.encode(None)


def first_picture_time(path: Path) -> Fraction:
    """Return when the first picture of a file is shown on its clock; 0 for sound alone."""
    with open_container(path) as container:
        for stream in container.streams.video:
            for frame in container.decode(stream):
                return Fraction((frame.pts or 0) * frame.time_base)
    return Fraction(0)


def _from_zero(frame: Any, start: Fraction) -> Any | None:
    """Return a sound frame with time counted from `start`; what lies before is cut off."""
    first = round((frame.pts * frame.time_base - start) * frame.sample_rate)
    skipped = max(0, -first)
    if skipped >= frame.samples:
        return None
    samples = frame.to_ndarray()
    width = 1 if frame.format.is_planar else len(frame.layout.channels)
    cut = av.AudioFrame.from_ndarray(
        samples[:, skipped * width :].copy(), format=frame.format.name, layout=frame.layout.name
    )
    cut.sample_rate = frame.sample_rate
    cut.time_base = Fraction(1, frame.sample_rate)
    cut.pts = first + skipped
    return cut
