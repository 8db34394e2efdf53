"""OpenPose by way of controlnet-aux: the detector that pose ControlNets were trained behind.

The code and the weights are licensed by CMU for non-commercial use only.
"""

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from poses.backends.weights import find_weights
from poses.errors import DetectorError
from poses.requirement import require
from poses.types import Joints, Pose, missing_joints


class OpenposeDetector:
    """Finds everyone in a picture, without confidences: a joint found counts as certain.

    weights: a folder with body_pose_model.pth, hand_pose_model.pth and facenet.pth; those in the
    hub's local cache when absent. hands and face: look for these too.
    Raises: DetectorError M1 when the package or a file is missing, M3 for files that are no
    plain weights.
    """

    licence = "CMU OpenPose, non-commercial use only"

    def __init__(
        self,
        *,
        weights: str | os.PathLike[str] | None = None,
        device: str = "cpu",
        hands: bool = True,
        face: bool = True,
    ) -> None:
        folder = find_weights("openpose", weights)[0].parent
        package = require(
            "controlnet_aux.open_pose",
            subject="openpose",
            install="controlnet-aux",
            error=DetectorError,
        )
        self.name = "openpose (controlnet-aux)"
        self.device = device
        self._hands = hands
        self._face = face
        self._model = _load(package, folder).to(device)

    def detect(self, image: UInt8[np.ndarray, "h w 3"]) -> list[Pose]:
        """Return everyone found in an RGB picture."""
        found = self._model.detect_poses(image, include_hand=self._hands, include_face=self._face)
        return [_pose(person, (image.shape[1], image.shape[0])) for person in found]


def _load(package: Any, folder: Path) -> Any:
    if os.environ.get("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "0") not in ("", "0"):
        raise DetectorError(
            "M3", folder, "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD allows files to run code", "unset it"
        )
    try:
        return package.OpenposeDetector.from_pretrained(os.fspath(folder))
    except pickle.UnpicklingError as error:
        raise DetectorError(
            "M3", folder, "holds more than weights", "download the files again"
        ) from (error)
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        problem = f"cannot be loaded ({reason})"
        raise DetectorError("M1", folder, problem, "download the files again") from error


def _pose(person: Any, size: tuple[int, int]) -> Pose:
    parts = {
        name: _joints(points, size)
        for name in ("left_hand", "right_hand", "face")
        if (points := getattr(person, name)) is not None
    }
    return Pose(body=_joints(person.body.keypoints, size), size=size, **parts)


def _joints(points: Any, size: tuple[int, int]) -> Joints:
    """Return points, which are in units of the picture, in pixels; None and negative is missing."""
    joints = missing_joints(len(points))
    for joint, point in enumerate(points):
        if point is not None and point.x >= 0 and point.y >= 0:
            joints[joint] = (point.x * size[0], point.y * size[1], 1.0)
    return joints
