"""OpenPose by way of controlnet-aux: the detector that pose ControlNets were trained behind.

The code and the weights are licensed by CMU for non-commercial use only.
"""

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from poses.backends.requirement import require
from poses.errors import DetectorError
from poses.types import Joints, Pose, missing_joints

WEIGHTS = ("body_pose_model.pth", "hand_pose_model.pth", "facenet.pth")
HUB_WEIGHTS = "lllyasviel/Annotators"


class OpenposeDetector:
    """Finds everyone in a picture, without confidences: a joint found counts as certain.

    weights: a folder with body_pose_model.pth, hand_pose_model.pth and facenet.pth, or a hub id;
    hands and face: look for these too.
    Raises: DetectorError M1 when the package or a file is missing, M3 for files that are no
    plain weights.
    """

    licence = "CMU OpenPose, non-commercial use only"

    def __init__(
        self,
        *,
        weights: str | os.PathLike[str] = HUB_WEIGHTS,
        device: str = "cpu",
        hands: bool = True,
        face: bool = True,
    ) -> None:
        package = require("controlnet_aux.open_pose", detector="openpose", install="controlnet-aux")
        self.name = "openpose (controlnet-aux)"
        self.device = device
        self._hands = hands
        self._face = face
        self._model = _load(package, weights).to(device)

    def detect(self, image: UInt8[np.ndarray, "h w 3"]) -> list[Pose]:
        """Return everyone found in an RGB picture."""
        found = self._model.detect_poses(image, include_hand=self._hands, include_face=self._face)
        return [_pose(person, (image.shape[1], image.shape[0])) for person in found]


def _load(package: Any, weights: str | os.PathLike[str]) -> Any:
    if os.environ.get("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "0") not in ("", "0"):
        raise DetectorError(
            "M3", weights, "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD allows files to run code", "unset it"
        )
    if os.path.isdir(weights):
        _check_folder(Path(weights))
    try:
        return package.OpenposeDetector.from_pretrained(os.fspath(weights))
    except pickle.UnpicklingError as error:
        raise DetectorError("M3", weights, "holds more than weights", "get the files anew") from (
            error
        )
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise DetectorError(
            "M1",
            weights,
            f"cannot be loaded ({reason})",
            f"give a folder with {', '.join(WEIGHTS)}",
        ) from error


def _check_folder(folder: Path) -> None:
    missing = [name for name in WEIGHTS if not (folder / name).is_file()]
    if missing:
        raise DetectorError(
            "M1", folder, f"lacks {', '.join(missing)}", f"fetch them from {HUB_WEIGHTS} on the hub"
        )


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
