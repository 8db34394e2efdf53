"""Key points on their own: find them in a video, draw them, change their format."""

from collections.abc import Callable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

from dtvideo.errors import UsageError
from dtvideo.files import check_output
from dtvideo.frame_names import frame_path, is_sequence
from dtvideo.video import VideoLimits, open_writer, probe
from pipelines.character_job import check_range
from pipelines.motion import chosen_motion, find_people_in
from pipelines.progress import Progress
from poses.errors import PoseError
from poses.formats.bvh import is_bvh
from poses.io import read_poses, write_clip, write_coco, write_openpose
from poses.projection import Camera
from poses.render import draw_pose
from poses.select import PersonChoice
from poses.types import PoseSequence

MOST_WORKERS = 64


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
    Raises: UsageError M11, MediaError V1-V17, PoseError P1 and P3, OutputError F7.
    """
    check_range("--workers", workers, 1, MOST_WORKERS)
    check_output(output, overwrite=overwrite, inputs=[source])
    info = probe(source, limits=limits)
    for notice in info.notices:
        progress.notice(notice)
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

    camera: what of `Camera` is not as usual, for captured motion, that is a BVH file.
    Raises: UsageError M11 for a format or a camera that cannot be, U1 for a camera without BVH.
    """
    if kind not in _WRITERS:
        known = ", ".join(_WRITERS)
        raise UsageError("M11", "--to", f"{kind!r} is unknown", f"give one of {known}")
    sequence = read_poses(source, rate=rate, camera=_camera(camera or {}, source))
    if kind != "openpose":
        check_output(output, overwrite=overwrite, inputs=[source])
    _WRITERS[kind](sequence, output)
    return output


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


def _write_whole_body(sequence: PoseSequence, path: Path) -> None:
    write_coco(sequence, path, whole_body=True)


_WRITERS: dict[str, Callable[[PoseSequence, Path], None]] = {
    "clip": write_clip,
    "openpose": write_openpose,
    "coco": write_coco,
    "coco-wholebody": _write_whole_body,
}
