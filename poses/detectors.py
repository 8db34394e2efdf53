"""What finds people in pictures: the protocol, and the detectors that are known by name.

A detector is anything with the four members of `PoseDetector`. The built-in ones live in
`poses.backends` and are imported when they are created; others are added by name with
`register_detector`.
"""

from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import UInt8

from poses.errors import DetectorError
from poses.types import Pose

Picture = UInt8[np.ndarray, "h w 3"]


@runtime_checkable
class PoseDetector(Protocol):
    """Finds people in one RGB picture.

    name and licence are told to the user; device says where it runs, for example "cpu".
    """

    @property
    def name(self) -> str: ...
    @property
    def licence(self) -> str: ...
    @property
    def device(self) -> str: ...

    def detect(self, image: Picture) -> list[Pose]:
        """Return every person found, an empty list when there is none."""
        ...


DetectorFactory = Callable[..., PoseDetector]


def _mediapipe(**options: Any) -> PoseDetector:
    from poses.backends.mediapipe import MediapipeDetector

    return MediapipeDetector(**options)


def _openpose(**options: Any) -> PoseDetector:
    from poses.backends.openpose import OpenposeDetector

    return OpenposeDetector(**options)


def _dwpose(**options: Any) -> PoseDetector:
    from poses.backends.dwpose import DwposeDetector

    return DwposeDetector(**options)


def _file(**options: Any) -> PoseDetector:
    from poses.backends.file import FileDetector

    return FileDetector(**options)


_FACTORIES: dict[str, DetectorFactory] = {
    "mediapipe": _mediapipe,
    "openpose": _openpose,
    "dwpose": _dwpose,
    "file": _file,
}


def detector_names() -> tuple[str, ...]:
    """Return the names that `create_detector` knows."""
    return tuple(sorted(_FACTORIES))


def register_detector(name: str, factory: DetectorFactory) -> None:
    """Make a detector available by name; a factory registered before is replaced."""
    _FACTORIES[name] = factory


def create_detector(name: str, **options: Any) -> PoseDetector:
    """Build a detector by name; the options are those of its class.

    Raises: DetectorError when the name is unknown, its package missing or its weights absent.
    """
    if name not in _FACTORIES:
        known = ", ".join(detector_names())
        raise DetectorError("M1", "detector", f"{name!r} is not known", f"choose one of {known}")
    return _FACTORIES[name](**options)
