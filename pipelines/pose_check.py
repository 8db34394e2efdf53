"""Look at poses before anything costly is rendered: what is doubtful, in words and as a video."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import repeat
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from dtvideo.images import fit_to
from dtvideo.overlay import overlay_pose
from dtvideo.video import open_writer
from pipelines.detectors import detector_files
from pipelines.job import RenderJob
from pipelines.key_points import check_frames
from pipelines.motion import chosen_frames, open_driver
from pipelines.people_picture import save_people
from pipelines.prepare import (
    Driver,
    Reference,
    choose_size,
    load_reference,
    prepare_driver,
    prepare_reference,
)
from pipelines.progress import Progress
from pipelines.room import give_room
from poses.frames import in_words
from poses.skeleton import BODY18
from poses.smooth import jitter
from poses.types import PoseSequence, body_height, confident

CHECK_SIDE = 384
EVEN_MULTIPLE = 2
MOSTLY = 0.5
SMALL_SHARE = 0.2
ODD_SCALE = 3.0

Picture = UInt8[np.ndarray, "h w 3"]


@dataclass(frozen=True)
class PoseCheck:
    """What the check found: facts, and warnings that deserve a look at the video."""

    facts: tuple[str, ...]
    warnings: tuple[str, ...]

    def __str__(self) -> str:
        lines = [*self.facts, *(f"warning     {text}" for text in self.warnings)]
        return "\n".join(lines)


def check_poses(job: RenderJob, progress: Progress) -> tuple[Path, PoseCheck]:
    """Find and fit the poses of a job and write a video to judge them by, without any model.

    The video shows, side by side, the reference with its pose, each driving frame with the pose
    found, and the fitted pose over the reference. Returns its path and the report.
    Raises: as the render of the job would for its reference, motion and output.
    """
    if job.output is None:
        job = replace(job, output=Path(f"{job.stem}.check.mp4"))
    given = (job.reference, job.driver, job.poses, job.reference_pose, job.reference_mask)
    inputs = [path for path in given if path is not None]
    check_frames(job.target, overwrite=job.overwrite, inputs=inputs)
    for name in job.detectors.values():
        detector_files(name)
    loaded = give_room(job, load_reference(job.reference))
    info = open_driver(job, job.driver) if job.driver else None
    size, _ = choose_size(
        loaded.size, requested=job.size, native=CHECK_SIDE, multiple=EVEN_MULTIPLE
    )
    reference = prepare_reference(job, loaded, size=size)
    driver = prepare_driver(job, info, reference.pose, progress=progress)
    for notice in save_people(job, reference=reference, driver=driver, info=info):
        progress.notice(notice)
    frames = chosen_frames(job, info) if info else repeat(None)
    _write_video(job, reference, driver, frames=frames, progress=progress)
    return job.target, judge(reference, driver)


def judge(reference: Reference, driver: Driver) -> PoseCheck:
    """Say how the poses were found and fitted, and what is doubtful about them."""
    found, fitted = driver.found, driver.fitted
    seconds = float(len(found) / found.rate)
    facts = (
        f"reference   mask by {reference.mask_method}, pose by {reference.pose_method}, "
        f"{confident(reference.pose.body).sum()} of 18 joints known",
        f"motion      {len(found)} frames, {seconds:.2f} s, by {driver.report['detector']}",
        f"jitter      {jitter(found):.2f} px as found, {jitter(fitted):.2f} px fitted "
        f"(RMS of the acceleration per frame)",
        f"scale       {_scale(driver)}",
        f"share       the body is {_share(found):.0%} of the driving picture's height, "
        f"{_share(fitted):.0%} of the result's",
    )
    return PoseCheck(facts, tuple(_warnings(reference, driver)))


def _warnings(reference: Reference, driver: Driver) -> Iterable[str]:
    hidden = _hidden(~confident(reference.pose.body))
    if hidden:
        yield f"the reference does not show {hidden}"
    shown = confident(driver.found.body).mean(axis=0)
    if rarely := _hidden(shown < MOSTLY):
        yield f"the motion shows in less than half of its frames {rarely}"
    if (share := _share(driver.found)) < SMALL_SHARE:
        yield f"the person is small in the driving video ({share:.0%} of its height)"
    scale = _number(driver, "scale")
    usual = reference.pose.size[1] / driver.found.size[1]
    if scale is not None and not 1 / ODD_SCALE < scale / usual < ODD_SCALE:
        yield (
            f"the motion is scaled by {scale:.2f}, where the heights of the pictures "
            f"make {usual:.2f} usual: check the poses found"
        )
    empty = driver.report["frames_without_person"]
    if isinstance(empty, list) and empty:
        yield f"nobody in frames {in_words(empty)}: nothing is drawn there"
    yield from reference.notices
    yield from driver.notices


def _hidden(joints: np.ndarray) -> str:
    return ", ".join(
        name.replace("_", " ")
        for name, missing in zip(BODY18.joints, joints, strict=True)
        if missing
    )


def _share(sequence: PoseSequence) -> float:
    return body_height(sequence.body) / sequence.size[1]


def _number(driver: Driver, name: str) -> float | None:
    fit = driver.report["retarget"]
    value = fit.get(name) if isinstance(fit, dict) else None
    return value if isinstance(value, float) else None


def _scale(driver: Driver) -> str:
    scale = _number(driver, "scale")
    if scale is None:
        return "as in the driver"
    fit = driver.report["retarget"]
    assert isinstance(fit, dict)
    limbs = ", ".join(f"{name} {ratio:.2f}" for name, ratio in fit["ratios"].items())
    return f"{scale:.2f} overall, placed by the {fit['anchor']}: {limbs}"


def _write_video(
    job: RenderJob,
    reference: Reference,
    driver: Driver,
    *,
    frames: Iterable[Picture | None],
    progress: Progress,
) -> None:
    width, height = reference.image.shape[1::-1]
    count = 2 if job.driver is None else 3
    first = overlay_pose(reference.image, reference.pose)
    rate: Fraction = driver.fitted.rate
    with (
        open_writer(job.target, size=(width * count, height), rate=rate) as writer,
        progress.stage("draw", len(driver)) as advance,
    ):
        for index, frame in zip(range(len(driver)), frames, strict=False):
            panels: Sequence[Picture] = (
                first,
                *_driving(frame, driver, index, size=(width, height)),
                overlay_pose(reference.image, driver.fitted[index]),
            )
            writer.write(np.concatenate(panels, axis=1))
            advance()


def _driving(
    frame: Picture | None, driver: Driver, index: int, *, size: tuple[int, int]
) -> Sequence[Picture]:
    """Return the driving frame with the pose found in it, or nothing without a video."""
    if frame is None:
        return ()
    return (fit_to(overlay_pose(frame, driver.found[index]), size)[0],)
