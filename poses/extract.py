"""Find people in the frames of a clip with whichever detector is at hand.

A detector is anything with the four members of `PoseDetector`. The built-in ones live in
`poses.backends` and are imported when they are created; others are added by name with
`register_detector`.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import UInt8

from poses.errors import DetectorError, PoseError
from poses.frames import in_words
from poses.types import Joints, Pose, missing_joints, parts_of

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


@dataclass(frozen=True, eq=False)
class Detections:
    """Everyone found in a clip: people[k] belongs to frame k.

    size (width, height) in pixels; rate in frames per second; detector, licence and device
    say what found them and where it ran.
    """

    people: tuple[tuple[Pose, ...], ...]
    size: tuple[int, int]
    rate: Fraction = Fraction(25)
    detector: str = ""
    licence: str = ""
    device: str = ""

    def __len__(self) -> int:
        return len(self.people)

    @property
    def counts(self) -> tuple[int, ...]:
        """How many people were found in each frame."""
        return tuple(len(found) for found in self.people)

    @property
    def empty_frames(self) -> tuple[int, ...]:
        """The frames in which nobody was found."""
        return tuple(frame for frame, count in enumerate(self.counts) if count == 0)

    def describe(self) -> str:
        """Say in one line what ran, on what device, under which licence, and what it found."""
        empty = self.empty_frames
        found = f"people in {len(self) - len(empty)} of {len(self)} frames"
        most = f", up to {max(self.counts)} at once" if max(self.counts, default=0) > 1 else ""
        gaps = f", nobody in frames {in_words(empty)}" if empty else ""
        return f"{self.detector} on {self.device} ({self.licence}): {found}{most}{gaps}"


def extract_poses(
    frames: Iterable[Picture],
    detector: PoseDetector,
    *,
    rate: Fraction = Fraction(25),
    subject: str = "video",
) -> Detections:
    """Run a detector over frames, one at a time, and keep what it finds.

    Joints that are not finite, lie outside the frame or at (0, 0) become missing.
    `subject` names the clip in error messages.
    Raises: PoseError V5 without frames, V13 when the size changes, P1 when nobody is found.
    """
    people: list[tuple[Pose, ...]] = []
    size: tuple[int, int] | None = None
    for frame in frames:
        here = (frame.shape[1], frame.shape[0])
        if size is not None and here != size:
            raise PoseError(
                "V13", subject, f"frame {len(people)} is {here}, those before it {size}", "use one"
            )
        size = here
        found = (_without_impossible(pose) for pose in detector.detect(frame))
        people.append(tuple(pose for pose in found if pose.body[:, 2].any()))
    if size is None:
        raise PoseError("V5", subject, "has 0 frames to find a person in", "give another clip")
    if not any(people):
        raise PoseError(
            "P1",
            subject,
            f"no person found in any of {len(people)} frames (0-{len(people) - 1}) "
            f"by {detector.name} on {detector.device}",
            "use a clip that shows a whole person, another detector, or key points from a file",
        )
    return Detections(
        people=tuple(people),
        size=size,
        rate=rate,
        detector=detector.name,
        licence=detector.licence,
        device=detector.device,
    )


def _without_impossible(pose: Pose) -> Pose:
    width, height = pose.size
    parts = {
        name: _within(part, width=width, height=height) for name, part in parts_of(pose).items()
    }
    return Pose(size=pose.size, **parts)


def _within(joints: Joints, *, width: int, height: int) -> Joints:
    x, y, confidence = joints.T
    real = np.isfinite(joints).all(axis=1) & (confidence > 0) & ((x != 0) | (y != 0))
    inside = (x >= 0) & (y >= 0) & (x <= width) & (y <= height)
    return np.where((real & inside)[:, None], joints, missing_joints(len(joints)))


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
