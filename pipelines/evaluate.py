"""Measure results against the truth: of the drawn world, or of anyone's pictures.

    report = evaluate_toon({"coarse": coarse}, ToonEvaluation(clips=40), output=folder)
    report = evaluate_folders(Path("pred"), Path("gt"))
    print(report.table())

Pictures are written in DisCo's layout (pred/<method>/<clip>/0000.png, gt/<clip>/0000.png), so
that scripts which know it run on them unchanged.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

import dtvideo.metrics as metrics
from dtvideo.errors import MediaError, UsageError
from dtvideo.files import write_json
from dtvideo.images import load_image, resize, save_png
from dtvideo.puppet import Puppet, thin_plate_warp
from dtvideo.toon.trials import VIEWS, Trial, pose_distance, toon_trials
from pipelines.report import ClipScores, Report

Image = UInt8[np.ndarray, "h w 3"]
Mask = Float[np.ndarray, "h w"]
Method = Callable[[Trial], Iterable[Image]]
Progress = Callable[[str, int, int], None]

ALL_VIEWS = "all"
LONG_CLIP = 50  # frames from which a slope of colours means something
HISTOGRAM_EDGES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8, 1.2)


@dataclass(frozen=True)
class ToonEvaluation:
    """What is drawn for an evaluation; the same settings always give the same clips."""

    clips: int = 40
    """Characters, each with one motion."""
    frames: int = 8
    """Frames of each clip."""
    size: int = 128
    """Side of the square pictures in pixels."""
    seed: int = 0
    """Which list of clips."""

    def __post_init__(self) -> None:
        for name, least in (("clips", 1), ("frames", 2), ("size", 32), ("seed", 0)):
            if getattr(self, name) < least:
                raise UsageError("M11", name, f"is {getattr(self, name)}", f"give {least} or more")


def copy_reference(trial: Trial) -> Iterator[Image]:
    """Show the reference again and again: the floor of every measure."""
    return (trial.reference.image for _ in trial.truths)


def warp_reference(trial: Trial) -> Iterator[Image]:
    """Bend the reference by a thin-plate spline through its key points."""
    reference = trial.reference
    return (thin_plate_warp(reference.image, reference.pose, pose) for pose in trial.poses)


def coarse_reference(trial: Trial) -> Iterator[Image]:
    """Move the reference's limbs like a paper puppet's."""
    puppet = Puppet.prepare(trial.reference.image, trial.reference.mask, trial.reference.pose)
    return (puppet.frame(pose) for pose in trial.poses)


BASELINES: dict[str, Method] = {
    "copy": copy_reference,
    "warp": warp_reference,
    "coarse": coarse_reference,
}


def pipeline_method(pipeline: Any, **options: Any) -> Method:
    """Return the method that renders a trial with an `AnimationPipeline`.

    options: further arguments of its `open`, for example settings.
    """

    def render(trial: Trial) -> Iterator[Image]:
        clip = pipeline.open(
            reference=trial.reference.image,
            mask=trial.reference.mask,
            reference_pose=trial.reference.pose,
            poses=trial.poses,
            prompt=trial.caption,
            **options,
        )
        with clip:
            for _, image in clip:
                yield image

    return render


def evaluate_toon(
    methods: Mapping[str, Method],
    settings: ToonEvaluation,
    *,
    output: Path | None = None,
    progress: Progress | None = None,
) -> Report:
    """Render every trial with every method and measure it against the truth.

    methods: by the name in the report, for example BASELINES and `pipeline_method(...)`.
    output: folder for the pictures and `results.json`; None keeps nothing.
    progress: called with what is going on, what is done and what there is to do.
    """
    size = (settings.size, settings.size)
    scores: list[ClipScores] = []
    distances: list[float] = []
    trials = toon_trials(settings.clips, settings.frames, seed=settings.seed, size=size)
    for index, trial in enumerate(trials):
        if output is not None:
            _write_clip(output / "gt" / trial.name, [truth.image for truth in trial.truths])
        distances += [pose_distance(trial.reference.pose, pose) for pose in trial.poses]
        for name, method in methods.items():
            frames = _checked(list(method(trial)), trial, name)
            if output is not None:
                _write_clip(output / "pred" / name / trial.name, frames)
            scores.append(_score_trial(name, trial, frames))
        if progress is not None:
            progress("evaluate", index + 1, settings.clips)
    about = {"settings": asdict(settings), "pose_distances": _histogram(distances)}
    report = Report(tuple(scores), views=(*VIEWS, ALL_VIEWS), about=about)
    if output is not None:
        write_json(output / "results.json", report.as_plain())
    return report


def evaluate_folders(
    predictions: Path, truths: Path, *, masks: Path | None = None, output: Path | None = None
) -> Report:
    """Measure pictures against pictures of the same name.

    predictions, truths, masks: a folder of pictures (one clip), or a folder of such folders
    with the same names. A prediction of another size is resized to its truth. Without masks
    (white is the character) the measures of the foreground are left out. output: JSON file.
    Raises: MediaError V15 when a picture or a clip is missing.
    """
    clips = _clips(truths)
    scores = tuple(
        _score_files(
            name,
            files,
            _partners(files, predictions / name),
            None if masks is None else _partners(files, masks / name),
        )
        for name, files in clips.items()
    )
    about = {"predictions": str(predictions), "truths": str(truths)}
    report = Report(scores, views=(ALL_VIEWS,), about=about)
    if output is not None:
        write_json(output, report.as_plain())
    return report


def _score_trial(method: str, trial: Trial, frames: Sequence[Image]) -> ClipScores:
    truths = [truth.image for truth in trial.truths]
    masks = [truth.mask for truth in trial.truths]
    per_frame = [_score_frame(*three) for three in zip(frames, truths, masks, strict=True)]
    return ClipScores(
        method=method,
        clip=trial.name,
        views=tuple((view, ALL_VIEWS) for view in trial.views),
        frames=tuple(per_frame),
        whole=_score_clip(frames, truths, masks),
    )


def _score_files(
    name: str, truths: list[Path], predictions: list[Path], masks: list[Path] | None
) -> ClipScores:
    true_frames = _Pictures(truths)
    frames = _Pictures(predictions, like=true_frames)
    held = None if masks is None else _Masks(masks, like=true_frames)
    per_frame = [
        _score_frame(frames[index], true_frames[index], None if held is None else held[index])
        for index in range(len(truths))
    ]
    whole = _score_clip(frames, true_frames, held) if len(truths) > 1 else {}
    views = ((ALL_VIEWS,),) * len(truths)
    return ClipScores("prediction", name, views, tuple(per_frame), whole)


def _score_frame(prediction: Image, truth: Image, mask: Mask | None) -> dict[str, float]:
    scores = {
        "psnr": metrics.psnr(prediction, truth),
        "ssim": metrics.ssim(prediction, truth),
        "ssim_colour": metrics.ssim(prediction, truth, colour=True),
        "l1": metrics.l1(prediction, truth),
        "l1_per_pixel": metrics.l1_per_pixel(prediction, truth),
    }
    if mask is not None and (mask > 0.5).any():
        scores["foreground_psnr"] = metrics.foreground_psnr(prediction, truth, mask=mask)
    return scores


def _score_clip(
    frames: Sequence[Image], truths: Sequence[Image], masks: Sequence[Mask] | None
) -> dict[str, float]:
    scores = {"dtssd": metrics.dtssd(frames, truths)}
    if masks is not None and any((mask > 0.5).any() for mask in masks):
        scores["flicker_ratio"] = metrics.flicker_ratio(frames, truths, masks=masks)
        if len(frames) >= LONG_CLIP and (masks[0] > 0.5).any():
            drift = metrics.colour_drift(
                frames, masks, reference=truths[0], reference_mask=masks[0]
            )
            scores["drift_per_100_frames"] = metrics.drift_per_100_frames(drift)
    return scores


def _checked(frames: list[Image], trial: Trial, method: str) -> list[Image]:
    if len(frames) != len(trial.truths):
        raise MediaError(
            "V15",
            f"{method}, clip {trial.name}",
            f"gave {len(frames)} frames for {len(trial.truths)} poses",
            "one frame per pose is needed",
        )
    return frames


def _histogram(distances: Sequence[float]) -> dict[str, Any]:
    """Return how many frames are how far from the reference's pose, in torso lengths."""
    known = np.asarray(distances)[np.isfinite(distances)]
    edges = [*HISTOGRAM_EDGES, np.inf]
    counts, _ = np.histogram(known, edges)
    return {"edges": list(HISTOGRAM_EDGES), "counts": counts.tolist()}


def _write_clip(folder: Path, frames: Sequence[Image]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for index, frame in enumerate(frames):
        save_png(folder / f"{index:04d}.png", frame)


class _Pictures(Sequence[Any]):
    """Pictures read when they are asked for, resized to those they are compared with."""

    def __init__(self, files: list[Path], *, like: "_Pictures | None" = None) -> None:
        self._files = files
        self._like = like

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, index: Any) -> Any:
        image = load_image(self._files[index]).rgb
        if self._like is None:
            return image
        wanted = self._like[index].shape
        return image if image.shape == wanted else resize(image, (wanted[1], wanted[0]))


class _Masks(_Pictures):
    """Masks read as pictures: white is the character."""

    def __getitem__(self, index: Any) -> Any:
        return super().__getitem__(index).mean(axis=2) / 255


def _clips(folder: Path) -> dict[str, list[Path]]:
    """Return the picture files of each clip by its folder's name; "." for a flat folder."""
    if not folder.is_dir():
        raise MediaError("V1", folder, "is not a folder", "give a folder of pictures")
    names = sorted(path.name for path in folder.iterdir() if path.is_dir()) or ["."]
    clips = {name: _pictures_in(folder / name) for name in names}
    empty = [name for name, files in clips.items() if not files]
    if empty:
        raise MediaError("V15", folder / empty[0], "holds no pictures", "give PNG or JPEG files")
    return clips


def _pictures_in(folder: Path) -> list[Path]:
    kinds = {".png", ".jpg", ".jpeg", ".webp"}
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in kinds)


def _partners(files: list[Path], folder: Path) -> list[Path]:
    """Return the picture in a folder for each file, found by its name without the ending."""
    found = {path.stem: path for path in _pictures_in(folder)} if folder.is_dir() else {}
    missing = [file.stem for file in files if file.stem not in found]
    if missing:
        raise MediaError(
            "V15",
            folder,
            f"lacks {len(missing)} of {len(files)} pictures, first {missing[0]}",
            "give one picture per true picture, with the same name",
        )
    return [found[file.stem] for file in files]
