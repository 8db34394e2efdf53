"""Measure methods against the truth of the drawn world.

    report = evaluate_toon({"coarse": coarse_reference}, ToonEvaluation(clips=40), output=folder)
    print(report.table())

Pictures are written in DisCo's layout (pred/<method>/<clip>/0000.png, gt/<clip>/0000.png), so
that scripts which know it run on them unchanged. Frames are measured as they come, so that the
length of a clip costs no memory.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8

from dtvideo.errors import MediaError, UsageError
from dtvideo.files import write_json
from dtvideo.images import resize, save_png
from dtvideo.latents import decode_latents, encode_picture
from dtvideo.puppet import Puppet, thin_plate_warp
from dtvideo.toon.trials import (
    VIEWS,
    Trial,
    other_body_trials,
    pose_distance,
    toon_trials,
)
from dtvideo.toon.world.draw import Drawing
from pipelines.enlarge import Enlarger
from pipelines.judges import Judges
from pipelines.report import ALL_VIEWS, ClipScores, Report
from pipelines.scoring import ClipMeter

Image = UInt8[np.ndarray, "h w 3"]
Method = Callable[[Trial], Iterable[Image]]
Progress = Callable[[str, int, int], None]

OTHER_BODY = ", other body"
AUTOENCODER = "autoencoder"
WITHOUT_POSES = ("copy", AUTOENCODER)
"""Methods that do not look at the poses, for whom another body changes nothing."""
HISTOGRAM_EDGES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8, 1.2)


@dataclass(frozen=True)
class ToonEvaluation:
    """What is drawn for an evaluation; the same settings always give the same clips."""

    clips: int = 40
    """Characters, each with one motion."""
    frames: int = 8
    """Frames of each clip."""
    size: int = 128
    """Side of the square pictures that models make, in pixels."""
    upscale: int = 1
    """How many times larger what is drawn and measured is."""
    seed: int = 0
    """Which list of clips."""
    other_body: bool = False
    """Each clip twice: driven by its own key points, and by another body's fitted to it."""

    def __post_init__(self) -> None:
        at_least = {"clips": 1, "frames": 2, "size": 32, "upscale": 1, "seed": 0}
        for name, least in at_least.items():
            if getattr(self, name) < least:
                raise UsageError("M11", name, f"is {getattr(self, name)}", f"give {least} or more")

    def trials(self) -> Iterator[dict[str, Trial]]:
        """Draw each clip: its trials, by what the names of methods end with in their rows."""
        size = (self.size * self.upscale, self.size * self.upscale)
        if not self.other_body:
            for trial in toon_trials(self.clips, self.frames, seed=self.seed, size=size):
                yield {"": trial}
            return
        pairs = other_body_trials(self.clips, self.frames, seed=self.seed, size=size)
        for own, other in pairs:
            yield {"": own, OTHER_BODY: other}


def copy_reference(trial: Trial) -> Iterator[Image]:
    """Show the reference again and again: the floor of every measure."""
    return (trial.reference.image for _ in trial.truths)


def warp_reference(trial: Trial) -> Iterator[Image]:
    """Bend the reference by a thin-plate spline through its key points."""
    reference = trial.reference
    return (thin_plate_warp(reference.image, reference.pose, pose) for pose in trial.poses)


def coarse_reference(trial: Trial) -> Iterator[Image]:
    """Move the reference's limbs like a paper puppet's."""
    puppet = _puppet(trial.reference)
    return (puppet.frame(pose) for pose in trial.poses)


BASELINES: dict[str, Method] = {
    "copy": copy_reference,
    "warp": warp_reference,
    "coarse": coarse_reference,
}


def pipeline_method(pipeline: Any, *, upscale: int = 1, **options: Any) -> Method:
    """Return the method that renders a trial with an `AnimationPipeline`.

    upscale: how many times larger than the model's own pictures those of the trial are; frames
    are enlarged as those of a render are. options: further arguments of the pipeline's `open`,
    for example settings.
    """

    def render(trial: Trial) -> Iterator[Image]:
        reference = trial.reference
        height, width = (side // upscale for side in reference.image.shape[:2])
        enlarger = Enlarger(_puppet(reference)) if upscale > 1 else None
        clip = pipeline.open(
            reference=resize(reference.image, (width, height)),
            mask=resize(reference.mask, (width, height)),
            reference_pose=reference.pose,
            poses=trial.poses,
            prompt=trial.caption,
            **options,
        )
        with clip:
            for index, image in clip:
                yield image if enlarger is None else enlarger.enlarge(image, trial.poses[index])

    return render


def _puppet(drawing: Drawing) -> Puppet:
    return Puppet.prepare(drawing.image, drawing.mask, drawing.pose)


def autoencoder_method(pipeline: Any) -> Method:
    """Return the method that sends the truth through a pipeline's autoencoder: its ceiling."""

    @torch.inference_mode()
    def there_and_back(image: Image) -> Image:
        latents = encode_picture(pipeline.vae, image, device=pipeline._execution_device)
        return decode_latents(pipeline.vae, latents, frame=0)

    return lambda trial: (there_and_back(truth.image) for truth in trial.truths)


def evaluate_toon(
    methods: Mapping[str, Method],
    settings: ToonEvaluation,
    *,
    output: Path | None = None,
    judges: Judges | None = None,
    progress: Progress | None = None,
) -> Report:
    """Render every trial with every method and measure it against the truth.

    methods: by the name in the report, for example BASELINES and `pipeline_method(...)`.
    output: folder for the pictures and `results.json`; None keeps nothing.
    judges: further measures of each frame. progress: called with what is going on, what is
    done and what there is to do.
    """
    scores: list[ClipScores] = []
    distances: list[float] = []
    for index, trials in enumerate(settings.trials()):
        trial = trials[""]
        if output is not None:
            for number, truth in enumerate(trial.truths):
                save_png(_frame_path(output / "gt" / trial.name, number), truth.image)
        distances += [pose_distance(trial.reference.pose, pose) for pose in trial.poses]
        scores += [
            _score_trial(f"{name}{ending}", each, method(each), judges or Judges(), output)
            for ending, each in trials.items()
            for name, method in methods.items()
            if not (ending and name in WITHOUT_POSES)
        ]
        if progress is not None:
            progress("evaluate", index + 1, settings.clips)
    about = {"settings": asdict(settings), "pose_distances": _histogram(distances)}
    report = Report(tuple(scores), views=(*VIEWS, ALL_VIEWS), about=about)
    if output is not None:
        write_json(output / "results.json", report.as_plain())
    return report


def _score_trial(
    method: str, trial: Trial, frames: Iterable[Image], judges: Judges, folder: Path | None
) -> ClipScores:
    """Measure a trial's frames as they are rendered, and keep them where there is a folder."""
    meter = ClipMeter()
    given = 0
    for given, frame in enumerate(frames, start=1):
        if given > len(trial.truths):
            break
        truth, index = trial.truths[given - 1], given - 1
        scores = meter.add(frame, truth.image, truth.mask, **judges.further(trial, index, frame))
        judges.watch(method, trial, index, frame, scores)
        if folder is not None:
            save_png(_frame_path(folder / "pred" / method / trial.name, index), frame)
    if given != len(trial.truths):
        raise MediaError(
            "V15",
            f"{method}, clip {trial.name}",
            f"gave {'more than ' if given > len(trial.truths) else ''}"
            f"{min(given, len(trial.truths))} frames for {len(trial.truths)} poses",
            "one frame per pose is needed",
        )
    return ClipScores(
        method=method,
        clip=trial.name,
        views=tuple((view, ALL_VIEWS) for view in trial.views),
        frames=tuple(meter.frames),
        whole=meter.whole(),
    )


def _histogram(distances: Sequence[float]) -> dict[str, Any]:
    """Return how many frames are how far from the reference's pose, in torso lengths."""
    known = np.asarray(distances)[np.isfinite(distances)]
    edges = [*HISTOGRAM_EDGES, np.inf]
    counts, _ = np.histogram(known, edges)
    return {"edges": list(HISTOGRAM_EDGES), "counts": counts.tolist()}


def _frame_path(folder: Path, index: int) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{index:04d}.png"
