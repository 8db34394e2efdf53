"""What a render needs before the first frame: the character's picture and the motion.

The reference becomes a picture, a mask and a pose on the working canvas; the driver becomes one
person's key points, one pose for each frame, fitted to the reference.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from math import sqrt
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Float32, UInt8

from dtvideo.errors import MediaError
from dtvideo.images import LoadedImage, Placement, fit_to, load_image, place, resize
from dtvideo.puppet import Puppet
from dtvideo.segmentation import find_mask
from dtvideo.video import VideoInfo
from pipelines.character_job import CharacterJob
from pipelines.job import RenderJob
from pipelines.motion import chosen_poses, find_motion, read_motion
from pipelines.progress import Progress
from pipelines.reference_people import People, is_on, people_in_picture, without_others
from poses.details import keep_face, keep_hands
from poses.errors import PoseError
from poses.frames import in_words
from poses.io import read_pose
from poses.portrait import with_guessed_hips
from poses.repair import repair
from poses.retarget import retarget
from poses.select import PersonChoice, Selection, check_place
from poses.smooth import smooth
from poses.standing import fit_skeleton
from poses.types import Pose, PoseSequence, parts_of

SEARCH_SIDE = 1024
"""Longest side of the picture in which mask and pose are found, where the canvas is not larger."""
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
    people: tuple[Pose, ...] = ()
    """Everyone in the picture, on the canvas, where there are several."""
    person: int = 0
    """The index of the one who is used."""
    notices: tuple[str, ...] = ()

    @cached_property
    def puppet(self) -> Puppet:
        """The character cut into limbs, made when it is first needed."""
        return Puppet.prepare(self.image, self.mask, self.pose)


@dataclass(frozen=True, eq=False)
class Driver:
    """The motion: pose k belongs to frame k of the result.

    found: as it was found, on the driver's canvas; fitted: on the working canvas.
    report: plain values for the side-car; selection: everyone, where several were told apart.
    """

    found: PoseSequence
    fitted: PoseSequence
    report: dict[str, object]
    selection: Selection | None = None
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


def prepare_reference(
    job: CharacterJob, loaded: LoadedImage, *, size: tuple[int, int]
) -> Reference:
    """Find or read the character's mask and pose, and fit all three to the working canvas.

    Raises: PoseError R11 when no pose is found, or a doubtful one, and the job is strict;
    MediaError for the mask.
    """
    seen = reduced(loaded, max(SEARCH_SIDE, *size))
    found, (mask, mask_method, mask_notices) = find_character(job, seen, whole=loaded)
    pose, pose_method, pose_notices = _reference_pose(job, mask, found)
    placement = place(seen.size, size)
    return Reference(
        image=fit_and_extend(loaded.rgb, size),
        mask=fit_to(mask, size)[0],
        pose=moved(pose, placement),
        mask_method=mask_method,
        pose_method=pose_method,
        people=tuple(moved(one, placement) for one in found.people)[len(found.people) == 1 :],
        person=found.index,
        notices=(*loaded.notices, *mask_notices, *pose_notices),
    )


def find_character(
    job: CharacterJob, seen: LoadedImage, *, whole: LoadedImage
) -> tuple[People, tuple[Mask, str, tuple[str, ...]]]:
    """Return who is in a picture, and the mask of the one who is meant: how, and what to tell.

    seen: the picture that is searched, in its pixels; whole: the same, as large as the file has it.
    Raises: as `prepare_reference`.
    """
    person = _person_in(job, seen, whole=whole)
    mask = _reference_mask(job, seen, whole=whole)
    given = _given_pose(job, seen, whole=whole)
    found = people_in_picture(job, seen, mask[0], given=given, person=person)
    if found.are_several:
        mask = _reference_mask(job, without_others(seen, found), whole=whole)
    return found, mask


def reduced(loaded: LoadedImage, side: int) -> LoadedImage:
    """Return a picture that is at most so many pixels long; a smaller one as it is."""
    if max(loaded.size) <= side:
        return loaded
    fitted = place(loaded.size, (side, side)).fitted_size
    alpha = None if loaded.alpha is None else resize(loaded.alpha, fitted)
    return replace(loaded, rgb=resize(loaded.rgb, fitted), alpha=alpha)


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


def _reference_mask(
    job: CharacterJob, seen: LoadedImage, *, whole: LoadedImage
) -> tuple[Mask, str, tuple[str, ...]]:
    """Find the mask, or read one that was drawn at the whole picture's size."""
    if job.reference_mask is None:
        found = find_mask(seen, matte=job.matte)
        if job.strict and found.method == "whole picture":
            problem = "the character cannot be told from its ground"
            raise MediaError("R11", job.reference, problem, "give --ref-mask FILE")
        return found.mask, found.method, found.notices
    given = load_image(job.reference_mask, background=(0, 0, 0))
    sizes = given.size, whole.file_size
    if sizes[0] != sizes[1]:
        problem = f"is {sizes[0][0]}x{sizes[0][1]}, the picture {sizes[1][0]}x{sizes[1][1]}"
        raise MediaError("R10", job.reference_mask, problem, "draw it at the picture's size")
    painted = (given.with_room(whole.room, (0, 0, 0)).rgb.mean(axis=2) / 255).astype(np.float32)
    mask = resize(painted, seen.size)
    if not mask.any():
        raise MediaError("R5", job.reference_mask, "is black all over", "paint the character white")
    return mask, "file", ()


def _person_in(job: CharacterJob, seen: LoadedImage, *, whole: LoadedImage) -> PersonChoice | None:
    """Return who is meant; a place in the file's picture as one in the picture that is searched.

    Raises: PoseError P3 when the place is outside the file's picture.
    """
    person = job.reference_person
    if not isinstance(person, tuple):
        return person
    check_place(person, whole.file_size, subject="--ref-person")
    (left, top), scale = whole.room[:2], seen.size[0] / whole.size[0]
    return (person[0] + left) * scale, (person[1] + top) * scale


def _given_pose(job: CharacterJob, seen: LoadedImage, *, whole: LoadedImage) -> Pose | None:
    """Return the pose that the job names of the file's picture, in the one that is searched."""
    if job.reference_pose is None:
        return None
    pose = read_pose(job.reference_pose, size=whole.file_size)
    scale = seen.size[0] / whole.size[0], seen.size[1] / whole.size[1]
    width, height, left, top = (
        round(length * scale[axis % 2])
        for axis, length in enumerate((*whole.file_size, *whole.room[:2]))
    )
    return moved(pose, Placement(pose.size, seen.size, (width, height), (left, top)))


def _reference_pose(
    job: CharacterJob, mask: Mask, found: People
) -> tuple[Pose, str, tuple[str, ...]]:
    if found.pose is not None and (job.reference_pose is not None or is_on(found.pose, mask)):
        if found.doubt and job.strict:
            raise PoseError("R11", job.reference, found.doubt, "give --ref-pose FILE")
        doubts = (f"{found.doubt}; look at the sheet, or give --ref-pose",) if found.doubt else ()
        may_hide_hips = found.method and (mask[-1] > 0.5).any()  # it reaches the lower border
        pose = with_guessed_hips(found.pose) if may_hide_hips else found.pose
        return pose, found.method or "file", (*doubts, *found.notices)
    problem = f"no pose found by {' or '.join(found.tried)}"
    if job.strict:
        raise PoseError("R11", job.reference, problem, "give --ref-pose FILE")
    notice = f"{problem} in the picture; a standing skeleton is fitted to the mask's box"
    standing = fit_skeleton(mask_box(mask), (mask.shape[1], mask.shape[0]))
    return standing, "mask box", (notice, *found.notices)


def mask_box(mask: Mask) -> tuple[float, float, float, float]:
    """Return left, top, right and bottom of what is more than half inside the mask."""
    rows, columns = np.nonzero(mask > 0.5)
    return (
        float(columns.min()),
        float(rows.min()),
        float(columns.max() + 1),
        float(rows.max() + 1),
    )


def prepare_driver(
    job: RenderJob, info: VideoInfo | None, reference_pose: Pose, *, progress: Progress
) -> Driver:
    """Find or read the motion, repair it and fit it to the reference.

    Raises: PoseError P1 when nobody, or too little of one, is in the clip, P2 when frames stay
    empty and the job is strict, P3 when there is no such person, P6 for key points that cannot be
    read, R11 when the reference shows nothing that the motion shows too.
    """
    motion = read_motion(job) if info is None else find_motion(job, info, progress)
    filled, repairs = repair(motion.sequence, cuts=motion.cuts)
    if repairs.empty_frames and job.strict:
        problem = f"nobody in frames {in_words(repairs.empty_frames)}"
        raise PoseError("P2", job.driver or job.poses, problem, "cut the clip, or drop --strict")
    steady = smooth(filled, cuts=motion.cuts) if job.smooth else filled
    fitted, fit, fit_notices = _fit(job, _detailed(job, steady), reference_pose)
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
    return Driver(
        found=chosen_poses(job, motion.sequence),
        fitted=chosen_poses(job, fitted),
        report=report,
        selection=motion.selection,
        notices=tuple(notices),
    )


def _detailed(job: RenderJob, sequence: PoseSequence) -> PoseSequence:
    """Keep as much of face and hands as the job asks for."""
    if job.hands is not None:
        sequence = keep_hands(sequence, wanted=job.hands == "on")
    if job.face is not None:
        sequence = keep_face(sequence, job.face)
    return sequence


def _fit(
    job: RenderJob, sequence: PoseSequence, reference: Pose
) -> tuple[PoseSequence, dict[str, object], tuple[str, ...]]:
    """Return the motion on the reference's canvas, a report and what to tell."""
    if job.retarget:
        try:
            fitted, report = retarget(sequence, reference)
        except PoseError as error:
            at_fault = job.reference if error.code == "R11" else job.driver or job.poses
            raise PoseError(error.code, at_fault, error.problem, error.remedy) from error
        return fitted, asdict(report), report.warnings
    placed = moved(sequence, place(sequence.size, reference.size))
    return placed, {"scale": "as in the driver"}, ()
