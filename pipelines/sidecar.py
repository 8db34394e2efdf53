"""The side-car: one JSON beside the result that says what was made from what, and how.

Paths are relative to the side-car, and neither user nor host is named, so that a folder can
travel. Whoever has the inputs can make the same frames again from it.
"""

import hashlib
import os
import platform
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from dtvideo import __version__
from dtvideo.files import sha256_file
from dtvideo.models.sources import find_model
from pipelines.character_job import FILE_PAIRS
from pipelines.detectors import detector_files
from pipelines.generate_job import GenerateJob
from pipelines.job import RenderJob
from pipelines.plain_settings import DETECTORS
from pipelines.recipe import INPUT_PATHS, MODEL_NAMES, SECRETS, recipe_details, recipe_hash
from poses.detectors import split_detector

SCHEMA = "dtvideo-sidecar"
SCHEMA_VERSION = 1
RECORDED_PACKAGES = (
    "torch",
    "diffusers",
    "transformers",
    "numpy",
    "scipy",
    "av",
    "pillow",
    "mediapipe",
    "controlnet-aux",
)
DIGITAL_SOURCE_TYPES = {
    "reference": "trainedAlgorithmicMedia",
    "driver": "compositeWithTrainedAlgorithmicMedia",
}
ON_DISK = ("folder", "file")
IPTC = "http://cv.iptc.org/newscodes/digitalsourcetype/"


Job = RenderJob | GenerateJob


@dataclass
class Sidecar:
    """What is known of a render so far; written once, when the result is there."""

    job: Job
    inputs: list[dict[str, object]] = field(default_factory=list)
    model: dict[str, object] = field(default_factory=dict)
    settings: dict[str, object] = field(default_factory=dict)
    reference: dict[str, object] = field(default_factory=dict)
    driver: dict[str, object] = field(default_factory=dict)
    delivery: dict[str, object] = field(default_factory=dict)
    quality: dict[str, object] = field(default_factory=dict)
    frame_hashes: list[str] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    timings: dict[str, float] = field(default_factory=dict)

    def add_input(self, role: str, path: Path, **facts: object) -> None:
        """Record an input file, or every file of an input folder, by its hash."""
        beside = self.job.beside(".json").parent
        name = os.path.relpath(path, beside)
        self.inputs.append({"role": role, "path": name, **fingerprint(path), **facts})

    def add_detectors(self) -> None:
        """Record the weight files of the pose back ends that the job names, by their hashes.

        Raises: DetectorError M1 when one is missing.
        """
        for role, name in self.job.detectors.items():
            for path in detector_files(name):
                self.add_input(f"{role} {path.name}", path)

    def add_frame(self, image: UInt8[np.ndarray, "h w c"]) -> None:
        """Record the hash of a frame's raw bytes."""
        self.frame_hashes.append(hashlib.sha256(image.tobytes()).hexdigest())

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Record how long a block takes that ends well."""
        start = time.monotonic()
        yield
        self.timings[name] = time.monotonic() - start

    @property
    def recipe(self) -> dict[str, object]:
        """The job as it was given, paths relative to the side-car, and as it was resolved."""
        beside = self.job.beside(".json").parent
        return {"job": _portable(self.job, beside), "resolved": self.settings}

    @property
    def recipe_hash(self) -> str:
        """One hash over settings, contents of the inputs and model: equal means equal frames.

        It is known once inputs, model and settings are.
        """
        return recipe_hash(self.recipe, self.inputs, self.model)

    @property
    def recipe_details(self) -> dict[str, object]:
        """What that hash is of, so that a change can be told by its name."""
        return recipe_details(self.recipe, self.inputs, self.model)

    def document(self, outputs: Iterable[Path]) -> dict[str, object]:
        """Return the whole document as plain values."""
        beside = self.job.beside(".json").parent
        return {
            "schema": SCHEMA,
            "schema_version": SCHEMA_VERSION,
            "dtvideo_version": __version__,
            "status": "done",
            "digital_source_type": digital_source_type(self.job),
            "inputs": self.inputs,
            "model": self.model,
            "recipe": self.recipe,
            "recipe_hash": self.recipe_hash,
            "reference": self.reference,
            "driver": self.driver,
            "outputs": [
                {"path": os.path.relpath(path, beside), **fingerprint(path)} for path in outputs
            ],
            "frames": {"count": len(self.frame_hashes), "sha256_of_rgb": self.frame_hashes},
            "delivery": self.delivery,
            "quality": self.quality,
            "environment": environment(),
            "timings_seconds": {name: round(value, 3) for name, value in self.timings.items()},
            "warnings": self.notices,
        }


def fingerprint(path: Path) -> dict[str, object]:
    """Return bytes and SHA-256 of a file; of a folder, those of its sorted files together."""
    if path.is_file():
        return {"bytes": path.stat().st_size, "sha256": sha256_file(path)}
    files = sorted(file for file in path.iterdir() if file.is_file())
    digest = hashlib.sha256()
    for file in files:
        digest.update(os.fsencode(file.name) + f"\0{sha256_file(file)}\n".encode())
    size = sum(file.stat().st_size for file in files)
    return {"files": len(files), "bytes": size, "sha256": digest.hexdigest()}


def digital_source_type(job: Job) -> str:
    """Return the IPTC term: a composite when the driver's own picture is in the result."""
    shows_driver = isinstance(job, RenderJob) and job.background == "driver"
    kind = "driver" if shows_driver else "reference"
    return IPTC + DIGITAL_SOURCE_TYPES[kind]


def environment() -> dict[str, object]:
    """Return versions, platform and the thread counts that the last bits depend on."""
    import torch

    return {
        "python": platform.python_version(),
        "system": platform.platform(terse=True),
        "machine": platform.machine(),
        "threads": torch.get_num_threads(),
        "accelerator": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "packages": {name: found for name in RECORDED_PACKAGES if (found := _version(name))},
    }


def set_threads(count: int) -> None:
    """Let PyTorch use this many processor threads, in the whole process."""
    import torch

    torch.set_num_threads(count)


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _portable(job: Job, beside: Path) -> dict[str, object]:
    """Return the settings of a job; paths are relative to a folder, and names stay names."""
    relative = {
        name: os.path.relpath(value, beside)
        for name in (*INPUT_PATHS, "output")
        if (value := getattr(job, name, None))
    }
    told = {name: value for name, value in job.settings().items() if name not in SECRETS}
    for name in MODEL_NAMES:
        value = getattr(job, name, None)
        if value and Path(value).expanduser().exists() and find_model(value).kind in ON_DISK:
            relative[name] = dotted(Path(value), beside)
    if job.matte and Path(job.matte).is_file():
        relative["matte"] = dotted(Path(job.matte), beside)
    for name in DETECTORS:
        kind, folder = split_detector(getattr(job, name, None) or "")
        if folder:
            relative[name] = f"{kind}:{dotted(Path(folder), beside)}"
    pairs = {
        name: [[dotted(Path(file), beside), value] for file, value in getattr(job, name)]
        for name in FILE_PAIRS
    }
    return {**told, **relative, **pairs}


def dotted(path: Path, beside: Path) -> str:
    """Return a path relative to a folder, beginning with a dot, so that it is no name."""
    relative = os.path.relpath(path.expanduser(), beside)
    return relative if relative.startswith(os.pardir) else os.path.join(os.curdir, relative)
