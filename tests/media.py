"""Made-up media with known content: numbered frames, clicks, every odd kind of file."""

from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from jaxtyping import Float32, UInt8

SAMPLE_RATE = 48000
BITS = 8
Samples = Float32[np.ndarray, " n"]
Frame = UInt8[np.ndarray, "h w 3"]


def numbered_frame(number: int, size: tuple[int, int] = (64, 48)) -> Frame:
    """A frame whose eight upright bars are the bits of its number, white for 1."""
    width, height = size
    bars = np.arange(width) * BITS // width
    row = np.where((number >> bars) & 1, 235, 16).astype(np.uint8)
    return np.ascontiguousarray(np.broadcast_to(row[None, :, None], (height, width, 3)))


def number_of(frame: Frame) -> int:
    """Read the number of a numbered frame back, however it was compressed."""
    width = frame.shape[1]
    middles = (np.arange(BITS) * 2 + 1) * width // (2 * BITS)
    return int(((frame[frame.shape[0] // 2, middles].mean(axis=-1) > 128) << np.arange(BITS)).sum())


def corner_frame(size: tuple[int, int] = (64, 48)) -> Frame:
    """A grey frame with a red top left and a green top right quarter."""
    width, height = size
    frame = np.full((height, width, 3), 128, np.uint8)
    frame[: height // 2, : width // 2] = (200, 30, 30)
    frame[: height // 2, width // 2 :] = (30, 200, 30)
    return frame


def clicks(seconds: float, times: Iterable[float]) -> Samples:
    """Silence with a burst of 2 ms at each time."""
    samples = np.zeros(round(seconds * SAMPLE_RATE), np.float32)
    for time in times:
        start = round(time * SAMPLE_RATE)
        samples[start : start + SAMPLE_RATE // 500] = 0.9
    return samples


def write_video(
    path: Path,
    frames: int | Sequence[Frame] = 10,
    *,
    size: tuple[int, int] = (64, 48),
    rate: Fraction = Fraction(25),
    times: Sequence[Fraction] | None = None,
    rotation: float = 0,
    mirrored: bool = False,
    codec: str = "libx264",
    pixels: str = "yuv420p",
    options: dict[str, str] | None = None,
    muxer_options: dict[str, str] | None = None,
    sound: Samples | None = None,
    sound_codec: str = "aac",
    sound_start: Fraction = Fraction(0),
    tags: dict[str, int] | None = None,
    shape: Fraction | None = None,
    yuv: bool = False,
) -> Path:
    """Write a clip of given or numbered frames and return its path.

    times: when each frame is shown (a variable rate); sound: mono samples at 48 kHz; tags:
    attributes of the codec, such as colorspace; shape: width over height of a pixel; yuv: the
    frames are 4:2:0 planes below each other, to be stored as they are.
    """
    pictures = (
        [numbered_frame(k, size) for k in range(frames)] if isinstance(frames, int) else frames
    )
    height, width = pictures[0].shape[0] * (2 if yuv else 3) // 3, pictures[0].shape[1]
    base = Fraction(1, 90000) if times else 1 / rate
    with av.open(str(path), "w", container_options=muxer_options or {}) as container:
        stream = container.add_stream(codec, rate=rate, options=options or {})
        stream.width, stream.height, stream.pix_fmt, stream.time_base = width, height, pixels, base
        stream.codec_context.time_base = base
        if rotation or mirrored:
            stream.set_display_rotation(rotation, hflip=mirrored)
        for name, value in (tags or {}).items():
            setattr(stream.codec_context, name, value)
        if shape:
            stream.codec_context.sample_aspect_ratio = shape
        track = container.add_stream(sound_codec, rate=SAMPLE_RATE) if sound is not None else None
        for index, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="yuv420p" if yuv else "rgb24")
            frame.pts, frame.time_base = round(times[index] / base) if times else index, base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if track is not None:
            write_sound(container, track, sound, start=sound_start)
    return path


def write_sound(
    container: Any,
    track: Any,
    samples: Samples,
    *,
    start: Fraction = Fraction(0),
) -> None:
    """Encode mono samples into a track of an open container."""
    frame = av.AudioFrame.from_ndarray(samples[None].copy(), format="fltp", layout="mono")
    frame.sample_rate, frame.time_base = SAMPLE_RATE, Fraction(1, SAMPLE_RATE)
    frame.pts = round(start * SAMPLE_RATE)
    container.mux(track.encode(frame))
    container.mux(track.encode(None))


def write_audio_file(path: Path, samples: Samples, codec: str) -> Path:
    """Write mono samples as a file without pictures."""
    with av.open(str(path), "w") as container:
        write_sound(container, container.add_stream(codec, rate=SAMPLE_RATE), samples)
    return path


def write_cover(path: Path) -> None:
    with av.open(str(path), "w", format="mp4") as container:
        track = container.add_stream("aac", rate=48000)
        cover = container.add_stream("mjpeg", rate=1)
        cover.width = cover.height = 32
        cover.pix_fmt = "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        picture = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")
        container.mux(cover.encode(picture))
        container.mux(cover.encode(None))
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 4800), np.float32), "fltp", "mono")
        sound.sample_rate = 48000
        container.mux(track.encode(sound))
        container.mux(track.encode(None))


def click_times(path: Path) -> list[float]:
    """Return when the clicks of a file's sound are heard, in seconds on the file's clock."""
    heard: list[float] = []
    with av.open(str(path)) as container:
        for frame in container.decode(audio=0):
            sound = frame.to_ndarray()
            if not frame.format.is_planar:
                sound = sound.reshape(frame.samples, -1).T
            full = 1.0 if sound.dtype.kind == "f" else np.iinfo(sound.dtype).max
            loud = np.abs(sound.astype(float)).max(axis=0) > 0.4 * full
            begins = float(frame.pts * frame.time_base)
            heard += [begins + int(index) / frame.sample_rate for index in np.flatnonzero(loud)]
    return [t for k, t in enumerate(heard) if k == 0 or t - heard[k - 1] > 0.01]
