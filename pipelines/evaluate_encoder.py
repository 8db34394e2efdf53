"""Measure what a subject encoder carries: who the character is, or also where it stood.

    pipeline = open_guided("runs/encoder/export")
    report = evaluate_encoder(encoder_methods(pipeline), PictureEvaluation())
    print(report.table())

Unseen characters of the drawn world are asked for by their own words. Of their look nothing else is
told: no self-subject attention, no coarse frame, no pose. A depth ControlNet tells the layout that
is wanted, or nothing does.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

import dtvideo.metrics as metrics
from dtvideo.files import write_json
from dtvideo.models.controlnets import find_controlnet, load_controlnet
from dtvideo.models.sources import find_model
from dtvideo.sheet import save_picture_sheet
from dtvideo.toon.picture_trials import PictureTrial, picture_trials
from dtvideo.toon.portraits import layout_picture
from dtvideo.toon.world import Drawing
from pipelines.base import AnimationBase
from pipelines.clip import open_renderer
from pipelines.clip_settings import ClipSettings
from pipelines.evaluate_generate import PictureEvaluation, PictureJudges, score_picture
from pipelines.frame_state import FrameState, Subject
from pipelines.load_model import DEPTH, load_pipeline
from pipelines.report import ClipScores, Report
from pipelines.variants import changed

Image = UInt8[np.ndarray, "h w 3"]
Progress = Callable[[str, int, int], None]
Method = Callable[[PictureTrial, Drawing, bool], Image]
"""(what is asked for, another character, whether the layout is told) -> picture."""

TOLD, NOT_TOLD = "layout told", "not told"
WITHOUT, WITH, OF_ANOTHER = "without", "encoder", "encoder, another's picture"
SHOWN = 6
"""Characters on the sheet."""


def open_guided(model: str, depth_controlnet: str | None = None) -> AnimationBase:
    """Load a model that is told layouts by depth alone: the named ControlNet's, or its own.

    Raises: as `load_pipeline`; ModelError M1 when there is no ControlNet for depth.
    """
    pipeline = load_pipeline(model, needs_controlnet=False)
    path = find_controlnet(depth_controlnet, model=find_model(model).path, part=DEPTH)
    guide = load_controlnet(path, unet=pipeline.unet, dtype=pipeline.unet.dtype)
    pipeline.register_modules(controlnet=None, depth_controlnet=guide.to(pipeline.unet.device))
    return pipeline


def encoder_methods(pipeline: AnimationBase, *, beta: float = 1.0) -> dict[str, Method]:
    """Return the ways to ask a model: without its encoder, with it, and misled by it."""
    alone = changed(
        pipeline.default_settings,
        coarse=False,
        reference_weight=0.0,
        previous_weight=0.0,
        shared_noise=0.0,
    )
    shown = changed(alone, beta=beta)
    return {
        "truth": lambda trial, other, told: trial.requests[0].truth.image,
        "reference": lambda trial, other, told: trial.reference.image,
        WITHOUT: _render_with(pipeline, changed(alone, beta=0.0)),
        WITH: _render_with(pipeline, shown),
        OF_ANOTHER: _render_with(pipeline, shown, misled=True),
    }


def _render_with(
    pipeline: AnimationBase, settings: ClipSettings, *, misled: bool = False
) -> Method:
    """Return the method that renders what is asked for; misled: another character is shown."""

    def render(trial: PictureTrial, other: Drawing, told: bool) -> Image:
        asked, shown = trial.requests[0], other if misled else trial.reference
        subject = Subject(shown.image, shown.mask, shown.pose, prompt=asked.words)
        depth = layout_picture(asked.truth) if told else None
        with open_renderer(pipeline, subject, settings=settings) as renderer:
            return renderer.render(asked.truth.pose, FrameState(), depth=depth)[0]

    return render


def evaluate_encoder(
    methods: Mapping[str, Method],
    settings: PictureEvaluation,
    *,
    output: Path | None = None,
    progress: Progress | None = None,
) -> Report:
    """Ask every method for unseen characters, in a layout that is told or not, and measure them.

    output: folder for a sheet of the first characters in the layout told, and `results.json`.
    """
    size = (settings.size, settings.size)
    trials = list(picture_trials(settings.clips + 1, seed=settings.seed, size=size))
    scores: list[ClipScores] = []
    cells: list[tuple[str, Image]] = []
    for index, (trial, following) in enumerate(pairwise(trials)):
        for name, method in methods.items():
            made = [method(trial, following.reference, told) for told in (True, False)]
            scores.append(_score(name, trial, *made))
            cells += [(name, made[0])] if index < SHOWN else []
        if progress is not None:
            progress("evaluate", index + 1, settings.clips)
    report = Report(tuple(scores), (TOLD, NOT_TOLD), {"settings": asdict(settings)})
    if output is not None:
        save_picture_sheet(output / "sheet.png", None, cells, columns=len(methods))
        write_json(output / "results.json", report.as_plain())
    return report


def _score(name: str, trial: PictureTrial, told: Image, not_told: Image) -> ClipScores:
    """Measure a picture in the layout told by colours too, one that was free by layout alone."""
    asked = trial.requests[0]
    of_layout = [
        {"layout": layout_followed(image, asked.truth, trial.reference)}
        for image in (told, not_told)
    ]
    of_look = score_picture(told, trial, asked, PictureJudges())
    figure = metrics.foreground_psnr(told, asked.truth.image, mask=asked.truth.mask)
    first = {"foreground_psnr": figure, **of_look, **of_layout[0]}
    return ClipScores(name, trial.name, ((TOLD,), (NOT_TOLD,)), (first, of_layout[1]), {})


def layout_followed(image: Image, asked: Drawing, reference: Drawing) -> float:
    """Return whose layout a picture has: 1 the one asked for, -1 the reference's, 0 neither's.

    It is where the picture lies on the straight way from one drawing to the other, over the places
    that the figure covers in one of them only; those of either drawing count half.
    """
    ours, theirs = asked.mask > 0.5, reference.mask > 0.5
    either = np.stack([ours & ~theirs, theirs & ~ours]).astype(np.float64)
    shares = either / np.maximum(either.sum(axis=(1, 2), keepdims=True), 1)
    weights = shares.sum(axis=0)[..., None]
    goal, start = (drawing.image.astype(np.float64) for drawing in (asked, reference))
    way = goal - start
    done = (weights * way * (image - (goal + start) / 2)).sum()
    return float(2 * done / max((weights * way**2).sum(), 1e-9))
