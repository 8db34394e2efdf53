"""DWPose by way of rtmlib: whole bodies from two ONNX files on disk."""

import os
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from poses.errors import DetectorError
from poses.formats.layouts import pose_from_whole_body
from poses.requirement import require
from poses.types import Pose

PERSON = 0  # among the kinds of things that a YOLOX of COCO tells apart
BOX_AND_SCORE = 5  # numbers that a model gives for a box when it tells no kinds apart


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
        runtime, package = (
            require(name, subject="dwpose", install="'dtvideo[dwpose]'", error=DetectorError)
            for name in ("onnxruntime", "rtmlib")
        )
        if device == "cuda" and "CUDAExecutionProvider" not in runtime.get_available_providers():
            raise DetectorError(
                "M10",
                "dwpose",
                f"onnxruntime offers {runtime.get_available_providers()}, no CUDA",
                "install onnxruntime-gpu, or use the cpu",
            )
        self.name = "dwpose (rtmlib)"
        self.device = device
        self._people = _load(package.YOLOX, person_model, person_input_size, device)
        self._poses = _load(package.RTMPose, pose_model, pose_input_size, device)
        told = self._people.session.get_outputs()[0].shape[-1]
        self._people.det_mode = "human" if told == BOX_AND_SCORE else "multiclass"

    def detect(self, image: UInt8[np.ndarray, "h w 3"]) -> list[Pose]:
        """Return everyone found in an RGB picture."""
        seen = np.ascontiguousarray(image[:, :, ::-1])
        boxes = self._boxes(seen)
        if not len(boxes):
            return []  # without a box, rtmlib would take the whole picture for a person
        places, scores = self._poses(seen, bboxes=boxes)
        joints = np.concatenate([places, np.clip(scores, 0, 1)[..., None]], axis=-1).astype(float)
        size = (image.shape[1], image.shape[0])
        return [pose_from_whole_body(person, size=size) for person in joints]

    def _boxes(self, image: UInt8[np.ndarray, "h w 3"]) -> np.ndarray:
        """Return left, top, right and bottom of each person in a BGR picture."""
        found = self._people(image)
        if self._people.det_mode == "human":
            return np.asarray(found)
        boxes, kinds = found
        return np.asarray(boxes[kinds == PERSON])


def _load(kind: Any, path: str | os.PathLike[str], size: tuple[int, int], device: str) -> Any:
    """Return one of rtmlib's models, which tell standard output that they are there."""
    try:
        with redirect_stdout(StringIO()):
            return kind(
                os.fspath(path), model_input_size=size, backend="onnxruntime", device=device
            )
    except Exception as error:  # onnxruntime raises its own
        reason = " ".join(str(error).split())[:200]
        raise DetectorError("M2", path, f"cannot be loaded ({reason})", "fetch it again") from error


def _check_file(path: str | os.PathLike[str], option: str) -> None:
    if not Path(path).is_file():
        raise DetectorError(
            "M1", path, f"{option} is not a file", "give the path of an ONNX file on this machine"
        )
