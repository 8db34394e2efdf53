"""A cache on disk of the poses found in a video, by the content of the video.

It lies in $DTVIDEO_CACHE, else in $XDG_CACHE_HOME/dtvideo, else in ~/.cache/dtvideo, and may be
removed at any time.
"""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from fractions import Fraction
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from dtvideo.errors import OutputError, ResourceError
from dtvideo.files import atomic_path, sha256_file
from dtvideo.lease import hold_lease
from dtvideo.video import VideoInfo
from pipelines.detectors import detector_files
from pipelines.progress import Progress
from poses.detections import Detections
from poses.detectors import split_detector
from poses.types import FACE_JOINTS, HAND_JOINTS, Pose, missing_joints, parts_of

CACHE_VERSION = 2
"""Counted up when extraction changes what it finds."""
PACKAGES = {"mediapipe": "mediapipe", "openpose": "controlnet-aux", "dwpose": "rtmlib"}
PARTS = {"body": 18, "left_hand": HAND_JOINTS, "right_hand": HAND_JOINTS, "face": FACE_JOINTS}


@dataclass(frozen=True, kw_only=True)
class Search:
    """What was looked for: everything that the people found depend on."""

    info: VideoInfo
    detector: str
    frames: slice
    everyone: bool
    options: Mapping[str, Any]

    @property
    def path(self) -> Path | None:
        """Where the cache keeps the answer; None for a detector whose version is not known."""
        kind, _ = split_detector(self.detector)
        try:
            detector = f"{kind} {version(PACKAGES[kind])}"
        except (KeyError, PackageNotFoundError):
            return None
        described = {
            "version": CACHE_VERSION,
            "video": sha256_file(self.info.path),
            "rate": str(self.info.rate),
            "frames": [self.frames.start, self.frames.stop],
            "detector": detector,
            "options": dict(self.options),
            "everyone": self.everyone,
        }
        if files := detector_files(self.detector):
            described["weights"] = [sha256_file(path) for path in files]
        digest = hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()
        return cache_folder() / "poses" / f"{digest}.npz"


def cache_folder() -> Path:
    """Return the folder of this program's caches; it need not exist."""
    own, shared = os.environ.get("DTVIDEO_CACHE"), os.environ.get("XDG_CACHE_HOME")
    if own:
        return Path(own)
    return (Path(shared) if shared else Path.home() / ".cache") / "dtvideo"


@dataclass(frozen=True)
class Nobody:
    """That nobody was found, and how it was told."""

    problem: str
    remedy: str


def recall(path: Path) -> Detections | Nobody | None:
    """Return what was kept, to the bit; None when there is nothing, or nothing readable.

    A damaged file is removed.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as kept:
            return _unpacked({name: kept[name] for name in kept.files})
    except OSError:  # none, or none that can be read at present
        return None
    except Exception:  # zip, zlib, NumPy and JSON each tell of damage in their own ways
        with suppress(OSError):
            path.unlink()
        return None


def keep(path: Path, found: Detections | Nobody) -> None:
    """Keep what was found; a cache that cannot be written is done without."""
    packed = _about(asdict(found)) if isinstance(found, Nobody) else _packed(found)
    with suppress(ResourceError, OSError), atomic_path(path) as temporary:
        with temporary.open("wb") as file:
            np.savez_compressed(file, **packed)


@contextmanager
def making(path: Path, progress: Progress) -> Iterator[None]:
    """Make what goes into the cache at a path alone; whoever wants the same waits meanwhile.

    A cache that knows no locks, or cannot be written, is done without.
    """
    lock = path.with_suffix(".lock")
    with ExitStack() as stack:
        with suppress(ResourceError, OSError):
            try:
                stack.enter_context(hold_lease(lock))
            except OutputError:
                with progress.stage("wait for the same search", None) as advance:
                    stack.enter_context(hold_lease(lock, waiting=advance))
        yield


def _packed(found: Detections) -> dict[str, Any]:
    people = [pose for frame in found.people for pose in frame]
    about = {
        "size": found.size,
        "rate": str(found.rate),
        "detector": found.detector,
        "licence": found.licence,
        "device": found.device,
        "cuts": found.cuts,
    }
    packed = {**_about(about), "counts": np.array(found.counts, np.int64)}
    for name, joints in PARTS.items():
        parts = [parts_of(pose).get(name) for pose in people]
        packed[f"has_{name}"] = np.array([part is not None for part in parts], bool)
        given = [missing_joints(joints) if part is None else part for part in parts]
        packed[name] = np.array(given, np.float64).reshape(-1, joints, 3)
    return packed


def _about(told: Mapping[str, Any]) -> dict[str, Any]:
    return {"about": np.array(json.dumps(told))}


def _unpacked(packed: dict[str, np.ndarray]) -> Detections | Nobody:
    about = json.loads(str(packed["about"]))
    if "counts" not in packed:
        return Nobody(**about)
    size = (int(about["size"][0]), int(about["size"][1]))
    poses = iter(
        [
            Pose(size=size, **{name: packed[name][k] for name in PARTS if packed[f"has_{name}"][k]})
            for k in range(int(packed["counts"].sum()))
        ]
    )
    return Detections(
        people=tuple(tuple(next(poses) for _ in range(count)) for count in packed["counts"]),
        size=size,
        rate=Fraction(about["rate"]),
        detector=about["detector"],
        licence=about["licence"],
        device=about["device"],
        cuts=tuple(about["cuts"]),
    )
