"""The motion of a render or of the key-point tools: one person of a video, or of a file."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from dtvideo.errors import MediaError
from dtvideo.video import VideoInfo, probe, read_frames
from pipelines.detectors import load_detector
from pipelines.frame_set import frame_numbers
from pipelines.job import RenderJob
from pipelines.pose_cache import Nobody, Search, keep, making, recall
from pipelines.progress import Progress
from poses.detections import Detections
from poses.detectors import PoseDetector
from poses.errors import PoseError
from poses.extract import extract_poses
from poses.io import USUAL_RATE, read_detections, read_poses, tells_rate
from poses.remote import remote_detectors
from poses.select import PersonChoice, Selection, check_place, select_person
from poses.types import PoseSequence, parts_of

Picture = UInt8[np.ndarray, "h w 3"]
NOBODY_FOUND = "P1"


@dataclass(frozen=True, eq=False)
class Motion:
    """One person's key points as they were found, and how they were come by.

    cuts: the first frames of new shots; selection: everyone, where several were told apart;
    report: plain values for the side-car.
    """

    sequence: PoseSequence
    report: dict[str, object]
    notices: tuple[str, ...] = ()
    cuts: tuple[int, ...] = ()
    selection: Selection | None = None


def find_motion(job: RenderJob, info: VideoInfo, progress: Progress) -> Motion:
    """Find everyone in the driving video and keep the person that the job asks for.

    Raises: PoseError P1 when nobody is there, P3 when there is no such person.
    """
    part = frame_slice(job, info.frames)
    check_place(job.person, info.size, subject="--person")
    found = find_people_in(
        info,
        part,
        detector=job.detector,
        everyone=job.person != "largest",
        details=job.hands == "on" or job.face in ("weak", "full"),
        cache=job.cache,
        progress=progress,
    )
    return chosen_motion(found, job.person)


def chosen_motion(found: Detections, person: PersonChoice) -> Motion:
    """Keep one person of those found, and say what is doubtful about it."""
    selection = select_person(found, person)
    report: dict[str, object] = {
        "detector": found.detector,
        "licence": found.licence,
        "device": found.device,
        "people_per_frame": list(found.counts),
        "people": selection.people,
        "person": selection.number,
        "lost_frames": list(selection.lost),
        "possible_switches": list(selection.joined),
        "doubtful_frames": list(selection.doubtful),
        "cuts": list(found.cuts),
    }
    doubtful = selection.people > 1 or selection.lost or selection.joined
    notices = [selection.describe()] if doubtful else []
    if found.cuts:
        notices.append(f"cuts before frames {', '.join(map(str, found.cuts))}")
    return Motion(selection.sequence, report, tuple(notices), found.cuts, selection)


def read_motion(job: RenderJob) -> Motion:
    """Read the motion from the job's key-point file, the frames that it asks for.

    Raises: PoseError V1, P6, P1 when nobody is there, P3 when there is no such person.
    """
    assert job.poses is not None
    found = read_detections(job.poses, rate=job.rate)
    part = frame_slice(job, len(found))
    told = (*_unused(job), *untold_rate(job.poses, job.rate))
    if max(found.counts) > 1 or job.person != "largest":
        motion = chosen_motion(replace(found, people=found.people[part]), job.person)
        return replace(motion, notices=(*told, *motion.notices))
    sequence = read_poses(job.poses, rate=job.rate)
    parts: dict[str, Any] = {name: tracks[part] for name, tracks in parts_of(sequence).items()}
    return Motion(replace(sequence, **parts), {"detector": "file"}, told)


def untold_rate(poses: Path, rate: Fraction | None) -> tuple[str, ...]:
    """Say at which rate key points are taken that tell none, unless a rate is given."""
    if rate is not None or tells_rate(poses):
        return ()
    return (f"{poses.name} tells no frame rate; it is taken at {USUAL_RATE} per second (--fps)",)


def _unused(job: RenderJob) -> tuple[str, ...]:
    """Name what a job says about the search for poses, which are in a file."""
    asked = {"--detector": job.detector != RenderJob.detector, "--no-cache": not job.cache}
    flags = " and ".join(flag for flag, is_given in asked.items() if is_given)
    verb = "change" if " " in flags else "changes"
    return (f"{flags} {verb} nothing: the motion is read from --poses",) if flags else ()


def find_people_in(
    info: VideoInfo,
    part: slice,
    *,
    detector: str,
    everyone: bool,
    details: bool = False,
    workers: int = 1,
    cache: bool,
    progress: Progress,
) -> Detections:
    """Return everyone in a part of a video, from the cache where it has been looked at before.

    everyone: look for several people in every frame, not once a second; details: find hands and
    faces too, where the detector has to be told; workers: how many processes look, which changes
    nothing of what is found.
    """
    options = {"holistic": True} if details and detector == "mediapipe" else {}
    search = Search(info=info, detector=detector, frames=part, everyone=everyone, options=options)
    path = search.path if cache else None
    if path is None:
        return _look(search, workers, progress)
    found = recall(path)
    if found is None:
        with making(path, progress):
            found = recall(path)
            if found is None:
                return _look_and_keep(search, path, workers, progress)
    if isinstance(found, Nobody):
        raise PoseError(NOBODY_FOUND, info.path, found.problem, found.remedy)
    progress.notice(f"{found.describe()}; from the cache")
    return found


def _look_and_keep(search: Search, path: Path, workers: int, progress: Progress) -> Detections:
    """Find everyone in a video, and keep the answer, also that nobody is there."""
    try:
        found = _look(search, workers, progress)
    except PoseError as error:
        if error.code == NOBODY_FOUND:
            keep(path, Nobody(error.problem, error.remedy))
        raise
    keep(path, found)
    return found


def _look(search: Search, workers: int, progress: Progress) -> Detections:
    """Find everyone in a video."""
    info, part = search.info, search.frames
    with (
        detectors_at_work(search.detector, search.options, workers) as detectors,
        progress.stage("find poses", part.stop - part.start) as advance,
    ):
        found = extract_poses(
            counted(islice(read_frames(info), part.start, part.stop), advance),
            detectors,
            rate=info.rate,
            subject=str(info.path),
            everyone=search.everyone,
        )
    progress.notice(found.describe())
    return found


@contextmanager
def detectors_at_work(
    name: str, options: Mapping[str, Any], workers: int
) -> Iterator[Sequence[PoseDetector]]:
    """Yield one detector here, or several in processes of their own, which end with the block."""
    if workers == 1:
        yield (load_detector(name, **options),)
        return
    with remote_detectors(partial(load_detector, name, **options), workers) as detectors:
        yield detectors


def counted(frames: Iterable[Picture], advance: Callable[[], None]) -> Iterator[Picture]:
    """Yield frames, counting each one as done when the next is asked for."""
    for frame in frames:
        yield frame
        advance()


def open_driver(job: RenderJob, path: Path) -> VideoInfo:
    """Return the facts of the driving video as the job wants it.

    Raises: MediaError as `probe`.
    """
    keep = job.on_corrupt == "keep"
    return probe(path, rate=job.rate, limits=job.limits, keep_head=keep)


def frame_slice(job: RenderJob, total: int) -> slice:
    """Return the run of the driver's frames that holds all that the job asks for.

    Raises: MediaError V7 when they begin after the clip's end.
    """
    if isinstance(job.frames, str):
        numbers = frame_numbers(job.frames)
        asked: tuple[int, int | None] = numbers[0], numbers[-1]
    else:
        asked = job.frames or (0, None)
    first, last = asked
    if first >= total:
        source: Path | None = job.driver or job.poses
        at_rate = f" at {job.rate} per second" if job.rate and job.driver else ""
        problem = f"has {total} frames{at_rate}, so frame {first} does not exist"
        raise MediaError("V7", source, problem, f"give --frames from 0 to {total - 1}")
    return slice(first, total if last is None else min(last + 1, total))


def driving_frames(job: RenderJob, info: VideoInfo) -> Iterator[Picture]:
    """Yield the run of the driver's frames that holds all that are rendered, in order."""
    part = frame_slice(job, info.frames)
    return islice(read_frames(info), part.start, part.stop)


def chosen_indices(job: RenderJob, total: int) -> list[int]:
    """Return which frames of that run are rendered, counted from its beginning."""
    run = frame_slice(job, total)
    if not isinstance(job.frames, str):
        return list(range(run.stop - run.start))
    return [number - run.start for number in frame_numbers(job.frames) if number < run.stop]


def chosen_frames(job: RenderJob, info: VideoInfo) -> Iterator[Picture]:
    """Yield the driver's frames that are rendered, in order."""
    wanted = set(chosen_indices(job, info.frames))
    return (frame for index, frame in enumerate(driving_frames(job, info)) if index in wanted)


def chosen_poses(job: RenderJob, run: PoseSequence) -> PoseSequence:
    """Return the poses of the frames that are rendered, of those of the whole run."""
    if not isinstance(job.frames, str):
        return run
    first = frame_numbers(job.frames)[0]
    kept = [number - first for number in frame_numbers(job.frames) if number - first < len(run)]
    parts: dict[str, Any] = {name: tracks[kept] for name, tracks in parts_of(run).items()}
    return replace(run, **parts)
