"""The depth pictures of a job of pictures: each is read when it is drawn with."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from dtvideo.images import load_image, picture_files, place
from pipelines.prepare import fit_and_extend

Picture = UInt8[np.ndarray, "h w 3"]


class Depths(Sequence[Picture]):
    """How near everything is, grey, at the size (width, height) of a model; none of it is kept.

    Every file is read once at the beginning, so that a bad one is refused before anything is drawn.
    Raises: MediaError as `load_image` and `picture_files`.
    """

    def __init__(self, path: Path | None, size: tuple[int, int]) -> None:
        self._files = () if path is None else picture_files(path)
        self._size = size
        shapes = [load_image(file).size for file in self._files]
        self.notices: tuple[str, ...] = ()
        if shapes and place(shapes[0], size).fitted_size != size:
            told = "depth of {}x{} is fitted into {}x{}".format(*shapes[0], *size)
            self.notices = (f"{told}; its border is repeated around it",)

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, index: Any) -> Any:
        """Return a depth picture, fitted whole."""
        if isinstance(index, slice):
            return [self[each] for each in range(*index.indices(len(self)))]
        grey = load_image(self._files[index]).rgb.mean(axis=2, keepdims=True)
        return fit_and_extend(np.repeat(grey, 3, axis=2).round().astype(np.uint8), self._size)
