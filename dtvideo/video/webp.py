"""An animated WebP that is written part by part; Pillow encodes each part, here they are joined.

The layout is that of the WebP container specification: RIFF, VP8X, ANIM, one ANMF per frame, XMP.
"""

import struct
from collections.abc import Iterator, Sequence
from io import BytesIO
from typing import BinaryIO

from PIL import Image

from dtvideo.provenance import xmp_packet

QUALITY = 90
ALPHA, XMP, ANIMATION = 0x10, 0x04, 0x02  # flags of VP8X
OVERWRITE = 0x02  # flag of ANMF: what lay there is not seen through the frame
PICTURE = (b"ALPH", b"VP8 ", b"VP8L")
HEAD_BYTES = 44  # RIFF 12, VP8X 18, ANIM 14


class WebpFile:
    """The frames of a looping WebP, appended in parts to a file that can be sought."""

    unit = 1
    """Milliseconds that a frame's time is counted in."""
    part_bytes = 64 * 2**20
    """Pictures that are encoded together: 64 of 512 x 512. A fourth of that takes 8% more space."""
    most_bytes = 2**32 - 2**16
    """What the format has numbers for, less what stands behind the frames."""

    def __init__(self, file: BinaryIO, *, source_type: str) -> None:
        """Take an empty file and IPTC's term for how the pictures came to be."""
        self._file = file
        self._source_type = source_type
        self._size = (0, 0)
        self._flags = ANIMATION | XMP
        file.write(bytes(HEAD_BYTES))

    def add(self, pictures: Sequence[Image.Image], durations: Sequence[int]) -> None:
        """Append frames of one size, RGB or RGBA, and their times in milliseconds."""
        self._size = pictures[0].size
        for frame in self._frames(pictures, durations):
            self._file.write(_chunk(b"ANMF", frame))

    def finish(self) -> None:
        """Write what a file says of itself, behind the frames and before them."""
        self._file.write(_chunk(b"XMP ", xmp_packet(self._source_type).encode("utf-8")))
        size = self._file.tell()
        self._file.seek(0)
        self._file.write(struct.pack("<4sI4s", b"RIFF", size - 8, b"WEBP"))
        sides = b"".join(_uint24(side - 1) for side in self._size)
        self._file.write(_chunk(b"VP8X", struct.pack("<I", self._flags) + sides))
        self._file.write(_chunk(b"ANIM", bytes(6)))  # transparent ground, endless

    def _frames(self, pictures: Sequence[Image.Image], durations: Sequence[int]) -> list[bytes]:
        """Return the contents of ANMF chunks; the first one covers what an earlier part showed.

        The encoder believes that an animation begins on an empty canvas: it leaves out the
        transparent borders of the first frame. And it makes a still of equal frames.
        """
        part = self._encoded(pictures, durations)
        frames = [content for name, content in _chunks(part) if name == b"ANMF"]
        if not frames:
            return [self._whole_frame(part, _uint24(sum(durations)) + bytes([OVERWRITE]))]
        if _place(frames[0]) != (0, 0, *self._size):
            still = self._encoded(pictures[:1], durations[:1])
            frames[0] = self._whole_frame(still, frames[0][12:16])
        return frames

    def _encoded(self, pictures: Sequence[Image.Image], durations: Sequence[int]) -> bytes:
        data = BytesIO()
        pictures[0].save(
            data,
            format="WEBP",
            save_all=True,
            append_images=pictures[1:],
            duration=list(durations),
            quality=QUALITY,
        )
        self._flags |= data.getvalue()[20] & ALPHA if data.getvalue()[12:16] == b"VP8X" else 0
        return data.getvalue()

    def _whole_frame(self, still: bytes, duration_and_flags: bytes) -> bytes:
        width, height = self._size
        place = bytes(6) + _uint24(width - 1) + _uint24(height - 1)
        picture = [_chunk(name, content) for name, content in _chunks(still) if name in PICTURE]
        return place + duration_and_flags + b"".join(picture)


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield name and content of each chunk of a WebP."""
    start = 12
    while start < len(data):
        name, size = struct.unpack_from("<4sI", data, start)
        yield name, data[start + 8 : start + 8 + size]
        start += 8 + size + size % 2


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack("<4sI", name, len(content)) + content + bytes(len(content) % 2)


def _place(frame: bytes) -> tuple[int, int, int, int]:
    """Return x, y, width and height of an ANMF chunk's content."""
    x, y, width, height = (int.from_bytes(frame[k : k + 3], "little") for k in (0, 3, 6, 9))
    return 2 * x, 2 * y, width + 1, height + 1


def _uint24(value: int) -> bytes:
    return value.to_bytes(3, "little")
