"""The main job: one picture performs one motion, from files to files.

`render` checks everything that can be checked before a model is loaded, prepares the reference
and the motion, denoises frame by frame and writes the movie, the side-car and the contact sheet.
Frames stream from the model into the file: memory does not grow with the clip.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from fractions import Fraction
from itertools import repeat
from pathlib import Path

from dtvideo.files import check_input, check_output
from dtvideo.images import LoadedImage
from dtvideo.sheet import SheetColumn, evenly_spaced, save_sheet
from dtvideo.video import FrameWriter, VideoInfo, open_writer, probe
from dtvideo.video.writers import frame_path
from pipelines.animate import AnimationPipeline, Clip, ClipSettings
from pipelines.background import Backdrop, opaque
from pipelines.job import RenderJob, is_sequence, plain
from pipelines.load_model import clip_settings, describe_model, load_model, native_side
from pipelines.motion import driving_frames, frame_slice
from pipelines.people_picture import save_people
from pipelines.prepare import (
    Driver,
    Reference,
    choose_size,
    load_reference,
    prepare_driver,
    prepare_reference,
)
from pipelines.progress import Progress, SilentProgress
from pipelines.sidecar import Sidecar, digital_source_type
from poses.render import draw_pose
from poses.types import confident

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

    @property
    def paths(self) -> tuple[Path, Path, Path]:
        """The movie (or the folder or pattern of frames), the side-car and the sheet."""
        return self.movie, self.sidecar, self.sheet


@dataclass(frozen=True, eq=False)
class Prepared:
    """Everything that the first frame needs."""

    pipeline: AnimationPipeline
    settings: ClipSettings
    size: tuple[int, int]
    reference: Reference
    driver: Driver
    info: VideoInfo | None
    sidecar: Sidecar


def render(job: RenderJob, progress: Progress | None = None) -> Result:
    """Render one clip and return the paths of what was written.

    Raises: UsageError, MediaError, PoseError, ModelError, QualityError, ResourceError and
    OutputError, each before anything is published.
    """
    start = time.monotonic()
    progress = progress or SilentProgress()
    prepared = prepare(job, progress)
    _tell_people(job, prepared, progress)
    with _timed(prepared.sidecar, "render"):
        columns = _render_frames(job, prepared, progress)
    sheet_path = job.beside(".sheet.png")
    save_sheet(sheet_path, prepared.reference.image, columns, title=job.stem)
    written = _written(job, len(prepared.driver))
    sidecar_path = prepared.sidecar.write([*written, sheet_path])
    return Result(
        movie=job.target,
        sidecar=sidecar_path,
        sheet=sheet_path,
        frames=len(prepared.driver),
        seconds=time.monotonic() - start,
        notices=tuple(prepared.sidecar.notices),
    )


def prepare(job: RenderJob, progress: Progress) -> Prepared:
    """Check the inputs and outputs, load the model, and prepare reference and motion."""
    sidecar = Sidecar(job)
    check_outputs(job)
    loaded, info = _open_inputs(job, sidecar)
    with _timed(sidecar, "load model"), progress.stage("load model", None):
        pipeline = load_model(job)
        sidecar.model = describe_model(job, pipeline)
    settings = clip_settings(job, pipeline)
    size, size_notices = choose_size(
        loaded.rgb.shape[1::-1],
        requested=job.size,
        native=native_side(pipeline),
        multiple=pipeline.size_multiple,
    )
    with _timed(sidecar, "read reference"), progress.stage("read reference", None):
        reference = prepare_reference(job, loaded, size=size)
    with _timed(sidecar, "read motion"):
        driver = prepare_driver(job, info, reference.pose, progress=progress)
    notices = (*size_notices, *reference.notices, *(info.notices if info else ()), *driver.notices)
    for notice in notices:
        progress.notice(notice)
    sidecar.notices.extend(notices)
    sidecar.reference = {
        "mask": reference.mask_method,
        "pose": reference.pose_method,
        "size": list(size),
    }
    sidecar.driver = driver.report
    sidecar.settings = {"clip": plain(asdict(settings)), "size": list(size)}
    return Prepared(pipeline, settings, size, reference, driver, info, sidecar)


def plan(job: RenderJob, progress: Progress | None = None) -> str:
    """Check and prepare everything, render nothing, and say what would be made."""
    prepared = prepare(job, progress or SilentProgress())
    driver, reference = prepared.driver, prepared.reference
    width, height = prepared.size
    seconds = float(len(driver) / driver.fitted.rate)
    sound = "with sound" if _has_sound(job, prepared.info) else "without sound"
    lines = (
        f"result      {job.target}",
        f"beside it   {job.beside('.json').name}, {job.beside('.sheet.png').name}",
        f"frames      {len(driver)} of {width}x{height} at {driver.fitted.rate} per second, "
        f"{seconds:.2f} s, {sound}",
        f"model       {job.model}",
        f"reference   mask by {reference.mask_method}, pose by {reference.pose_method}, "
        f"{confident(reference.pose.body).sum()} of 18 joints known",
        f"motion      by {driver.report['detector']}",
        f"notices     {len(prepared.sidecar.notices)}",
    )
    return "\n".join(lines)


def check_outputs(job: RenderJob) -> None:
    """Refuse to replace an input, or a result unless the job says so.

    Raises: OutputError F7.
    """
    given = (job.reference, job.driver, job.poses, job.reference_pose, job.reference_mask)
    inputs = [path for path in given if path is not None]
    first = frame_path(job.target, 0) if is_sequence(job.target) else job.target
    for path in (first, job.beside(".json"), job.beside(".sheet.png")):
        check_output(path, overwrite=job.overwrite, inputs=inputs)


def _open_inputs(job: RenderJob, sidecar: Sidecar) -> tuple[LoadedImage, VideoInfo | None]:
    """Open every input that the job names, so that a wrong one is told before the model loads."""
    loaded = load_reference(job.reference)
    sidecar.add_input("reference", job.reference, size=list(loaded.rgb.shape[1::-1]))
    info = None
    if job.driver is not None:
        info = probe(job.driver, rate=job.rate)
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
        )
    for role, path in (
        ("poses", job.poses),
        ("reference pose", job.reference_pose),
        ("reference mask", job.reference_mask),
    ):
        if path is not None:
            if role != "poses":
                check_input(path)
            sidecar.add_input(role, path)
    return loaded, info


def _render_frames(job: RenderJob, prepared: Prepared, progress: Progress) -> list[SheetColumn]:
    """Denoise, compose and write every frame; return the moments that the sheet shows."""
    driver, info = prepared.driver, prepared.info
    backdrop = Backdrop.prepare(job.background, prepared.reference)
    plates = driving_frames(job, info) if info else repeat(None)
    shown = evenly_spaced(len(driver))
    columns = []
    with (
        open_clip(job, prepared) as clip,
        _writer(job, prepared) as writer,
        progress.stage("render", len(driver)) as advance,
    ):
        for (index, image), plate in zip(clip, plates, strict=False):
            pose = driver.fitted[index]
            frame = backdrop.lay(image, pose, plate)
            writer.write(frame)
            prepared.sidecar.add_frame(frame)
            if index in shown:
                columns.append(SheetColumn(index, plate, draw_pose(pose), opaque(frame)))
            advance()
    return columns


def _tell_people(job: RenderJob, prepared: Prepared, progress: Progress) -> None:
    """Number the people in pictures beside the result, where there are several."""
    told = save_people(
        job, reference=prepared.reference, driver=prepared.driver, info=prepared.info
    )
    for notice in told:
        progress.notice(notice)


def open_clip(job: RenderJob, prepared: Prepared) -> Clip:
    """Return the clip that yields (index, image) for every frame of a prepared job."""
    reference = prepared.reference
    return prepared.pipeline.open(
        reference=reference.image,
        mask=reference.mask,
        reference_pose=reference.pose,
        poses=prepared.driver.fitted,
        prompt=job.prompt,
        negative_prompt=job.negative_prompt,
        settings=prepared.settings,
    )


def _writer(job: RenderJob, prepared: Prepared) -> FrameWriter:
    rate = prepared.driver.fitted.rate
    return open_writer(
        job.target,
        size=prepared.size,
        rate=rate,
        audio_from=job.driver if _has_sound(job, prepared.info) else None,
        audio_offset=Fraction(job.frames[0] if job.frames else 0) / rate,
        comment=f"Generated by dtvideo. digitalSourceType: {digital_source_type(job)}",
    )


def _has_sound(job: RenderJob, info: VideoInfo | None) -> bool:
    return info is not None and info.has_audio and job.audio == "copy"


def _written(job: RenderJob, count: int) -> list[Path]:
    if is_sequence(job.target):
        return [frame_path(job.target, index) for index in range(count)]
    return [job.target]


@contextmanager
def _timed(sidecar: Sidecar, name: str) -> Iterator[None]:
    start = time.monotonic()
    yield
    sidecar.timings[name] = time.monotonic() - start
