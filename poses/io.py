"""Read and write key points on disk: OpenPose, COCO, COCO-WholeBody and our clip file.

Captured motion (BVH) is read as a camera sees it.

What a path holds is found out from its content, never from its name.
"""

import os
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from poses.detections import Detections
from poses.errors import PoseError
from poses.formats import bvh, clip, coco, openpose
from poses.formats.safe_json import MAX_FRAMES, listing, read_json, refusal, write_json
from poses.projection import Camera, project
from poses.select import select_person
from poses.types import Pose, PoseSequence, missing_joints

PathLike = str | os.PathLike[str]
USUAL_RATE = Fraction(25)
"""Frames per second of files that tell none."""


def read_poses(
    path: PathLike,
    *,
    size: tuple[int, int] | None = None,
    rate: Fraction | None = None,
    camera: Camera | None = None,
) -> PoseSequence:
    """Read one person through a clip: a folder of OpenPose JSON, or one file of any format.

    size (width, height): the canvas, for files that do not state it; rate: frames per second,
    instead of the file's own, or of 25 where it has none. Where several people are, one is
    chosen for the whole clip. A frame without people is a pose that is all missing.
    A BVH file is seen by `camera` (from the front when absent), and taken at `rate`.
    Raises: PoseError V1, P6, or P1 when nobody is in any frame.
    """
    if bvh.is_bvh(Path(path)):
        return _captured(Path(path), size=size, rate=rate, camera=camera)
    data = _data(Path(path))
    if data is not None and clip.is_clip(data):
        sequence = clip.parse_clip(data, Path(path))
        _check_someone(Path(path), [pose.body[:, 2].any() for pose in sequence])
        return sequence if rate is None else replace(sequence, rate=rate)
    detections = _detections(Path(path), data, size=size, rate=rate)
    if max(detections.counts) > 1:
        return select_person(detections).sequence
    nobody = Pose(body=missing_joints(18), size=detections.size)
    poses = [found[0] if found else nobody for found in detections.people]
    return PoseSequence.from_poses(poses, rate=detections.rate)


def read_detections(
    path: PathLike, *, size: tuple[int, int] | None = None, rate: Fraction | None = None
) -> Detections:
    """Read everyone in every frame; arguments and errors are those of `read_poses`."""
    if bvh.is_bvh(Path(path)):
        sequence = _captured(Path(path), size=size, rate=rate, camera=None)
        return _as_detections([(pose,) for pose in sequence], sequence.size, sequence.rate)
    return _detections(Path(path), _data(Path(path)), size=size, rate=rate)


def tells_rate(path: PathLike) -> bool:
    """Tell whether key points say how many frames a second has; others count as `USUAL_RATE`."""
    return bvh.is_bvh(Path(path)) or clip.is_clip(_data(Path(path)))


def read_pose(path: PathLike, *, size: tuple[int, int] | None = None) -> Pose:
    """Read the pose of one picture: of several people the largest, of a clip the first frame.

    Raises: PoseError V1, P6, or P1 when nobody is in it.
    """
    if Path(path).is_dir():
        raise PoseError("V1", path, "is a folder", "give the one JSON file of the picture")
    people = read_detections(path, size=size).people[0]
    if not people:
        raise PoseError("P1", path, "has no person in its first frame", "give another file")
    return max(people, key=_diagonal)


def write_openpose(sequence: PoseSequence, folder: PathLike, *, name: str = "pose") -> None:
    """Write one `NAME_000000000000_keypoints.json` for each frame into a new folder.

    The folder appears whole or not at all.
    Raises: PoseError F7 when it exists and is not empty, F3 when it cannot be written.
    """
    target = Path(folder)
    if target.exists() and not (target.is_dir() and not any(target.iterdir())):
        raise PoseError("F7", target, "exists and is not an empty folder", "choose another")
    try:
        with tempfile.TemporaryDirectory(prefix=f".{target.name[:40]}.", dir=target.parent) as room:
            made = Path(room) / "poses"
            made.mkdir()
            for frame, pose in enumerate(sequence):
                path = made / f"{name}_{frame:012d}_keypoints.json"
                write_json(path, openpose.frame_data(pose))
            os.replace(made, target)
    except OSError as error:
        raise PoseError("F3", target, f"cannot be written ({error.strerror})") from error


def write_clip(sequence: PoseSequence, path: PathLike) -> None:
    """Write a clip file; reading it returns the same poses to the bit."""
    write_json(Path(path), clip.clip_data(sequence))


def write_coco(sequence: PoseSequence, path: PathLike, *, whole_body: bool = False) -> None:
    """Write a COCO data set of 17 joints, or of WholeBody's 133, one image for each frame."""
    write_json(Path(path), coco.coco_data(sequence, whole_body=whole_body))


def _data(path: Path) -> Any:
    """Return the parsed file, or None for a folder."""
    return None if path.is_dir() else read_json(path)


def _detections(
    path: Path, data: Any, *, size: tuple[int, int] | None, rate: Fraction | None
) -> Detections:
    if clip.is_clip(data):
        sequence = clip.parse_clip(data, path)
        found: Sequence[Sequence[Pose]] = [[pose] for pose in sequence]
        canvas, own_rate = sequence.size, sequence.rate
    else:
        found, canvas = _people(path, data, size=size)
        own_rate = USUAL_RATE
    people = [tuple(pose for pose in frame if pose.body[:, 2].any()) for frame in found]
    _check_someone(path, [bool(frame) for frame in people])
    return _as_detections(people, canvas, own_rate if rate is None else rate)


def _as_detections(
    people: Sequence[tuple[Pose, ...]], size: tuple[int, int], rate: Fraction
) -> Detections:
    return Detections(
        people=tuple(people),
        size=size,
        rate=rate,
        detector="file",
        licence="the file's own",
        device="disk",
    )


def _captured(
    path: Path,
    *,
    size: tuple[int, int] | None,
    rate: Fraction | None,
    camera: Camera | None,
) -> PoseSequence:
    """Read a BVH file as a camera sees it; a size that is given counts for the usual camera."""
    seen_by = camera or (Camera() if size is None else Camera(size=size))
    return project(bvh.read_bvh(path), seen_by, rate=rate)


def _people(
    path: Path, data: Any, *, size: tuple[int, int] | None
) -> tuple[list[list[Pose]], tuple[int, int]]:
    if data is None:
        return openpose.read_folder(path, size=size)
    if coco.is_coco(data):
        return coco.parse_coco(data, path, size=size)
    rows = listing(data, path, "the file", most=MAX_FRAMES) if isinstance(data, list) else [data]
    if not rows:
        raise refusal(path, "holds 0 frames")
    return openpose.to_poses([openpose.parse_frame(row, path) for row in rows], size=size)


def _check_someone(path: Path, found: Sequence[bool | np.bool_]) -> None:
    if not any(found):
        raise PoseError(
            "P1", path, f"has no person in any of its {len(found)} frames", "give another clip"
        )


def _diagonal(pose: Pose) -> float:
    """Return the diagonal of the box of a pose that has some joint."""
    return float(np.hypot(*np.ptp(pose.body[pose.body[:, 2] > 0, :2], axis=0)))
