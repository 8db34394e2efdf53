"""Read a video: its facts, by decoding it once, and its frames, one at a time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from jaxtyping import UInt8

from dtvideo.errors import MediaError
from dtvideo.limits import VideoLimits
from dtvideo.video.container import (
    audio_track,
    end_of_packets,
    open_container,
    promised_end,
    video_track,
)
from dtvideo.video.picture import (
    HIGH_DYNAMIC_RANGE,
    ODD_ANGLE_DEGREES,
    ColourTags,
    Orientation,
    colours_of,
    orientation_of,
    square_size,
    to_rgb,
)
from dtvideo.video.timing import choose_rate, count_ticks, nearest_frames, steady_times

MINIMUM_SIDE = 16
MOST_REPEATS = 20
MOST_OF_A_FRAME = Fraction(3, 4)
LONGEST_PAUSE = Fraction(1)  # seconds that the last frame of a variable rate may last


@dataclass(frozen=True)
class VideoInfo:
    """What a video is, as `read_frames` delivers it: upright, square pixels, constant rate."""

    path: Path
    width: int
    height: int
    rate: Fraction
    """Frames per second, never a float."""
    frames: int
    """How many frames `read_frames` yields."""
    decoded_frames: int
    """How many pictures the file really holds; its header may claim another number."""
    file_bytes: int
    """How long the file was when it was probed."""
    length: Fraction
    """Seconds from the first picture to the end of the last one."""
    start: Fraction
    """Time of the first picture on the file's own clock, in seconds; its sound shares it."""
    orientation: Orientation
    variable_rate: bool
    has_audio: bool
    codec: str
    colours: ColourTags
    notices: tuple[str, ...] = ()
    is_partial: bool = False
    """Whether the file is damaged, and only the good frames before that are delivered."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.width, self.height

    @property
    def duration(self) -> Fraction:
        """Seconds that the delivered frames last."""
        return self.frames / self.rate

    @property
    def rotation(self) -> int:
        """Counter-clockwise degrees that were applied: 0, 90, 180 or 270."""
        return self.orientation.rotation

    def at_rate(self, rate: Fraction) -> "VideoInfo":
        """Return the same video delivered at another rate, as long in seconds."""
        if rate == self.rate:
            return self
        return replace(self, rate=rate, frames=count_ticks(self.length, rate))


@dataclass(frozen=True)
class _First:
    """The facts that the first decoded frame tells."""

    size: tuple[int, int]
    orientation: Orientation
    colours: ColourTags
    interlaced: bool


def probe(
    path: Path,
    *,
    rate: Fraction | None = None,
    limits: VideoLimits | None = None,
    keep_head: bool = False,
) -> VideoInfo:
    """Decode a whole video once and return its facts.

    Damage, lying headers and wrong kinds of file come to light here, before any model loads.
    rate: deliver the frames at this rate instead of the file's own; limits: how much is read;
    keep_head: of a file that is damaged later on, take the good frames before.
    Raises: MediaError V1-V6, V8, V10, V11, V13, V14, V17.
    """
    limits = limits or VideoLimits()
    with open_container(path) as container:
        stream = video_track(container, path)
        limits.check_header(path, container, stream)
        first, stamps, last, damage = _decode_all(container, stream, path, limits)
        if damage is not None and not keep_head:
            raise damage
        times = list(steady_times(stamps, _step(stream)))
        own, variable = _own_rate(stream, times, path, instead=rate)
        length = times[-1] + (last or 1 / own) if variable else len(times) / own
        width, height = _upright_size(first, stream, path)
        info = VideoInfo(
            path=path,
            width=width,
            height=height,
            rate=own,
            frames=count_ticks(length, own),
            decoded_frames=len(times),
            file_bytes=path.stat().st_size,
            length=length,
            start=stamps[0] or Fraction(0),
            orientation=first.orientation,
            variable_rate=variable,
            has_audio=audio_track(container) is not None,
            codec=stream.codec_context.name,
            colours=first.colours,
            notices=_notices(first, container, variable=variable),
            is_partial=damage is not None,
        )
        promised = promised_end(container, stream)
    info = replace(info, notices=(*info.notices, *_missing(info, *promised)))
    if rate is None:
        _check_count(info)
    return info.at_rate(rate or own)


def read_frames(
    source: Path | VideoInfo, *, rate: Fraction | None = None
) -> Iterator[UInt8[np.ndarray, "h w 3"]]:
    """Yield a video's frames one by one: upright RGB, square pixels, constant rate.

    Where the file's rate varies (or `rate` asks for another), each tick gets the frame that
    is nearest in time. The file is closed when the consumer stops early.
    Raises: as `probe`; V16 when the file changed since it was probed.
    """
    info = source if isinstance(source, VideoInfo) else probe(source)
    info = info.at_rate(rate or info.rate)
    with open_container(info.path) as container:
        _check_unchanged(info)
        stream = video_track(container, info.path)
        for frame in nearest_frames(
            _timed(container, stream, info), rate=info.rate, count=info.frames
        ):
            size = square_size(frame.width, frame.height, stream.sample_aspect_ratio)
            yield info.orientation.apply(to_rgb(frame, size))


def _timed(container: Any, stream: Any, info: VideoInfo) -> Iterator[tuple[Fraction, Any]]:
    """Yield (time, decoded frame), the times as `probe` saw them."""
    held: list[Any] = []

    def stamps() -> Iterator[Fraction | None]:
        for frame in _decode(container, stream, info.path):
            if isinstance(frame, MediaError):
                if not info.is_partial:
                    raise frame
                break
            held.append(frame)
            yield _stamp(frame)

    count = 0
    for time in steady_times(stamps(), _step(stream)):
        yield time, held.pop()
        count += 1
    _check_unchanged(info)
    if count != info.decoded_frames:
        raise _changed(info, f"{info.decoded_frames} frames, then {count}")


def _check_unchanged(info: VideoInfo) -> None:
    length = info.path.stat().st_size if info.path.exists() else 0
    if length != info.file_bytes:
        raise _changed(info, f"{info.file_bytes} bytes, then {length}")


def _changed(info: VideoInfo, told: str) -> MediaError:
    problem = f"changed while it was read: {told}"
    return MediaError("V16", info.path, problem, "wait until the file is complete")


def _own_rate(
    stream: Any, times: Sequence[Fraction], path: Path, *, instead: Fraction | None
) -> tuple[Fraction, bool]:
    """Return the rate of a video, another one where it has none, and whether it varies."""
    declared = (stream.guessed_rate, stream.average_rate, stream.base_rate)
    own, variable = choose_rate(times, map(_fraction, declared))
    own = own or instead
    if own is None:
        told = stream.average_rate or "none"
        raise MediaError("V14", path, f"its frame rate ({told}) is unusable", "give --fps")
    return own, variable


def _decode_all(
    container: Any, stream: Any, path: Path, limits: VideoLimits
) -> tuple[_First, list[Fraction | None], Fraction, MediaError | None]:
    """Decode all that can be.

    Returns the first frame's facts, all stamps, the last duration, and the damage behind it.
    """
    first, stamps, last = None, [], Fraction(0)
    damage = None
    for frame in _decode(container, stream, path):
        if isinstance(frame, MediaError):
            damage = frame
            break
        size = (frame.width, frame.height)
        if first is None:
            limits.check_size(path, *size)
            orientation, colours = orientation_of(frame), colours_of(frame)
            first = _First(size, orientation, colours, bool(frame.interlaced_frame))
        elif size != first.size:
            problem = f"changes size from {first.size} to {size} at frame {len(stamps)}"
            raise MediaError("V13", path, problem, "convert it to one size first")
        stamps.append(_stamp(frame))
        limits.check_count(path, len(stamps))
        last = frame.duration * _time_base(frame) if frame.duration else Fraction(0)
    if first is None and damage is not None:
        raise damage
    if first is None:
        raise MediaError("V5", path, "holds no picture that can be decoded", "copy it again")
    return first, stamps, last, damage


def _decode(container: Any, stream: Any, path: Path) -> Iterator[Any]:
    """Yield decoded frames, and where the file is damaged a MediaError V4 as the last thing."""
    count = 0
    try:
        for frame in container.decode(stream):
            if frame.is_corrupt:
                yield _damaged(path, count)
                return
            yield frame
            count += 1
    except av.error.FFmpegError:
        yield _damaged(path, count)


def _damaged(path: Path, count: int) -> MediaError:
    good = f"the last good frame is {count - 1}" if count else "no frame could be decoded"
    return MediaError(
        "V4", path, f"is damaged or cut off: {good}", "copy it again, or cut it before the damage"
    )


def _stamp(frame: Any) -> Fraction | None:
    return None if frame.pts is None else frame.pts * _time_base(frame)


def _time_base(frame: Any) -> Fraction:
    return _fraction(frame.time_base) or Fraction(1, 1000)


def _fraction(value: Any) -> Fraction | None:
    """Make a Fraction of what PyAV gives for a rational: None or zero is None."""
    return Fraction(value.numerator, value.denominator) if value else None


def _step(stream: Any) -> Fraction:
    """Return the interval to assume where a time stamp is missing or runs backwards."""
    rate = _fraction(stream.guessed_rate) or Fraction(25)
    return 1 / rate


def _upright_size(first: _First, stream: Any, path: Path) -> tuple[int, int]:
    width, height = square_size(*first.size, _fraction(stream.sample_aspect_ratio))
    if first.orientation.transposed:
        width, height = height, width
    if min(width, height) < MINIMUM_SIDE:
        raise MediaError(
            "V11",
            path,
            f"is {width}x{height} pixels, too small to read a pose",
            f"give a video of at least {MINIMUM_SIDE} pixels on each side",
        )
    return width, height


def _check_count(info: VideoInfo) -> None:
    if info.frames > MOST_REPEATS * (info.decoded_frames + MOST_REPEATS):
        raise MediaError(
            "V8",
            info.path,
            f"holds {info.decoded_frames} pictures for "
            f"{float(info.length):.1f} seconds; its time stamps are hardly right",
            "give --fps, or convert it to a constant rate",
        )


def _missing(info: VideoInfo, promised: Fraction | None, of_any_track: bool) -> list[str]:
    """Tell of frames that the file should hold: damaged ones, and time that its header promises.

    Less than most of a frame is not told.
    """
    found = f"{info.decoded_frames} frames in {float(info.length):.2f} s"
    if info.is_partial:
        return [f"the video is damaged or cut off; only what comes before is used, {found}"]
    end = info.length + max(info.start, Fraction(0))
    slack = LONGEST_PAUSE if info.variable_rate else MOST_OF_A_FRAME / info.rate
    if promised is None or promised <= end + slack:
        return []
    if of_any_track and promised <= end_of_packets(info.path) + slack:
        return []
    return [
        f"the video ended before its header says: it holds {found} of {float(promised):.2f} s; "
        "it may have been cut off"
    ]


def _notices(first: _First, container: Any, *, variable: bool) -> tuple[str, ...]:
    notices = []
    if variable:
        notices.append("the frame rate varies; frames are taken at a constant rate")
    if first.orientation.odd_degrees > ODD_ANGLE_DEGREES:
        notices.append(
            f"the file asks for a turn that is {first.orientation.odd_degrees:.0f} degrees off "
            "a right angle; the nearest right angle is used"
        )
    if first.interlaced:
        notices.append("the video is interlaced; moving edges may show combs")
    if kind := HIGH_DYNAMIC_RANGE.get(first.colours.transfer):
        notices.append(f"the video is high dynamic range ({kind}); its colours are approximate")
    if len(container.streams.video) > 1:
        notices.append("the file has several video tracks; the first is used")
    return tuple(notices)
