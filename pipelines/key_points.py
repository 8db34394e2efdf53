"""Key points on their own: find them in a video, draw them, change their format."""

import os
import tempfile
from collections.abc import Callable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

from dtvideo.errors import OutputError, UsageError
from dtvideo.files import check_not_input, check_output, explained_write
from dtvideo.frame_names import frame_path, is_sequence
from dtvideo.video import VideoLimits, open_writer, probe
from pipelines.character_job import check_range
from pipelines.detectors import check_detector, detector_files
from pipelines.motion import chosen_motion, find_people_in, untold_rate
from pipelines.progress import Progress
from poses.errors import PoseError
from poses.formats.bvh import is_bvh
from poses.io import read_poses, write_clip, write_coco, write_openpose
from poses.projection import Camera
from poses.render import draw_pose
from poses.select import PersonChoice, check_place
from poses.types import PoseSequence

MOST_WORKERS = 64
OPENPOSE_FILES = "*_keypoints.json"


def extract_file(
    source: Path,
    output: Path,
    *,
    detector: str,
    person: PersonChoice,
    workers: int = 1,
    limits: VideoLimits | None = None,
    cache: bool,
    overwrite: bool,
    progress: Progress,
) -> Path:
    """Find one person in every frame of a video and write a clip file; return its path.

    workers: how many processes look at once; limits: how much of a video is taken on.
    Raises: UsageError M11, MediaError V1-V17, PoseError P1 and P3, DetectorError
    M1, OutputError F7.
    """
    check_range("--workers", workers, 1, MOST_WORKERS)
    check_detector(detector, subject="--detector")
    detector_files(detector)
    check_output(output, overwrite=overwrite, inputs=[source])
    info = probe(source, limits=limits)
    for notice in info.notices:
        progress.notice(notice)
    check_place(person, info.size, subject="--person")
    found = find_people_in(
        info,
        slice(0, info.frames),
        detector=detector,
        everyone=person != "largest",
        workers=workers,
        cache=cache,
        progress=progress,
    )
    motion = chosen_motion(found, person)
    for notice in motion.notices:
        progress.notice(notice)
    write_clip(motion.sequence, output)
    return output


def draw_file(
    source: Path, output: Path, *, size: tuple[int, int] | None, overwrite: bool, progress: Progress
) -> Path:
    """Draw key points in the OpenPose convention as a movie, a folder or a frame pattern."""
    sequence = read_poses(source)
    size = size or sequence.size
    check_frames(output, overwrite=overwrite, inputs=[source])
    if not is_sequence(output):
        _tell_rate(source, None, progress)
    with (
        open_writer(output, size=size, rate=sequence.rate) as writer,
        progress.stage("draw", len(sequence)) as advance,
    ):
        for pose in sequence:
            writer.write(draw_pose(pose, size))
            advance()
    return output


def convert_file(
    source: Path,
    output: Path,
    *,
    kind: str,
    rate: Fraction | None = None,
    camera: Mapping[str, Any] | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Path:
    """Read key points of any format and write them as another; return the new path.

    camera: what of `Camera` is not as usual, for captured motion, that is a BVH file. overwrite:
    replace what is there; a folder only if it holds nothing but key points.
    Raises: UsageError M11 for a format or a camera that cannot be, U1 for a camera without BVH;
    OutputError F7 when the output is there already or is the input; PoseError as `read_poses`.
    """
    if kind not in _WRITERS:
        known = ", ".join(_WRITERS)
        raise UsageError("M11", "--to", f"{kind!r} is unknown", f"give one of {known}")
    check = _check_folder if kind == "openpose" else check_output
    check(output, overwrite=overwrite, inputs=[source])
    sequence = read_poses(source, rate=rate, camera=_camera(camera or {}, source))
    if kind == "clip" and progress is not None:
        _tell_rate(source, rate, progress)
    _WRITERS[kind](sequence, output)
    return output


def _tell_rate(source: Path, rate: Fraction | None, progress: Progress) -> None:
    for notice in untold_rate(source, rate):
        progress.notice(notice)


def _check_folder(output: Path, *, overwrite: bool, inputs: list[Path]) -> None:
    """Refuse a folder for key points that is or holds an input, or may not be replaced.

    Raises: OutputError F7.
    """
    check_not_input(output, inputs)
    if not os.path.lexists(output):
        return
    if not output.is_dir():
        raise OutputError("F7", output, "is not a folder", "give another output")
    for source in inputs:
        if output.resolve() in source.resolve().parents:
            raise OutputError("F7", output, f"holds the input {source}", "give another output")
    held = list(output.iterdir())
    if held and not overwrite:
        raise OutputError("F7", output, "exists already", "add --overwrite or give another output")
    others = [path.name for path in held if not path.match(OPENPOSE_FILES) or path.is_dir()]
    if others:
        problem = f"holds other files than key points: {others[0]}"
        raise OutputError("F7", output, problem, "give another output")


def _camera(chosen: Mapping[str, Any], source: Path) -> Camera | None:
    """Return the camera for a BVH file, or None for other key points, which need none."""
    if not chosen:
        return None
    flag = f"--{next(iter(chosen))}"
    if not is_bvh(source):
        raise UsageError("U1", flag, f"{source} is no BVH file", "only those are seen by a camera")
    try:
        return Camera(**chosen)
    except PoseError as error:
        flag = f"--{error.subject}"
        raise UsageError(error.code, flag, error.problem, error.remedy) from error


def check_frames(output: Path, *, overwrite: bool, inputs: list[Path]) -> None:
    """Refuse to write over a movie, or over the first frame of a sequence.

    Raises: OutputError F7.
    """
    first = frame_path(output, 0) if is_sequence(output) else output
    check_output(first, overwrite=overwrite, inputs=inputs)


def _write_folder(sequence: PoseSequence, path: Path) -> None:
    """Write OpenPose's files into a folder, instead of one that is there.

    Raises: ResourceError F3 when the old one cannot be moved away; PoseError as `write_openpose`.
    """
    if not path.is_dir() or not any(path.iterdir()):
        write_openpose(sequence, path)
        return
    with (
        explained_write(path),
        tempfile.TemporaryDirectory(prefix=".dtvideo-", dir=path.resolve().parent) as room,
    ):
        made = Path(room) / "made"
        write_openpose(sequence, made)
        _exchange(made, path.resolve(), old=Path(room) / "old")


def _exchange(made: Path, path: Path, *, old: Path) -> None:
    """Put a folder in the place of another one, which is moved to `old`, or leave both."""
    path.rename(old)
    try:
        made.rename(path)
    except OSError:
        old.rename(path)
        raise


def _write_whole_body(sequence: PoseSequence, path: Path) -> None:
    write_coco(sequence, path, whole_body=True)


_WRITERS: dict[str, Callable[[PoseSequence, Path], None]] = {
    "clip": write_clip,
    "openpose": _write_folder,
    "coco": write_coco,
    "coco-wholebody": _write_whole_body,
}
