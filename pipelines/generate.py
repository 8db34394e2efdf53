"""Pictures of a character from words (stage 2 of arXiv:2312.13691), from files to files.

`generate` prepares the reference as the main job does and renders each picture as a frame that
has no previous one; the reference's features are computed once for all of them. A Stable
Diffusion model gets no layout unless there is a pose, so that words alone say what is shown. A
coarse-conditioned model always needs a pose: without one it keeps the reference's own.
"""

import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from dtvideo.files import check_input, check_output, write_json
from dtvideo.images import LoadedImage, picture_files, resize, save_png
from dtvideo.sheet import save_picture_sheet, thumbnail
from pipelines.base import AnimationBase
from pipelines.character_job import plain
from pipelines.clip import open_renderer
from pipelines.clip_settings import ClipSettings
from pipelines.depths import Depths
from pipelines.enlarge import Canvas, Enlarger, choose_canvas
from pipelines.frame_state import FrameState, Subject
from pipelines.generate_job import GenerateJob
from pipelines.load_model import clip_settings, describe_model, load_model
from pipelines.prepare import Reference, load_reference, prepare_reference
from pipelines.progress import Progress, SilentProgress
from pipelines.sidecar import Sidecar, environment, set_threads
from poses.io import read_pose
from poses.retarget import retarget
from poses.types import Pose, PoseSequence

Picture = UInt8[np.ndarray, "h w 3"]


@dataclass(frozen=True)
class Generated:
    """What a job left behind, and how it went."""

    pictures: tuple[Path, ...]
    sidecar: Path
    sheet: Path
    seconds: float
    notices: tuple[str, ...]

    @property
    def paths(self) -> tuple[Path, ...]:
        """The pictures, the side-car and the sheet."""
        return *self.pictures, self.sidecar, self.sheet


@dataclass(frozen=True, eq=False)
class Studio:
    """Everything that the first picture needs.

    canvas: how large the pictures are; `reference` and `pose` are told at this size, `subject`
    and `depths` at the model's. pose: what the character is to take. depths: how near everything
    is to be, for the pictures in turn. guide: the model's ControlNet, also where the pipeline
    goes without.
    """

    pipeline: AnimationBase
    settings: ClipSettings
    canvas: Canvas
    reference: Reference
    subject: Subject
    pose: Pose
    depths: Depths
    sidecar: Sidecar
    guide: Any

    def depth(self, seed: int) -> Picture | None:
        """Return how near everything is to be in a picture: a function of its number alone."""
        return self.depths[seed % len(self.depths)] if self.depths else None


def generate(job: GenerateJob, progress: Progress | None = None) -> Generated:
    """Make the pictures of a job, a side-car and a contact sheet.

    Raises: UsageError, MediaError, PoseError, ModelError, QualityError, ResourceError and
    OutputError.
    """
    start = time.monotonic()
    progress = progress or SilentProgress()
    studio = open_studio(job, progress)
    labelled = []
    with progress.stage("render", job.count) as advance:
        for seed, image in draw_pictures(studio, job.seeds):
            save_png(job.picture(seed), image)
            studio.sidecar.add_frame(image)
            labelled.append((f"seed {seed}", thumbnail(image)))
            advance()
    return _publish(job, studio, labelled, start=start)


def open_studio(job: GenerateJob, progress: Progress) -> Studio:
    """Check inputs and outputs, load the model, and prepare the reference and the pose."""
    loaded, sidecar = _open_inputs(job)
    if job.pose is not None:
        read_pose(job.pose)  # what is wrong with it is told before the model loads
    if job.threads is not None:
        set_threads(job.threads)
    with progress.stage("load model", None):
        pipeline = load_model(job, needs_controlnet=job.pose is not None)
        guide = pipeline.controlnet
        if job.pose is None and not pipeline.is_coarse_conditioned:
            pipeline.register_modules(controlnet=None)
        sidecar.model = describe_model(job, pipeline)
        sidecar.notices += pipeline.notices
    settings = clip_settings(job, pipeline)
    with progress.stage("read reference", None):
        canvas, notices = choose_canvas(job, pipeline, loaded.rgb.shape[1::-1])
        sidecar.notices += notices
        reference, pose = _prepare(job, loaded, canvas, sidecar)
        depths = Depths(job.depth, canvas.model_size)
        sidecar.notices += depths.notices
    for notice in sidecar.notices:
        progress.notice(notice)
    sidecar.settings = {
        "clip": plain(asdict(settings)),
        "size": list(canvas.size),
        "upscale": canvas.upscale,
        "threads": environment()["threads"],
    }
    subject = _subject(job, reference, canvas.model_size)
    pipeline.check_inputs(subject, settings)
    return Studio(pipeline, settings, canvas, reference, subject, pose, depths, sidecar, guide)


def draw_pictures(
    studio: Studio, seeds: Iterable[int], *, prompt: str | None = None
) -> Iterator[tuple[int, Picture]]:
    """Yield each seed with its picture; no picture sees another one.

    prompt: instead of the job's own.
    """
    subject = studio.subject if prompt is None else replace(studio.subject, prompt=prompt)
    enlarger = Enlarger(studio.reference.puppet) if studio.canvas.upscale > 1 else None
    with open_renderer(studio.pipeline, subject, settings=studio.settings) as renderer:
        for seed in seeds:
            state, depth = FrameState(index=seed), studio.depth(seed)
            image = renderer.render(studio.pose, state, depth=depth)[0]
            yield seed, image if enlarger is None else enlarger.enlarge(image, studio.pose)


def _subject(job: GenerateJob, reference: Reference, size: tuple[int, int]) -> Subject:
    """Return the character as a job tells it, at the model's size."""
    return Subject(
        reference=resize(reference.image, size),
        mask=resize(reference.mask, size) if job.mask else None,
        pose=reference.pose,
        prompt=job.prompt,
        negative_prompt=job.negative_prompt,
        caption=job.prompt if job.reference_prompt is None else job.reference_prompt,
    )


def _open_inputs(job: GenerateJob) -> tuple[LoadedImage, Sidecar]:
    """Open every input and refuse outputs that are there, before a model is loaded."""
    inputs = {role: path for role, path in job.input_paths.items() if path is not None}
    for path in (*map(job.picture, job.seeds), job.beside(".json"), job.beside(".sheet.png")):
        check_output(path, overwrite=job.overwrite, inputs=inputs.values())
    sidecar = Sidecar(job)
    loaded = load_reference(job.reference)
    for role, given in inputs.items():
        for path in picture_files(given) if role == "depth" else (given,):
            check_input(path)
        sidecar.add_input(role, given)
    sidecar.add_detectors()
    return loaded, sidecar


def _prepare(
    job: GenerateJob, loaded: LoadedImage, canvas: Canvas, sidecar: Sidecar
) -> tuple[Reference, Pose]:
    """Return the reference on the working canvas and the pose to take, fitted to it."""
    reference = prepare_reference(job, loaded, size=canvas.size)
    sidecar.notices += reference.notices
    sidecar.reference = {
        "mask": reference.mask_method,
        "pose": reference.pose_method,
        "size": list(canvas.size),
    }
    if job.pose is None:
        return reference, reference.pose
    wanted = PoseSequence.from_poses([read_pose(job.pose, size=canvas.size)])
    fitted, report = retarget(wanted, reference.pose)
    sidecar.notices += report.warnings
    return reference, fitted[0]


def _publish(
    job: GenerateJob, studio: Studio, labelled: list[tuple[str, Picture]], *, start: float
) -> Generated:
    """Write the sheet of labelled thumbnails and, when all is there, the side-car."""
    sidecar = studio.sidecar
    pictures = tuple(job.picture(seed) for seed in job.seeds)
    sheet, told = job.beside(".sheet.png"), job.beside(".json")
    title = job.prompt or job.reference.stem
    save_picture_sheet(sheet, studio.reference.image, labelled, title=title)
    sidecar.timings["all"] = time.monotonic() - start
    write_json(told, sidecar.document((*pictures, sheet)))
    return Generated(pictures, told, sheet, sidecar.timings["all"], tuple(sidecar.notices))
