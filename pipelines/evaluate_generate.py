"""Measure pictures from words: do they follow the words, do they keep the character?

    report = evaluate_generate({"toon": studio_method(pipeline, settings)}, PictureEvaluation())
    print(report.table())

On the drawn world this is known exactly: which colour each part should have, and where it lies. Of
pictures that `dtvideo generate` made of anyone's character, `evaluate_folders_of_pictures` asks
the models of the paper's protocol: CLIP-T, CLIP-I and DINO.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

import dtvideo.metrics as metrics
from dtvideo.errors import MediaError, UsageError
from dtvideo.files import write_json
from dtvideo.images import load_image, save_png
from dtvideo.models.index import read_json
from dtvideo.puppet import Puppet
from dtvideo.toon.attributes import ColouredPart
from dtvideo.toon.picture_trials import REQUESTS, PictureTrial, Request, picture_trials
from pipelines.base import AnimationBase
from pipelines.clip import open_renderer
from pipelines.clip_settings import ClipSettings
from pipelines.frame_state import FrameState, Subject
from pipelines.likeness import Likeness
from pipelines.report import ALL_VIEWS, ClipScores, Report
from pipelines.scoring import pose_share
from pipelines.sidecar import SCHEMA
from pipelines.subject_settings import TOKEN
from pipelines.variants import changed
from poses.detectors import PoseDetector

Image = UInt8[np.ndarray, "h w 3"]
Method = Callable[[PictureTrial, Request], Iterable[Image]]
Progress = Callable[[str, int, int], None]

KEPT = 10.0
"""CIEDE2000 up to which a part counts as kept: a shade of the same colour."""


@dataclass(frozen=True)
class PictureEvaluation:
    """What is drawn for an evaluation; the same settings always give the same characters."""

    clips: int = 40
    """Characters, each asked for by its own words and with one colour changed."""
    size: int = 128
    """Side of the square pictures in pixels."""
    seed: int = 0
    """Which list of characters."""

    def __post_init__(self) -> None:
        for name, least in (("clips", 1), ("size", 32), ("seed", 0)):
            if getattr(self, name) < least:
                raise UsageError("M11", name, f"is {getattr(self, name)}", f"give {least} or more")


@dataclass(frozen=True, eq=False)
class PictureJudges:
    """Further questions to each picture: a pose detector's, and those of CLIP and DINO."""

    detector: PoseDetector | None = None
    likeness: Likeness | None = None


def true_pictures(trial: PictureTrial, request: Request) -> Iterator[Image]:
    """Show what was asked for: the ceiling of every measure."""
    yield request.truth.image


def coarse_pictures(trial: PictureTrial, request: Request) -> Iterator[Image]:
    """Move the reference's limbs into the pose, deaf to all words."""
    reference = trial.reference
    puppet = Puppet.prepare(reference.image, reference.mask, reference.pose)
    yield puppet.frame(request.truth.pose)


BASELINES: dict[str, Method] = {"truth": true_pictures, "coarse": coarse_pictures}


def picture_settings(default: ClipSettings, reference_weight: float) -> ClipSettings:
    """Return a model's settings for pictures that do not see each other."""
    return changed(
        default, previous_weight=0.0, shared_noise=0.0, reference_weight=reference_weight
    )


def studio_method(pipeline: AnimationBase, settings: ClipSettings, *, pictures: int = 1) -> Method:
    """Return the method that makes pictures as `dtvideo generate` does, numbered from 0."""

    def render(trial: PictureTrial, request: Request) -> Iterator[Image]:
        reference = trial.reference
        subject = Subject(
            reference=reference.image,
            mask=reference.mask,
            pose=reference.pose,
            prompt=request.words,
            caption=trial.caption,
        )
        with open_renderer(pipeline, subject, settings=settings) as renderer:
            for seed in range(pictures):
                yield renderer.render(request.truth.pose, FrameState(index=seed))[0]

    return render


def evaluate_generate(
    methods: Mapping[str, Method],
    settings: PictureEvaluation,
    *,
    output: Path | None = None,
    judges: PictureJudges | None = None,
    progress: Progress | None = None,
) -> Report:
    """Ask every method for every picture of the drawn world and measure it against the truth.

    methods: by the name in the report. output: folder for the pictures and `results.json`.
    """
    scores: list[ClipScores] = []
    size = (settings.size, settings.size)
    trials = picture_trials(settings.clips, seed=settings.seed, size=size)
    for index, trial in enumerate(trials):
        scores += [
            _score_trial(name, trial, method, judges or PictureJudges(), output)
            for name, method in methods.items()
        ]
        if progress is not None:
            progress("evaluate", index + 1, settings.clips)
    report = Report(tuple(scores), views=REQUESTS, about={"settings": asdict(settings)})
    if output is not None:
        write_json(output / "results.json", report.as_plain())
    return report


def _score_trial(
    name: str, trial: PictureTrial, method: Method, judges: PictureJudges, folder: Path | None
) -> ClipScores:
    views, frames = [], []
    for request in trial.requests:
        for number, image in enumerate(method(trial, request)):
            views.append((request.view,))
            frames.append(score_picture(image, trial, request, judges))
            if folder is not None:
                kind = request.view.replace(" ", "-")
                save_png(folder / name / trial.name / f"{kind}.{number}.png", image)
    return ClipScores(name, trial.name, tuple(views), tuple(frames), {})


def score_picture(
    image: Image, trial: PictureTrial, request: Request, judges: PictureJudges
) -> dict[str, float]:
    """Return every measure of one picture against what was asked for."""
    true = request.truth.image
    kept = [part for part in trial.parts if part.name != request.changed]
    scores = {}
    if kept:
        off = [float(metrics.delta_e(part.lab(image), part.lab(true))) for part in kept]
        scores["part_colour"] = float(np.mean(off))
        scores["parts_kept"] = float(np.mean([each <= KEPT for each in off]))
    told = [part for part in kept if part.word is not None]
    if told:
        scores["words"] = _share_named(told, image)
        scores["true_words"] = _share_named(told, true)
    if request.changed is not None:
        scores["followed"] = _follows(image, trial, request)
    if judges.detector is not None:
        scores["pose_pck"] = pose_share(judges.detector, image, request.truth.pose)
        scores["true_pose_pck"] = pose_share(judges.detector, true, request.truth.pose)
    if judges.likeness is not None:
        reference = trial.reference.image
        scores |= judges.likeness.scores(image, words=request.words, reference=reference)
    return scores


def _share_named(parts: Sequence[ColouredPart], image: Image) -> float:
    """Return the share of parts that show the colour which their caption names."""
    return float(np.mean([part.colour_word(image) == part.word for part in parts]))


def _follows(image: Image, trial: PictureTrial, request: Request) -> float:
    """Return 1 when the changed part is nearer to its new colour than to its old one."""
    (part,) = (part for part in trial.parts if part.name == request.changed)
    found = part.lab(image)
    new, old = (each.truth.image for each in (request, trial.requests[0]))
    return float(metrics.delta_e(found, part.lab(new)) < metrics.delta_e(found, part.lab(old)))


def evaluate_folders_of_pictures(
    folders: Iterable[Path], likeness: Likeness, *, output: Path | None = None
) -> Report:
    """Measure what `dtvideo generate` made: each picture against its words and its reference.

    folders: with side-cars; each side-car is one clip. The word [S*] of a taught character is left
    out of the words, as CLIP does not know it. output: JSON file.
    Raises: MediaError V1 when a folder has no side-car of pictures, or a reference is gone.
    """
    scores, names = [], []
    for folder in folders:
        names.append(str(folder))
        for sidecar, told in _sidecars(folder):
            scores.append(_score_sidecar(str(folder), sidecar, told, likeness))
    report = Report(tuple(scores), views=(ALL_VIEWS,), about={"folders": names})
    if output is not None:
        write_json(output, report.as_plain())
    return report


def _sidecars(folder: Path) -> list[tuple[Path, dict[str, Any]]]:
    files = sorted(folder.glob("*.json")) if folder.is_dir() else []
    documents = [(path, read_json(path)) for path in files]
    found = [(path, told) for path, told in documents if told.get("schema") == SCHEMA]
    if not found:
        remedy = "give a folder that dtvideo generate made"
        raise MediaError("V1", folder, "holds no side-car of pictures", remedy)
    return found


def _score_sidecar(
    method: str, sidecar: Path, told: Mapping[str, Any], likeness: Likeness
) -> ClipScores:
    """Measure the pictures of one side-car."""
    match told:
        case {
            "inputs": [*inputs],
            "recipe": {"job": {"prompt": str(prompt)}},
            "outputs": [*outputs],
            "frames": {"count": int(count)},
        }:
            pass
        case _:
            raise MediaError("V1", sidecar, "is not a side-car of pictures", "make them again")
    paths = {entry["role"]: sidecar.parent / entry["path"] for entry in inputs}
    reference = load_image(paths["reference"]).rgb
    words = " ".join(prompt.replace(TOKEN, " ").split())
    images = (load_image(sidecar.parent / entry["path"]).rgb for entry in outputs[:count])
    frames = tuple(likeness.scores(image, words=words, reference=reference) for image in images)
    return ClipScores(method, sidecar.stem, ((ALL_VIEWS,),) * len(frames), frames, {})
