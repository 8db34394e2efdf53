"""Key points from a file, behind the protocol of the detectors that look at pictures."""

import os

import numpy as np
from jaxtyping import UInt8

from poses.errors import PoseError
from poses.io import read_detections
from poses.types import Pose, parts_of


class FileDetector:
    """Returns the people of the file's next frame each time, scaled to the picture.

    path: what `poses.io.read_poses` reads.
    """

    name = "file"
    licence = "the file's own"
    device = "disk"

    def __init__(self, *, path: str | os.PathLike[str]) -> None:
        self._path = path
        self._people = read_detections(path).people
        self._next = 0

    def detect(self, image: UInt8[np.ndarray, "h w 3"]) -> list[Pose]:
        """Return the next frame's people. Raises: PoseError P6 when the file has no more."""
        if self._next == len(self._people):
            raise PoseError(
                "P6", self._path, f"has {self._next} frames, the clip more", "use matching ones"
            )
        people = self._people[self._next]
        self._next += 1
        size = (image.shape[1], image.shape[0])
        return [_scaled(pose, size) for pose in people]


def _scaled(pose: Pose, size: tuple[int, int]) -> Pose:
    scale = (size[0] / pose.size[0], size[1] / pose.size[1], 1)
    return Pose(size=size, **{name: part * scale for name, part in parts_of(pose).items()})
