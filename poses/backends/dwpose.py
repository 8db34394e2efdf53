"""DWPose by way of rtmlib: whole bodies from two ONNX files on disk."""

import os
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from poses.backends.requirement import require
from poses.errors import DetectorError
from poses.formats.layouts import pose_from_whole_body
from poses.types import Pose


class DwposeDetector:
    """Finds everyone in a picture, with hands and face.

    person_model: an ONNX file of a person detector (YOLOX); pose_model: an ONNX file of a
    whole-body pose model of 133 joints (DWPose or RTMW). device: "cpu" or "cuda".
    Raises: DetectorError M1 when a file or a package is missing, or CUDA is asked for in vain.
    """

    licence = "Apache-2.0 code, the weights' own terms"

    def __init__(
        self,
        *,
        person_model: str | os.PathLike[str],
        pose_model: str | os.PathLike[str],
        device: str = "cpu",
        pose_input_size: tuple[int, int] = (288, 384),
        person_input_size: tuple[int, int] = (640, 640),
    ) -> None:
        _check_file(person_model, "person_model")
        _check_file(pose_model, "pose_model")
        runtime = require("onnxruntime", detector="dwpose", install="'dtvideo[dwpose]'")
        package = require("rtmlib", detector="dwpose", install="'dtvideo[dwpose]'")
        if device == "cuda" and "CUDAExecutionProvider" not in runtime.get_available_providers():
            raise DetectorError(
                "M10",
                "dwpose",
                f"onnxruntime offers {runtime.get_available_providers()}, no CUDA",
                "install onnxruntime-gpu, or use the cpu",
            )
        self.name = "dwpose (rtmlib)"
        self.device = device
        self._model = package.Wholebody(
            det=os.fspath(person_model),
            det_input_size=person_input_size,
            pose=os.fspath(pose_model),
            pose_input_size=pose_input_size,
            backend="onnxruntime",
            device=device,
        )

    def detect(self, image: UInt8[np.ndarray, "h w 3"]) -> list[Pose]:
        """Return everyone found in an RGB picture."""
        places, scores = self._model(np.ascontiguousarray(image[:, :, ::-1]))
        joints = np.concatenate([places, np.clip(scores, 0, 1)[..., None]], axis=-1).astype(float)
        size = (image.shape[1], image.shape[0])
        return [pose_from_whole_body(person, size=size) for person in joints]


def _check_file(path: str | os.PathLike[str], option: str) -> None:
    if not Path(path).is_file():
        raise DetectorError(
            "M1", path, f"{option} is not a file", "give the path of an ONNX file on this machine"
        )
