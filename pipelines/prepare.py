"""What a render needs before the first frame: the character's picture and the motion.

The reference becomes a picture, a mask and a pose on the working canvas; the driver becomes one
person's key points, one pose for each frame, fitted to the reference.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import islice
from math import sqrt
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Float32, UInt8

from dtvideo.errors import MediaError
from dtvideo.images import LoadedImage, Placement, fit_to, load_image, place
from dtvideo.segmentation import find_mask
from dtvideo.video import VideoInfo, read_frames
from pipelines.job import RenderJob
from pipelines.progress import Progress
from poses.detectors import PoseDetector, create_detector, register_detector
from poses.errors import PoseError
from poses.extract import extract_poses
from poses.frames import in_words
from poses.io import read_pose, read_poses
from poses.repair import repair
from poses.retarget import retarget
from poses.select import select_person
from poses.smooth import smooth
from poses.standing import fit_skeleton
from poses.types import Pose, PoseSequence, confident, parts_of

REFERENCE_DETECTORS = ("toon", "mediapipe")
MINIMUM_JOINTS = 6
MINIMUM_INSIDE = 0.6

MISTAKABLE = 40.0
GROUNDS: Mapping[str, tuple[int, int, int]] = {
    "white": (255, 255, 255),
    "pale blue": (190, 215, 240),
    "grey": (128, 128, 128),
    "black": (0, 0, 0),
}
"""Colours to lay a transparent picture over, the first best that it has least of."""

Picture = UInt8[np.ndarray, "h w 3"]
Mask = Float32[np.ndarray, "h w"]
Poses = TypeVar("Poses", Pose, PoseSequence)


@dataclass(frozen=True, eq=False)
class Reference:
    """The character on the working canvas, and how its mask and pose were come by."""

    image: Picture
    mask: Mask
    pose: Pose
    mask_method: str
    pose_method: str
    notices: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Driver:
    """The motion: pose k belongs to frame k of the result.

    found: as it was found, on the driver's canvas; fitted: on the working canvas.
    report: plain values for the side-car.
    """

    found: PoseSequence
    fitted: PoseSequence
    report: dict[str, object]
    notices: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.fitted)


def load_reference(path: Path) -> LoadedImage:
    """Read the character's picture; a transparent one is laid over a colour it does not have.

    Raises: MediaError V1, R4-R10.
    """
    loaded = load_image(path)
    if loaded.alpha is None:
        return loaded
    own = loaded.rgb[loaded.alpha > 127].astype(np.float32)
    name = min(GROUNDS, key=lambda name: _share_near(own, GROUNDS[name]))
    notice = f"the picture is transparent; it is laid over {name}"
    placed = load_image(path, background=GROUNDS[name])
    return replace(placed, notices=(*placed.notices, notice))


def _share_near(colours: Float32[np.ndarray, "n 3"], ground: tuple[int, int, int]) -> float:
    """Return the share of colours that could be mistaken for a ground, to a hundredth."""
    distance = np.abs(colours - np.array(ground, np.float32)).max(axis=1)
    return round(float((distance < MISTAKABLE).mean()), 2) if len(colours) else 0.0


def choose_size(
    source: tuple[int, int], *, requested: tuple[int, int] | None, native: int, multiple: int
) -> tuple[tuple[int, int], tuple[str, ...]]:
    """Return the working size (width, height) and what to tell about it.

    Without a request: the source's shape at the area that the model knows best (`native`
    squared). Both sides are multiples of `multiple`: a request is rounded up, and that is told.
    """
    if requested is None:
        scale = native / sqrt(source[0] * source[1])
        return _multiples(source, multiple, scale=scale), ()
    size = (-(-requested[0] // multiple) * multiple, -(-requested[1] // multiple) * multiple)
    if size == requested:
        return size, ()
    asked, made = "x".join(map(str, requested)), "x".join(map(str, size))
    return size, (f"size {asked} is rounded up to {made}: the model needs multiples of {multiple}",)


def _multiples(source: tuple[int, int], multiple: int, *, scale: float) -> tuple[int, int]:
    width, height = (max(1, round(side * scale / multiple)) * multiple for side in source)
    return width, height


def prepare_reference(job: RenderJob, loaded: LoadedImage, *, size: tuple[int, int]) -> Reference:
    """Find or read the character's mask and pose, and fit all three to the working canvas.

    Raises: PoseError R11 when no pose is found and the job is strict; MediaError for the mask.
    """
    mask, mask_method, mask_notices = _reference_mask(job, loaded)
    pose, pose_method, pose_notices = _reference_pose(job, loaded.rgb, mask)
    placement = place(loaded.rgb.shape[1::-1], size)
    return Reference(
        image=fit_and_extend(loaded.rgb, size),
        mask=fit_to(mask, size)[0],
        pose=moved(pose, placement),
        mask_method=mask_method,
        pose_method=pose_method,
        notices=(*loaded.notices, *mask_notices, *pose_notices),
    )


def fit_and_extend(
    image: UInt8[np.ndarray, "source_h source_w 3"], size: tuple[int, int]
) -> Picture:
    """Fit a whole picture into (width, height); what is left over repeats its border."""
    canvas, placement = fit_to(image, size)
    (left, top), (width, height) = placement.offset, placement.fitted_size
    margins = ((top, size[1] - top - height), (left, size[0] - left - width), (0, 0))
    return np.pad(placement.cut(canvas), margins, mode="edge")


def moved(poses: Poses, placement: Placement) -> Poses:
    """Return poses of a picture as poses of the canvas that the picture was placed in."""
    parts: dict[str, Any] = {
        name: np.concatenate([placement.to_target(joints[..., :2]), joints[..., 2:]], axis=-1)
        for name, joints in parts_of(poses).items()
    }
    return replace(poses, size=placement.target_size, **parts)


def _reference_mask(job: RenderJob, loaded: LoadedImage) -> tuple[Mask, str, tuple[str, ...]]:
    if job.reference_mask is None:
        found = find_mask(loaded, matte=job.matte)
        if job.strict and found.method == "whole picture":
            problem = "the character cannot be told from its ground"
            raise MediaError("R11", job.reference, problem, "give --ref-mask FILE")
        return found.mask, found.method, found.notices
    given = load_image(job.reference_mask, background=(0, 0, 0))
    sizes = given.rgb.shape[1::-1], loaded.rgb.shape[1::-1]
    if sizes[0] != sizes[1]:
        problem = f"is {sizes[0][0]}x{sizes[0][1]}, the picture {sizes[1][0]}x{sizes[1][1]}"
        raise MediaError("R10", job.reference_mask, problem, "draw it at the picture's size")
    mask = (given.rgb.mean(axis=2) / 255).astype(np.float32)
    if not mask.any():
        raise MediaError("R5", job.reference_mask, "is black all over", "paint the character white")
    return mask, "file", ()


def _reference_pose(
    job: RenderJob, image: Picture, mask: Mask
) -> tuple[Pose, str, tuple[str, ...]]:
    size = image.shape[1::-1]
    if job.reference_pose is not None:
        pose = read_pose(job.reference_pose, size=size)
        return moved(pose, _stretch(pose.size, size)), "file", ()
    tried = (job.reference_detector,) if job.reference_detector else REFERENCE_DETECTORS
    for name in tried:
        people = load_detector(name).detect(image)
        found = _on_character(people, mask)
        if found is not None:
            notice = f"{len(people)} people in the picture; the one on the mask is used"
            return found, name, (notice,) if len(people) > 1 else ()
    problem = f"no pose found by {' or '.join(tried)}"
    if job.strict:
        raise PoseError("R11", job.reference, problem, "give --ref-pose FILE")
    notice = f"{problem} in the picture; a standing skeleton is fitted to the mask's box"
    return fit_skeleton(mask_box(mask), size), "mask box", (notice,)


def mask_box(mask: Mask) -> tuple[float, float, float, float]:
    """Return left, top, right and bottom of what is more than half inside the mask."""
    rows, columns = np.nonzero(mask > 0.5)
    return (
        float(columns.min()),
        float(rows.min()),
        float(columns.max() + 1),
        float(rows.max() + 1),
    )


def _stretch(source: tuple[int, int], target: tuple[int, int]) -> Placement:
    return Placement(source, target, target, (0, 0))


def _on_character(people: Sequence[Pose], mask: Mask) -> Pose | None:
    """Return the person with most joints on the mask, if they are enough to be the character."""
    ranked = sorted(people, key=lambda pose: _joints_on(pose, mask), reverse=True)
    if not ranked:
        return None
    known = int(confident(ranked[0].body).sum())
    on_mask = _joints_on(ranked[0], mask)
    return ranked[0] if known >= MINIMUM_JOINTS and on_mask >= MINIMUM_INSIDE * known else None


def _joints_on(pose: Pose, mask: Mask) -> int:
    height, width = mask.shape
    known = pose.body[confident(pose.body), :2].astype(int)
    columns, rows = known[:, 0].clip(0, width - 1), known[:, 1].clip(0, height - 1)
    return int((mask[rows, columns] > 0.5).sum())


def load_detector(name: str) -> PoseDetector:
    """Create a pose back end by name; the toon one comes from this distribution.

    Raises: DetectorError M1 when the name is unknown or something is missing.
    """
    from dtvideo.toon.keypoints import ToonDetector

    register_detector("toon", ToonDetector)
    return create_detector(name)


def prepare_driver(
    job: RenderJob, info: VideoInfo | None, reference_pose: Pose, *, progress: Progress
) -> Driver:
    """Find or read the motion, repair it and fit it to the reference.

    Raises: PoseError P1 when nobody is in the clip, P2 when frames stay empty and the job is
    strict, P6 for key points that cannot be read.
    """
    motion = _read_motion(job) if info is None else _detect_motion(job, info, progress)
    filled, repairs = repair(motion.sequence)
    if repairs.empty_frames and job.strict:
        problem = f"nobody in frames {in_words(repairs.empty_frames)}"
        raise PoseError("P2", job.driver or job.poses, problem, "cut the clip, or drop --strict")
    steady = smooth(filled) if job.smooth else filled
    fitted, fit, fit_notices = _fit(job, steady, reference_pose)
    notices = [*motion.notices, *fit_notices]
    if repairs.repairs or repairs.empty_frames:
        notices.append(repairs.describe())
    report = {
        **motion.report,
        "smoothed": job.smooth,
        "repairs": [asdict(repair) for repair in repairs.repairs],
        "frames_without_person": list(repairs.empty_frames),
        "retarget": fit,
    }
    return Driver(found=motion.sequence, fitted=fitted, report=report, notices=tuple(notices))


@dataclass(frozen=True, eq=False)
class _Motion:
    sequence: PoseSequence
    report: dict[str, object]
    notices: tuple[str, ...] = ()


def _detect_motion(job: RenderJob, info: VideoInfo, progress: Progress) -> _Motion:
    detector = load_detector(job.detector)
    part = frame_slice(job, info.frames)
    with progress.stage("find poses", part.stop - part.start) as advance:
        frames = counted(driving_frames(job, info), advance)
        found = extract_poses(frames, detector, rate=info.rate, subject=str(job.driver))
    selection = select_person(found)
    report: dict[str, object] = {
        "detector": found.detector,
        "licence": found.licence,
        "device": found.device,
        "people_per_frame": list(found.counts),
        "lost_frames": list(selection.lost),
        "possible_switches": list(selection.joined),
    }
    progress.notice(found.describe())
    doubtful = selection.people > 1 or selection.lost or selection.joined
    return _Motion(selection.sequence, report, (selection.describe(),) if doubtful else ())


def _read_motion(job: RenderJob) -> _Motion:
    assert job.poses is not None
    sequence = read_poses(job.poses, rate=job.rate)
    part = frame_slice(job, len(sequence))
    parts: dict[str, Any] = {name: tracks[part] for name, tracks in parts_of(sequence).items()}
    return _Motion(replace(sequence, **parts), {"detector": "file"})


def _fit(
    job: RenderJob, sequence: PoseSequence, reference: Pose
) -> tuple[PoseSequence, dict[str, object], tuple[str, ...]]:
    """Return the motion on the reference's canvas, a report and what to tell."""
    if job.retarget:
        fitted, report = retarget(sequence, reference)
        return fitted, asdict(report), report.warnings
    placed = moved(sequence, place(sequence.size, reference.size))
    return placed, {"scale": "as in the driver"}, ()


def counted(frames: Iterable[Picture], advance: Callable[[], None]) -> Iterator[Picture]:
    """Yield frames, counting each one as done when the next is asked for."""
    for frame in frames:
        yield frame
        advance()


def frame_slice(job: RenderJob, total: int) -> slice:
    """Return the frames of the driver that the job asks for.

    Raises: MediaError V7 when they begin after the clip's end.
    """
    first, last = job.frames or (0, None)
    if first >= total:
        source = job.driver or job.poses
        problem = f"has {total} frames, so frame {first} does not exist"
        raise MediaError("V7", source, problem, f"give --frames from 0 to {total - 1}")
    return slice(first, total if last is None else min(last + 1, total))


def driving_frames(job: RenderJob, info: VideoInfo) -> Iterator[Picture]:
    """Yield the driver's frames that are rendered, in order."""
    part = frame_slice(job, info.frames)
    return islice(read_frames(info), part.start, part.stop)
