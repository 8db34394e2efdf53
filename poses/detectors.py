"""What finds people in pictures: the protocol, and the detectors that are known by name.

A detector is anything with the four members of `PoseDetector`. The built-in ones live in
`poses.backends` and are imported when they are created; others are added by name with
`register_detector`. The name of one that needs weight files may tell their folder:
`dwpose:FOLDER`.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import UInt8

from poses.backends.weights import WEIGHTS, find_weights
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


def _dwpose(*, weights: str | None = None, **options: Any) -> PoseDetector:
    from poses.backends.dwpose import DwposeDetector

    if not options.keys() & {"person_model", "pose_model"}:
        person_model, pose_model = find_weights("dwpose", weights)
        options |= {"person_model": person_model, "pose_model": pose_model}
    return DwposeDetector(**options)


_FACTORIES: dict[str, DetectorFactory] = {
    "mediapipe": _mediapipe,
    "openpose": _openpose,
    "dwpose": _dwpose,
}


def detector_names() -> tuple[str, ...]:
    """Return the names that `create_detector` knows, without folders."""
    return tuple(sorted(_FACTORIES))


def register_detector(name: str, factory: DetectorFactory) -> None:
    """Make a detector available by name; a factory registered before is replaced."""
    _FACTORIES[name] = factory


def split_detector(name: str) -> tuple[str, str]:
    """Return a detector's name without the folder of its weights, and that folder or nothing."""
    kind, _, folder = name.partition(":")
    return kind, folder


def check_detector(name: str, *, subject: str = "detector") -> None:
    """Refuse a name that `create_detector` does not know, or one with a folder that needs none.

    subject: what the name was given for. Raises: DetectorError M1.
    """
    kind, folder = split_detector(name)
    if kind not in _FACTORIES or (kind != name and not (folder and kind in WEIGHTS)):
        takers = " and ".join(sorted(WEIGHTS))
        remedy = f"choose one of {', '.join(detector_names())}; {takers} take :FOLDER"
        raise DetectorError("M1", subject, f"{name!r} is not known", remedy)


def detector_files(name: str) -> tuple[Path, ...]:
    """Return the weight files that a detector of that name runs on, if it does not bring its own.

    Raises: DetectorError M1 when there is no such detector, or a file of it is missing.
    """
    check_detector(name)
    kind, folder = split_detector(name)
    return find_weights(kind, folder or None) if kind in WEIGHTS else ()


def create_detector(name: str, **options: Any) -> PoseDetector:
    """Build a detector by name; the options are those of its class.

    Raises: DetectorError when the name is unknown, its package missing or its weights absent.
    """
    check_detector(name)
    kind, folder = split_detector(name)
    return _FACTORIES[kind](**({"weights": folder} if folder else {}), **options)
