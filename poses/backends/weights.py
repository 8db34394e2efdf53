"""The weight files that some detectors run on: in a folder that is named, or in the hub's cache.

The network is never asked.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from poses.errors import DetectorError


@dataclass(frozen=True)
class WeightSet:
    """Where the files of a detector are offered, and how they are called."""

    hub_id: str
    files: tuple[str, ...]


WEIGHTS: Mapping[str, WeightSet] = MappingProxyType(
    {
        "dwpose": WeightSet("yzd-v/DWPose", ("yolox_l.onnx", "dw-ll_ucoco_384.onnx")),
        "openpose": WeightSet(
            "lllyasviel/Annotators", ("body_pose_model.pth", "hand_pose_model.pth", "facenet.pth")
        ),
    }
)


def find_weights(detector: str, folder: str | os.PathLike[str] | None = None) -> tuple[Path, ...]:
    """Return the files of a detector in the order of `WEIGHTS`: in a folder, else as fetched.

    Raises: DetectorError M1 naming what is missing and how to get it.
    """
    needed = WEIGHTS[detector]
    if folder is None:
        return _cached(detector, needed)
    paths = tuple(Path(folder).expanduser() / name for name in needed.files)
    missing = [path.name for path in paths if not path.is_file()]
    if missing:
        remedy = f"fetch them from {needed.hub_id} on the hub"
        raise DetectorError("M1", folder, f"lacks {', '.join(missing)}", remedy)
    return paths


def _cached(detector: str, needed: WeightSet) -> tuple[Path, ...]:
    """Return files that were fetched from the hub before."""
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.constants import HF_HUB_CACHE

    cache = os.environ.get("HF_HUB_CACHE", HF_HUB_CACHE)
    found = [try_to_load_from_cache(needed.hub_id, name, cache_dir=cache) for name in needed.files]
    paths = tuple(Path(path) for path in found if isinstance(path, str))
    if len(paths) < len(found):
        raise DetectorError(
            "M1",
            detector,
            f"its weights are not in the hub's cache ({cache}); they were not looked for on the "
            "network",
            f"fetch them once with: hf download {needed.hub_id} {' '.join(needed.files)}; "
            f"or name their folder: {detector}:FOLDER",
        )
    return paths
