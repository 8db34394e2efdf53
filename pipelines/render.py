"""The main job: one picture performs one motion, from files to files.

`render` checks everything that can be checked before a model is loaded, prepares the reference
and the motion, denoises frame by frame and writes the movie, the side-car and the contact sheet.
Frames go one by one into the work folder, so that memory does not grow with the clip and a render
that was stopped goes on at the frame where it stopped; the movie is made from them at the end.
"""

import time
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

from dtvideo.files import check_input
from dtvideo.images import LoadedImage, resize
from dtvideo.signing import try_signing
from dtvideo.video import VideoInfo
from pipelines.background import Backdrop
from pipelines.base import AnimationBase
from pipelines.character_job import plain
from pipelines.clip import Clip
from pipelines.clip_settings import ClipSettings
from pipelines.deliver import (
    check_inputs,
    check_outputs,
    has_sound,
    is_there,
    left_without_sidecar,
    plates,
    publish,
    written,
)
from pipelines.empty_stage import MOVING, EmptyStage, find_empty_stage
from pipelines.enlarge import Canvas, Enlarger, choose_canvas
from pipelines.frame_state import FrameState
from pipelines.job import RenderJob
from pipelines.kept import Kept
from pipelines.load_model import clip_settings
from pipelines.motion import chosen_indices, frame_slice, open_driver
from pipelines.people_picture import save_people
from pipelines.pose_check import judge
from pipelines.prepare import Driver, load_reference, prepare_driver
from pipelines.prepared import Prepared
from pipelines.progress import Progress, SilentProgress
from pipelines.room import give_room
from pipelines.sidecar import Sidecar, digital_source_type, environment, set_threads
from pipelines.space import bytes_needed, check_space, free_bytes, in_megabytes
from pipelines.verify import is_done, read_sidecar
from pipelines.work import Work, open_work

__all__ = ["Prepared", "RenderJob", "Result", "open_clip", "plan", "prepare", "render"]


@dataclass(frozen=True)
class Result:
    """What a render left behind, and how it went."""

    movie: Path
    sidecar: Path
    sheet: Path
    frames: int
    seconds: float
    notices: tuple[str, ...]
    done_before: bool = False
    """Whether it was there already: whole and made by the same recipe, or left unread."""

    @property
    def paths(self) -> tuple[Path, ...]:
        """The movie (or the folder or pattern of frames), and what lies beside it.

        Those are the side-car and the sheet; a result that was skipped may lack them.
        """
        return self.movie, *(path for path in (self.sidecar, self.sheet) if path.exists())


@dataclass(frozen=True, eq=False)
class _Setup:
    """What is known before the reference and the motion are looked at."""

    pipeline: AnimationBase
    settings: ClipSettings
    canvas: Canvas
    loaded: LoadedImage
    info: VideoInfo | None
    sidecar: Sidecar


def render(job: RenderJob, progress: Progress | None = None, *, kept: Kept | None = None) -> Result:
    """Render one clip and return the paths of what was written.

    A job with `resume` goes on in the work folder that an earlier run left, and renders nothing
    when the result is there, whole, and made by the same recipe; one with `skip_existing` leaves
    any result that is there. kept: what an earlier render left.
    Raises: UsageError, MediaError, PoseError, ModelError, QualityError, ResourceError and
    OutputError, each before anything is published.
    """
    start = time.monotonic()
    progress, kept = progress or SilentProgress(), kept or Kept()
    check_inputs(job)
    if job.skip_existing and is_there(job):
        progress.notice(f"{job.target} exists already; skipped")
        return _result(job, Sidecar(job), frames=0, start=start, done_before=True)
    if not job.resume:
        check_outputs(job)
    with open_work(job) as work:
        setup = _set_up(job, progress, kept)
        sidecar = setup.sidecar
        first = written(job, job.target, 1)[0]
        if job.resume and is_done(job.beside(".json"), sidecar.recipe_hash, result=first):
            frames = read_sidecar(job.beside(".json"))["frames"]["count"]
            return _result(job, sidecar, frames=frames, start=start, done_before=True)
        if not work.is_publishing:
            check_outputs(job)
        recipe = {"recipe_hash": sidecar.recipe_hash, **environment()}
        work.begin(recipe, sidecar.recipe_details, again=job.overwrite)
        prepared = _prepare(job, setup, progress, kept)
        frames = len(prepared.driver)
        check_space(job, size=prepared.canvas.size, frames=frames, kept=work.frames.held)
        _tell_people(job, prepared, progress)
        with sidecar.timed("render"):
            _render_frames(job, prepared, work, progress)
        with progress.stage("write", frames) as advance:
            publish(job, prepared, work, advance)
    return _result(job, sidecar, frames=frames, start=start)


def prepare(job: RenderJob, progress: Progress) -> Prepared:
    """Check the inputs and outputs, load the model, and prepare reference and motion."""
    check_inputs(job)
    check_outputs(job)
    kept = Kept()
    return _prepare(job, _set_up(job, progress, kept), progress, kept)


def _set_up(job: RenderJob, progress: Progress, kept: Kept) -> _Setup:
    """Open the inputs and load the model; the side-car knows its recipe from here on."""
    sidecar = Sidecar(job)
    loaded, info = _open_inputs(job, sidecar)
    if job.threads is not None:
        set_threads(job.threads)
    loaded = give_room(job, loaded)
    with sidecar.timed("load model"), progress.stage("load model", None):
        pipeline, sidecar.model = kept.model(job)
    settings = clip_settings(job, pipeline)
    canvas, notices = choose_canvas(job, pipeline, loaded.size)
    sidecar.notices.extend((*pipeline.notices, *notices))
    if info is not None and not job.resume:
        frames = len(chosen_indices(job, info.frames))
        check_space(job, size=canvas.size, frames=frames)
    sidecar.settings = {
        "clip": plain(asdict(settings)),
        "size": list(canvas.size),
        "upscale": canvas.upscale,
        "threads": environment()["threads"],
        "signed": job.credentials is not None,
    }
    return _Setup(pipeline, settings, canvas, loaded, info, sidecar)


def _prepare(job: RenderJob, setup: _Setup, progress: Progress, kept: Kept) -> Prepared:
    """Prepare the reference and the motion."""
    sidecar, info = setup.sidecar, setup.info
    with sidecar.timed("read reference"), progress.stage("read reference", None):
        size = setup.canvas.size
        reference = kept.reference(job, setup.loaded, size=size, inputs=sidecar.inputs)
    with sidecar.timed("read motion"):
        driver = prepare_driver(job, info, reference.pose, progress=progress)
        stage = _find_stage(job, setup, driver, progress)
    sidecar.notices += (*reference.notices, *(info.notices if info else ()), *driver.notices)
    sidecar.notices += left_without_sidecar(job)
    for notice in sidecar.notices:
        progress.notice(notice)
    sidecar.reference = {
        "mask": reference.mask_method,
        "pose": reference.pose_method,
        "size": list(setup.canvas.size),
    }
    sidecar.driver = driver.report
    return Prepared(
        setup.pipeline,
        setup.settings,
        setup.canvas,
        reference,
        driver,
        info,
        sidecar,
        kept.features,
        stage,
    )


def _find_stage(
    job: RenderJob, setup: _Setup, driver: Driver, progress: Progress
) -> EmptyStage | None:
    """Take the dancer out of the driver where it is the background; tell where that cannot be."""
    if job.background != "driver" or setup.info is None:
        return None
    with progress.stage("read background", None):
        stage = find_empty_stage(job, setup.info, driver, size=setup.canvas.size)
    if stage is None:
        setup.sidecar.notices.append(MOVING)
    return stage


def plan(job: RenderJob, progress: Progress | None = None) -> str:
    """Check and prepare everything, render nothing, and say what would be made."""
    if job.skip_existing and is_there(job):
        return f"result      {job.target} exists already and would be skipped"
    prepared = prepare(job, progress or SilentProgress())
    driver, reference = prepared.driver, prepared.reference
    width, height = prepared.canvas.size
    seconds = float(len(driver) / driver.fitted.rate)
    sound = "with sound" if has_sound(job, prepared.info) else "without sound"
    needed = bytes_needed(job, size=prepared.canvas.size, frames=len(driver))
    lines = (
        f"result      {job.target}",
        f"beside it   {job.beside('.json').name}, {job.beside('.sheet.png').name}",
        f"frames      {len(driver)} of {width}x{height} at {driver.fitted.rate} per second, "
        f"{seconds:.2f} s, {sound}",
        f"model       {job.model}",
        f"disk        up to {in_megabytes(needed)}, {in_megabytes(free_bytes(job.target))} free",
        str(judge(reference, driver)),
    )
    return "\n".join(lines)


def _open_inputs(job: RenderJob, sidecar: Sidecar) -> tuple[LoadedImage, VideoInfo | None]:
    """Open every input that the job names, so that a wrong one is told before the model loads."""
    if job.credentials is not None:
        try_signing(job.credentials, source_type=digital_source_type(job))
    loaded = load_reference(job.reference)
    sidecar.add_input("reference", job.reference, size=list(loaded.size))
    info = None
    if job.driver is not None:
        info = open_driver(job, job.driver)
        frame_slice(job, info.frames)
        sidecar.add_input(
            "driver",
            job.driver,
            size=list(info.size),
            rate=str(info.rate),
            frames=info.frames,
            rotation=info.rotation,
            variable_rate=info.variable_rate,
            codec=info.codec,
            **({"partial_input": True} if info.is_partial else {}),
        )
    for role, path in (
        ("poses", job.poses),
        ("reference pose", job.reference_pose),
        ("reference mask", job.reference_mask),
        ("matte", Path(job.matte) if job.matte and Path(job.matte).is_file() else None),
    ):
        if path is not None:
            if not path.is_dir():
                check_input(path)
            sidecar.add_input(role, path)
    sidecar.add_detectors()
    return loaded, info


def _render_frames(job: RenderJob, prepared: Prepared, work: Work, progress: Progress) -> None:
    """Denoise, compose and keep every frame that is not in the work folder yet."""
    driver = prepared.driver
    first, latents = work.frames.resume(len(driver))
    if first == len(driver):
        return
    if first:
        progress.notice(f"goes on at frame {first} of {len(driver)}")
    backdrop = Backdrop.prepare(job.background, prepared.reference)
    enlarger = Enlarger(prepared.reference.puppet) if prepared.canvas.upscale > 1 else None
    behind = islice(plates(job, prepared, needed=job.background == "driver"), first, None)
    before = driver.fitted[first - 1] if first else None
    with (
        open_clip(job, prepared).start(FrameState(first, latents, before)) as clip,
        progress.stage("render", len(driver) - first) as advance,
    ):
        for (index, image), plate in zip(clip, behind, strict=False):
            assert clip.state.latents is not None
            pose = driver.fitted[index]
            if plate is not None and prepared.stage is not None:
                plate = prepared.stage.clear(index, plate)
            large = image if enlarger is None else enlarger.enlarge(image, pose)
            frame = backdrop.lay(large, pose, plate)
            work.frames.add(index, frame, clip.state.latents)
            advance()


def _tell_people(job: RenderJob, prepared: Prepared, progress: Progress) -> None:
    """Number the people in pictures beside the result, where there are several."""
    told = save_people(
        job, reference=prepared.reference, driver=prepared.driver, info=prepared.info
    )
    for notice in told:
        progress.notice(notice)


def open_clip(job: RenderJob, prepared: Prepared) -> Clip:
    """Return the clip that yields (index, image) for every frame of a prepared job."""
    reference, size = prepared.reference, prepared.canvas.model_size
    return prepared.pipeline.open(
        reference=resize(reference.image, size),
        mask=resize(reference.mask, size),
        reference_pose=reference.pose,
        poses=prepared.driver.fitted,
        prompt=job.prompt,
        negative_prompt=job.negative_prompt,
        settings=prepared.settings,
        features=prepared.features,
    )


def _result(
    job: RenderJob, sidecar: Sidecar, *, frames: int, start: float, done_before: bool = False
) -> Result:
    return Result(
        movie=job.target,
        sidecar=job.beside(".json"),
        sheet=job.beside(".sheet.png"),
        frames=frames,
        seconds=time.monotonic() - start,
        notices=tuple(sidecar.notices),
        done_before=done_before,
    )
