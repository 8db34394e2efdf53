"""Measure what is gained by teaching a model a character that it draws badly.

    report = evaluate_subject("toon", SubjectTraining("character"), SubjectEvaluation())
    print(report.table())

Of unseen characters of the drawn world those are taken that the model draws worst, each is taught
by `train_subject` from one picture, and the model renders it before and after in the same poses,
which played no part in the choice. How right they are is known, for the truth is drawn.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from jaxtyping import UInt8

import dtvideo.metrics as metrics
from dtvideo.errors import UsageError
from dtvideo.files import write_json
from dtvideo.images import save_png
from dtvideo.sheet import save_picture_sheet
from dtvideo.toon.picture_trials import PictureTrial
from dtvideo.toon.subject_trials import SubjectTrial, subject_trials
from pipelines.base import AnimationBase
from pipelines.clip import open_renderer
from pipelines.clip_settings import ClipSettings
from pipelines.evaluate_generate import PictureJudges, score_picture
from pipelines.frame_state import FrameState, Subject
from pipelines.generate_job import GenerateJob
from pipelines.load_model import load_pipeline
from pipelines.progress import Progress
from pipelines.report import GAINS, ClipScores, Report, plain_interval
from pipelines.subject_settings import TOKEN, SubjectTraining
from pipelines.train_subject import train_subject
from pipelines.variants import changed
from poses.io import write_clip
from poses.types import PoseSequence

Image = UInt8[np.ndarray, "h w 3"]
Pictures = Mapping[tuple[str, str, str], Sequence[Image]]
"""By method, way and character."""

ANIMATED, BARE = "as animate", "no coarse frame"
BEFORE, AFTER = "before", "after"
OF_ANOTHER, UNSAID = "taught another", f"taught another, {TOKEN} unsaid"


@dataclass(frozen=True)
class SubjectEvaluation:
    """What is drawn for an evaluation; the same settings always give the same characters."""

    characters: int = 4
    """Those that the model draws worst, and is taught."""
    among: int = 32
    """Characters among which these are chosen."""
    frames: int = 4
    """Poses of a character that are measured; by as many others it is chosen."""
    size: int = 128
    """Side of the square pictures in pixels."""
    seed: int = 0
    """Which list of characters."""
    regular: int = 8
    """Regular pictures of a training."""

    def __post_init__(self) -> None:
        least = {"characters": 1, "frames": 1, "size": 32, "seed": 0, "regular": 1}
        for name, low in {**least, "among": self.characters}.items():
            if getattr(self, name) < low:
                raise UsageError("M11", name, f"is {getattr(self, name)}", f"give {low} or more")


def evaluate_subject(
    model: str,
    training: SubjectTraining,
    settings: SubjectEvaluation,
    *,
    progress: Progress,
    output: Path | None = None,
) -> Report:
    """Teach a model the characters that it draws worst, and measure it before and after.

    training: of which the class is that of each character. output: folder that keeps the
    models, a sheet and `results.json`; what is taught there already is not taught again.
    Raises: as `train_subject`.
    """
    pipeline = load_pipeline(model)
    ways = ways_to_render(pipeline)
    ranked = rank(pipeline, settings, progress)
    worst = [trial for _, trial in ranked[: settings.characters]]
    frames = range(settings.frames, 2 * settings.frames)
    pictures = {
        (BEFORE, way, trial.name): render_trial(pipeline, trial, frames, settings=one)
        for way, one in ways.items()
        for trial in worst
    }
    with _folder(output) as folder:
        for index, trial in enumerate(worst):
            progress.notice(f"{trial.name}: {trial.scene.caption}")
            taught = load_pipeline(str(teach(trial, model, training, settings, folder, progress)))
            others = worst[index - 1 : index] or worst[-1:]
            pictures |= _render_taught(taught, trial, others[0], frames, ways)
    ranking = [{"name": trial.name, "foreground_psnr": figure} for figure, trial in ranked]
    about = {
        "model": model,
        "settings": asdict(settings),
        "training": asdict(training),
        "ranking": ranking,
    }
    report = Report(tuple(_scores(worst, pictures, frames, tuple(ways))), tuple(ways), about)
    if output is not None:
        _save_sheet(output / "sheet.png", worst, pictures, frames[0], tuple(ways))
        write_json(output / "results.json", {**report.as_plain(), "gains": _gains(report)})
    return report


def ways_to_render(pipeline: AnimationBase) -> dict[str, ClipSettings]:
    """Return the model's own settings for single frames, and those without a coarse frame."""
    own = changed(pipeline.default_settings, previous_weight=0.0)
    if not pipeline.is_coarse_conditioned:
        return {ANIMATED: own}
    return {ANIMATED: own, BARE: changed(own, coarse=False)}


def rank(
    pipeline: AnimationBase, settings: SubjectEvaluation, progress: Progress
) -> list[tuple[float, SubjectTrial]]:
    """Return all characters and how well a model draws them, the worst first.

    The figure is the mean foreground dB of the first half of a character's poses, as `animate`
    renders them; the second half is what is measured.
    """
    found = []
    size, own = (settings.size, settings.size), ways_to_render(pipeline)[ANIMATED]
    trials = subject_trials(settings.among, 2 * settings.frames, seed=settings.seed, size=size)
    with progress.stage("choose", settings.among) as advance:
        for trial in trials:
            made = render_trial(pipeline, trial, range(settings.frames), settings=own)
            truths = map(trial.truth, range(settings.frames))
            figures = [
                metrics.foreground_psnr(image, truth.image, mask=truth.mask)
                for image, truth in zip(made, truths, strict=True)
            ]
            found.append((float(np.mean(figures)), trial))
            advance()
    return sorted(found, key=lambda each: each[0])


def render_trial(
    pipeline: AnimationBase,
    trial: SubjectTrial,
    frames: range,
    *,
    settings: ClipSettings,
    is_named: bool = False,
) -> list[Image]:
    """Render some of a character's poses; is_named: [S*] is in the words."""
    words = f"{trial.scene.caption} {TOKEN}" if is_named else trial.scene.caption
    shown = trial.reference
    subject = Subject(shown.image, shown.mask, shown.pose, prompt=words, caption=words)
    with open_renderer(pipeline, subject, settings=settings) as renderer:
        return [
            renderer.render(trial.truth(index).pose, FrameState(index=index))[0] for index in frames
        ]


def teach(
    trial: SubjectTrial,
    model: str,
    training: SubjectTraining,
    settings: SubjectEvaluation,
    folder: Path,
    progress: Progress,
) -> Path:
    """Teach a model the character of a trial from its picture; return the new model's folder.

    What was begun in the same way goes on; what is finished is only written again.
    """
    job = GenerateJob(
        reference=folder / f"{trial.name}.png",
        reference_pose=folder / f"{trial.name}.pose.json",
        reference_mask=folder / f"{trial.name}.mask.png",
        model=model,
        prompt=trial.scene.caption,
        count=settings.regular,
        size=(settings.size, settings.size),
        dtype="float32",
        output=folder / trial.name,
    )
    _write_inputs(job, trial)
    own = replace(training, class_word=trial.class_word)
    return train_subject(own, job, report=progress.notice)


def _write_inputs(job: GenerateJob, trial: SubjectTrial) -> None:
    """Write a trial's picture and the truth about it, which is not measured here."""
    shown = trial.reference
    grey = (shown.mask * 255).round().astype(np.uint8)
    save_png(job.reference, shown.image)
    if job.reference_mask is not None and job.reference_pose is not None:
        save_png(job.reference_mask, np.repeat(grey[..., None], 3, axis=2))
        write_clip(PoseSequence.from_poses([shown.pose]), job.reference_pose)


def _render_taught(
    taught: AnimationBase,
    trial: SubjectTrial,
    other: SubjectTrial,
    frames: range,
    ways: Mapping[str, ClipSettings],
) -> dict[tuple[str, str, str], list[Image]]:
    """Render the character that a model was taught, and one that it was not."""
    asked = [(AFTER, trial, True)]
    if other is not trial:
        asked += [(OF_ANOTHER, other, True), (UNSAID, other, False)]
    return {
        (method, way, each.name): render_trial(
            taught, each, frames, settings=settings, is_named=is_named
        )
        for way, settings in ways.items()
        for method, each, is_named in asked
    }


@contextmanager
def _folder(output: Path | None) -> Iterator[Path]:
    """Yield where models go: the folder that is to be kept, or one that is gone afterwards."""
    if output is not None:
        output.mkdir(parents=True, exist_ok=True)
        yield output
        return
    with TemporaryDirectory(prefix="dtvideo-subject-") as folder:
        yield Path(folder)


def _scores(
    trials: Sequence[SubjectTrial], pictures: Pictures, frames: range, ways: tuple[str, ...]
) -> Iterator[ClipScores]:
    """Yield the measures of every picture, method by method."""
    asked = {trial.name: [trial.picture(index) for index in frames] for trial in trials}
    for method in dict.fromkeys(method for method, _, _ in pictures):
        for name, truths in asked.items():
            rows = [
                ((way,), _score(image, truth))
                for way in ways
                for image, truth in zip(pictures[method, way, name], truths, strict=True)
            ]
            views, scores = zip(*rows, strict=True)
            yield ClipScores(method, name, views, scores, {})


def _score(image: Image, asked: PictureTrial) -> dict[str, float]:
    request = asked.requests[0]
    truth = request.truth
    return {
        "foreground_psnr": metrics.foreground_psnr(image, truth.image, mask=truth.mask),
        "ssim": metrics.ssim(image, truth.image),
        **score_picture(image, asked, request, PictureJudges()),
    }


def _gains(report: Report) -> list[dict[str, Any]]:
    """Return how much each method is above the model before, pair by pair, as plain data."""
    return [
        {
            "method": method,
            "view": view,
            "measure": measure,
            **plain_interval(report.gain(measure, method=method, base=BEFORE, view=view)),
        }
        for method in report.methods
        for view in report.views
        for measure in (name for name in GAINS if name in report.measures)
        if method != BEFORE
    ]


def _save_sheet(
    path: Path,
    trials: Sequence[SubjectTrial],
    pictures: Pictures,
    frame: int,
    ways: tuple[str, ...],
) -> None:
    """Write one row for each character: its picture, the truth, and the model before and after."""
    cells: list[tuple[str, Image]] = []
    for trial in trials:
        cells += [("reference", trial.reference.image), ("truth", trial.truth(frame).image)]
        for way in ways:
            label = "" if way == ANIMATED else f", {way}"
            cells += [
                (f"{method}{label}", pictures[method, way, trial.name][0])
                for method in (BEFORE, AFTER)
            ]
    save_picture_sheet(path, None, cells, columns=2 + 2 * len(ways))
