"""An animated GIF that is written part by part; Pillow encodes each part, here they are joined."""

import sys
from collections.abc import Sequence
from io import BytesIO
from typing import BinaryIO

from PIL import Image

from dtvideo.provenance import comment_of

CLEAR_BEHIND = 2  # disposal: what a frame drew is gone before the next one
HALF = 128  # of alpha: the one bit that GIF has is cut there
HEAD_BYTES = 13  # signature and screen; the colours of all frames follow
EXTENSION = 0x21
OWN_COLOURS = 0x80
END = b";"


class GifFile:
    """The frames of a looping GIF, appended in parts to a file."""

    unit = 10
    """Milliseconds that a frame's time is counted in."""
    part_bytes = 16 * 2**20
    """Pictures that are encoded together: 16 of 512 x 512. All of them take up to 2% less."""
    most_bytes = sys.maxsize

    def __init__(self, file: BinaryIO, *, source_type: str) -> None:
        """Take an empty file and IPTC's term for how the pictures came to be."""
        self._file = file
        self._source_type = source_type
        self._begun = False

    def add(self, pictures: Sequence[Image.Image], durations: Sequence[int]) -> None:
        """Append frames of one size, RGB or RGBA, and their times in milliseconds."""
        if self._begun:
            self._file.write(_without_head(_encoded(pictures, durations)))
        else:
            told = comment_of(self._source_type)
            part = _encoded(pictures, durations, loop=0, comment=told)
            self._file.write(part.removesuffix(END))
        self._begun = True

    def finish(self) -> None:
        """Write the end of the file."""
        self._file.write(END)


def _encoded(
    pictures: Sequence[Image.Image], durations: Sequence[int], **options: int | str
) -> bytes:
    """Return a GIF of its own. Frames with alpha do not show through later ones."""
    if pictures[0].mode == "RGBA":
        pictures = [_with_hard_edges(picture) for picture in pictures]
        options["disposal"] = CLEAR_BEHIND
    data = BytesIO()
    pictures[0].save(
        data,
        format="GIF",
        save_all=True,
        append_images=pictures[1:],
        duration=list(durations),
        **options,
    )
    return data.getvalue()


def _with_hard_edges(picture: Image.Image) -> Image.Image:
    """Return an RGBA picture that is opaque or transparent: Pillow keeps any alpha as opaque."""
    cut = picture.copy()
    cut.putalpha(picture.getchannel("A").point(lambda alpha: 255 * (alpha >= HALF)))
    return cut


def _without_head(part: bytes) -> bytes:
    """Return a part's frames; the first one gets the colours that the head held as its own."""
    size = part[10] & 7
    first = HEAD_BYTES + 3 * (2 << size)
    colours = part[HEAD_BYTES:first]
    flags = _after_extensions(part, first) + 9
    own = bytes([part[flags] | OWN_COLOURS | size])
    return part[first:flags] + own + colours + part[flags + 1 :].removesuffix(END)


def _after_extensions(part: bytes, start: int) -> int:
    """Return where the first image begins: an extension is blocks up to an empty one."""
    while part[start] == EXTENSION:
        start += 2
        while part[start]:
            start += 1 + part[start]
        start += 1
    return start
