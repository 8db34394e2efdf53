"""Frames of an unfinished render: one PNG each, and the latents that the next one starts from.

Frame k and its latents are written whole or not at all, the latents first. So whenever a render
ends, the frames that are there are a beginning of the clip, and the last one's latents are there.
"""

import shutil
from contextlib import suppress
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor

from dtvideo.files import atomic_path
from dtvideo.images import save_png

LATENTS = "latents"
QUICK = 1  # compression of frames that lie here for a while only


class FrameStore:
    """The frames in one folder, numbered from 0."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def add(
        self, index: int, frame: UInt8[np.ndarray, "h w c"], latents: Float[Tensor, "1 d lh lw"]
    ) -> None:
        """Save an RGB or RGBA frame and its latents; those of the frame before are dropped."""
        from safetensors.torch import save_file

        with atomic_path(self._latents_path(index)) as temporary:
            save_file({LATENTS: latents.detach().cpu().contiguous()}, temporary)
        save_png(self.frame_path(index), frame, compression=QUICK)
        if index > 0:
            self._latents_path(index - 1).unlink(missing_ok=True)

    def read(self, index: int) -> UInt8[np.ndarray, "h w c"]:
        """Return a frame as it was added."""
        with Image.open(self.frame_path(index)) as image:
            return np.array(image)

    def resume(self, count: int) -> tuple[int, Float[Tensor, "1 d lh lw"] | None]:
        """Return the first frame of `count` that is missing and the latents of the one before.

        A frame or latents that cannot be read count as missing, and all that follows from them.
        """
        first = 0
        while first < count and self._is_readable(first):
            first += 1
        for index in range(first, 0, -1):
            latents = self._read_latents(index - 1)
            if latents is not None:
                return index, latents
        return 0, None

    def clear(self) -> None:
        """Forget everything."""
        with suppress(FileNotFoundError):
            shutil.rmtree(self.folder)

    @property
    def is_empty(self) -> bool:
        """Whether not even the first frame is there."""
        return not self.frame_path(0).exists()

    @property
    def held(self) -> int:
        """How many frames are there, whole or damaged."""
        return sum(1 for _ in self.folder.glob("*.png"))

    def frame_path(self, index: int) -> Path:
        """Return the file of a frame."""
        return self.folder / f"{index:06d}.png"

    def _latents_path(self, index: int) -> Path:
        return self.folder / f"{index:06d}.safetensors"

    def _is_readable(self, index: int) -> bool:
        try:
            self.read(index)
        except (OSError, SyntaxError, ValueError):  # what Pillow raises for damaged files
            return False
        return True

    def _read_latents(self, index: int) -> Float[Tensor, "1 d lh lw"] | None:
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            return load_file(self._latents_path(index))[LATENTS]
        except (OSError, KeyError, SafetensorError):
            return None
