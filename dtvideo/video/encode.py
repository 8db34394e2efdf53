"""Write a movie by its profile: colours stated, rate exact, sound in step, whole or absent."""

from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace
from jaxtyping import UInt8

from dtvideo.errors import MediaError, OutputError
from dtvideo.files import atomic_path, explained_write
from dtvideo.profiles import MUXERS, Profile, movie_profile
from dtvideo.provenance import SOURCE_TYPE, append_xmp, comment_of, xmp_packet
from dtvideo.video.picture import QUALITY
from dtvideo.video.sound import SoundTrack

BT709, SRGB_TRANSFER, RGB_MATRIX = 1, 13, 0  # ITU-T H.273
THREADS = 4  # pinned: the bytes of x264 depend on it


class VideoWriter:
    """A movie that is written frame by frame and appears under its name when complete.

    Without a profile the suffix chooses: .mp4 and .mov hold H.264 (CRF 18), .webm VP9, .mkv FFV1.
    Luma and colour differences have limited range and the BT.709 matrix, RGB has full range; both
    are tagged, with BT.709 primaries and the sRGB transfer. Where pixels share colours, an odd
    width or height is stored one larger, the last column or row repeated.
    The temporary file is removed when the `with` block is left by an exception.
    Raises: UsageError V12 for a suffix that is not the profile's; MediaError V5 when no frame was
    written.
    """

    def __init__(
        self,
        path: Path,
        *,
        size: tuple[int, int],
        rate: Fraction,
        audio_from: Path | None = None,
        audio_offset: Fraction = Fraction(0),
        source_type: str = SOURCE_TYPE,
        comment: str | None = None,
        profile: Profile | None = None,
        alpha: bool = False,
    ) -> None:
        """Take where to write, (width, height), frames per second and whose sound to copy.

        audio_offset: seconds of the source's picture track that come before frame 0; source_type:
        IPTC's term for how the pictures came to be; comment: said instead, of pictures that no
        model made; alpha: frames are RGBA, and it is kept.
        """
        self.path = path
        self.size = size
        self.rate = rate
        self.frames = 0
        self._audio_from = audio_from
        self._audio_offset = audio_offset
        self._suffix = path.suffix.lower()
        self._source_type = source_type
        self._comment = comment
        self._profile = movie_profile(path, profile)
        self._pixels = self._profile.stored_pixels(alpha=alpha)

    @property
    def stored_size(self) -> tuple[int, int]:
        """Width and height in the file: both even where pixels share colours."""
        if not self._profile.needs_even_sides:
            return self.size
        return self.size[0] + self.size[0] % 2, self.size[1] + self.size[1] % 2

    def __enter__(self) -> "VideoWriter":
        with ExitStack() as files:
            files.enter_context(explained_write(self.path))
            self._temporary = files.enter_context(atomic_path(self.path))
            self._container = files.enter_context(
                _create(self._temporary, self._suffix, self._profile)
            )
            self._container.metadata.update(self._metadata())
            self._stream = self._add_pictures()
            self._sound = self._add_sound(files)
            self._files = files.pop_all()
        return self

    def write(self, frame: UInt8[np.ndarray, "h w c"]) -> None:
        """Append one RGB frame, or RGBA where alpha is kept; frame k is shown at k / rate.

        Raises: MediaError V13 when the frame has another size.
        """
        height, width = frame.shape[:2]
        if (width, height) != self.size:
            wanted = "x".join(map(str, self.size))
            raise MediaError(
                "V13",
                self.path,
                f"frame {self.frames} is {width}x{height}",
                f"every frame must be {wanted}",
            )
        self._mux(self._stream.encode(self._picture(frame)))
        self.frames += 1
        self._copy_sound()

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
        self._mux(self._stream.encode(None))
        self._copy_sound()
        self._container.close()
        held = count_packets(self._temporary)
        if held != self.frames:
            raise OutputError(
                "F3",
                self.path,
                f"holds {held} of {self.frames} frames",
                "check the disk and render again",
            )
        if self._suffix == ".mp4" and self._comment is None:
            append_xmp(self._temporary, self._source_type)

    def _metadata(self) -> dict[str, str]:
        """Return what is said of the movie; .mov keeps XMP itself, .mp4 gets it at the end."""
        if self._comment is not None:
            return {"comment": self._comment}
        told = {"comment": comment_of(self._source_type)}
        if self._suffix == ".mov":
            told["xmp"] = xmp_packet(self._source_type)
        elif self._suffix in (".mkv", ".webm"):
            told["DIGITAL_SOURCE_TYPE"] = self._source_type
        return told

    def _add_pictures(self) -> Any:
        stream = self._container.add_stream(
            self._profile.codec, rate=self.rate, options=dict(self._profile.options)
        )
        stream.width, stream.height = self.stored_size
        stream.pix_fmt = self._pixels
        stream.time_base = 1 / self.rate
        context = stream.codec_context
        context.thread_count = THREADS
        context.colorspace = RGB_MATRIX if self._profile.is_rgb else BT709
        context.color_primaries = BT709
        context.color_trc = SRGB_TRANSFER
        context.color_range = int(ColorRange.JPEG if self._profile.is_rgb else ColorRange.MPEG)
        if self._profile.tag:
            context.codec_tag = self._profile.tag
        return stream

    def _add_sound(self, files: ExitStack) -> SoundTrack | None:
        if self._audio_from is None:
            return None
        sound = SoundTrack(
            self._audio_from,
            self._container,
            suffix=self._suffix,
            offset=self._audio_offset,
        )
        files.callback(sound.close)
        return sound

    def _picture(self, frame: UInt8[np.ndarray, "h w c"]) -> Any:
        width, height = self.stored_size
        padding = ((0, height - frame.shape[0]), (0, width - frame.shape[1]), (0, 0))
        even = np.ascontiguousarray(np.pad(frame, padding, mode="edge"))
        picture = av.VideoFrame.from_ndarray(even, format="rgba" if even.shape[2] == 4 else "rgb24")
        if self._profile.is_rgb:
            picture = picture.reformat(format=self._pixels)
        else:
            picture = picture.reformat(
                format=self._pixels,
                dst_colorspace=Colorspace.ITU709,
                src_color_range=ColorRange.JPEG,
                dst_color_range=ColorRange.MPEG,
                dst_color_primaries=BT709,
                dst_color_trc=SRGB_TRANSFER,
                interpolation=QUALITY,
                threads=1,
            )
        picture.pts, picture.time_base = self.frames, 1 / self.rate
        return picture

    def _copy_sound(self) -> None:
        if self._sound:
            self._mux(list(self._sound.until(self.frames / self.rate)))

    def _mux(self, packets: list[Any]) -> None:
        for packet in packets:
            self._container.mux(packet)


def count_packets(path: Path) -> int:
    """Count the pictures that a movie of ours really holds."""
    with av.open(str(path)) as container:
        return sum(1 for packet in container.demux(video=0) if packet.size)


def _create(path: Path, suffix: str, profile: Profile) -> Any:
    return av.open(
        str(path.absolute()),
        "w",
        format=MUXERS[suffix],
        container_options=dict(profile.muxer_options),
    )
