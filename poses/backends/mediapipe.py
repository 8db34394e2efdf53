"""MediaPipe's BlazePose: the detector for people that works offline out of the box.

It follows one person. Its 33 landmarks become body-18; the neck is the middle of the shoulders.
"""

from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from poses.backends.quiet import SharedIgnore, quiet
from poses.errors import DetectorError
from poses.requirement import require
from poses.types import FACE_JOINTS, Joints, Pose, missing_joints

# Body-18 order, the neck apart: which of the 33 landmarks each joint is.
_LANDMARKS = {
    0: 0, 2: 12, 3: 14, 4: 16, 5: 11, 6: 13, 7: 15, 8: 24, 9: 26, 10: 28,
    11: 23, 12: 25, 13: 27, 14: 5, 15: 2, 16: 8, 17: 7,
}  # fmt: skip
_NECK, _RIGHT_SHOULDER, _LEFT_SHOULDER = 1, 2, 5

# The 68 points of the face convention among the 468 of the face mesh, jaw to inner lips.
_FACE_MESH = (
    162, 234, 93, 58, 172, 136, 149, 148, 152, 377, 378, 365, 397, 288, 323, 454, 389,
    71, 63, 105, 66, 107, 336, 296, 334, 293, 301, 168, 197, 5, 4, 75, 97, 2, 326, 305,
    33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380,
    61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181, 78, 82, 13, 312, 308, 317, 14, 87,
)  # fmt: skip
_EYES = (slice(36, 42), slice(42, 48))
_OLD_PROTOBUF = SharedIgnore("SymbolDatabase")
_NOTHING = np.zeros((64, 64, 3), np.uint8)
_COMPLEXITIES = {0: "lite", 1: "full", 2: "heavy"}


class MediapipeDetector:
    """Finds one person in a picture.

    still: look at each picture afresh, so that results depend on nothing that came before;
    otherwise each picture is taken for the next frame of one video, a little faster.
    holistic: also find hands and face, about three times slower.
    complexity: 1 is in the package; 0 and 2 need their model file installed beside it.
    Raises: DetectorError M1 when the package or the model file is missing.
    """

    licence = "Apache-2.0"
    device = "cpu"

    def __init__(
        self,
        *,
        still: bool = True,
        holistic: bool = False,
        complexity: int = 1,
        min_confidence: float = 0.5,
    ) -> None:
        with quiet():
            package = require(
                "mediapipe",
                subject="mediapipe",
                install="mediapipe==0.10.14",
                error=DetectorError,
            )
        if not hasattr(package, "solutions"):
            raise DetectorError(
                "M1",
                "mediapipe",
                f"version {version('mediapipe')} no longer has the pose solution",
                "run: pip install mediapipe==0.10.14",
            )
        _check_model(package, complexity)
        solution = package.solutions.holistic.Holistic if holistic else package.solutions.pose.Pose
        self.name = f"mediapipe {version('mediapipe')}" + (" holistic" if holistic else "")
        with quiet():
            self._solution = solution(
                static_image_mode=still,
                model_complexity=complexity,
                smooth_landmarks=False,
                min_detection_confidence=min_confidence,
            )
            self._solution.process(_NOTHING)  # its threads have told of their start when it ends
        self.finds_one = still

    def detect(self, image: UInt8[np.ndarray, "h w 3"]) -> list[Pose]:
        """Return the person found in an RGB picture, or an empty list."""
        found = self._process(np.ascontiguousarray(image))
        if found.pose_landmarks is None:
            return []
        size = (image.shape[1], image.shape[0])
        parts = {
            name: joints
            for name in ("left_hand", "right_hand", "face")
            if (joints := _part(getattr(found, f"{name}_landmarks", None), name, size)) is not None
        }
        return [Pose(body=_body(_array(found.pose_landmarks, size)), size=size, **parts)]

    def _process(self, image: UInt8[np.ndarray, "h w 3"]) -> Any:
        """Run the solution; it warns at every call."""
        with _OLD_PROTOBUF:
            return self._solution.process(image)


def _check_model(package: Any, complexity: int) -> None:
    if complexity not in _COMPLEXITIES:
        raise DetectorError("M11", "complexity", f"{complexity} is not 0, 1 or 2", "use 1")
    name = f"pose_landmark_{_COMPLEXITIES[complexity]}.tflite"
    model = Path(package.__file__).parent / "modules" / "pose_landmark" / name
    if not model.is_file():
        raise DetectorError(
            "M1",
            model,
            f"complexity {complexity} needs this file",
            "put the file there, or use complexity 1",
        )


def _array(landmarks: Any, size: tuple[int, int]) -> Joints:
    """Return landmarks as x, y in pixels and visibility."""
    width, height = size
    return np.array(
        [(mark.x * width, mark.y * height, mark.visibility) for mark in landmarks.landmark]
    )


def _body(marks: Joints) -> Joints:
    body = missing_joints(18)
    body[list(_LANDMARKS)] = marks[list(_LANDMARKS.values())]
    shoulders = body[[_RIGHT_SHOULDER, _LEFT_SHOULDER]]
    body[_NECK] = (*shoulders[:, :2].mean(axis=0), shoulders[:, 2].min())
    return body


def _part(landmarks: Any, name: str, size: tuple[int, int]) -> Joints | None:
    """Return a hand (21) or face (70); these carry no visibility, so found means confident."""
    if landmarks is None:
        return None
    marks = _array(landmarks, size)
    marks[:, 2] = 1.0
    if name != "face":
        return marks
    face = missing_joints(FACE_JOINTS)
    face[: len(_FACE_MESH)] = marks[list(_FACE_MESH)]
    for pupil, eye in enumerate(_EYES, start=len(_FACE_MESH)):
        face[pupil] = face[eye].mean(axis=0)
    return face
