"""Pictures of an evaluation: what a table hides. Needs matplotlib (the extra `train`).

for path in write_plots(report, folder, worst=worst_frames): ...
"""

import importlib.util
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dtvideo.errors import UsageError
from pipelines.report import Report
from pipelines.worst_frames import WorstFrames

CURVES = {
    "foreground_psnr": ("foreground PSNR by frame", "dB", "psnr.png"),
    "colour_difference": ("mean colour of the character against the truth", "dE00", "colour.png"),
}
MANY_FRAMES = 50  # from which dots hide the line


def check_plotting() -> None:
    """Refuse to begin what could not be plotted. Raises: UsageError M1 without matplotlib."""
    if importlib.util.find_spec("matplotlib") is None:
        raise UsageError("M1", "--plots", "needs matplotlib", "run: pip install 'dtvideo[train]'")


def write_plots(report: Report, folder: Path, *, worst: WorstFrames | None = None) -> list[Path]:
    """Draw curves by frame, the histogram of pose distances and the worst frames of a report.

    Returns the files, in `folder`. What the report does not hold is not drawn.
    """
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    for measure, (title, unit, name) in CURVES.items():
        curves = frame_curves(report, measure)
        if any(len(curve) > 1 for curve in curves.values()):
            made.append(_plot_curves(curves, folder / name, title=title, unit=unit))
    if "pose_distances" in report.about:
        made.append(_plot_distances(report.about["pose_distances"], folder / "pose-distances.png"))
    if worst is not None:
        for method in worst.methods:
            name = re.sub(r"[^\w.-]+", "-", method).strip("-")
            made.append(_plot_worst(worst, method, folder / f"worst-{name}.png"))
    return made


def frame_curves(report: Report, measure: str) -> dict[str, list[float]]:
    """Return, for each method, the mean over clips of a measure at each frame number.

    What is not finite is left out; a frame without any value is NaN.
    """
    curves = {}
    for method in report.methods:
        clips = [score.frames for score in report.scores if score.method == method]
        length = max(map(len, clips))
        values = [[_value(clip, index, measure) for clip in clips] for index in range(length)]
        means = [[one for one in frame if math.isfinite(one)] for frame in values]
        if any(means):
            curves[method] = [math.fsum(m) / len(m) if m else math.nan for m in means]
    return curves


def _value(frames: Sequence[Mapping[str, float]], index: int, measure: str) -> float:
    return frames[index].get(measure, math.nan) if index < len(frames) else math.nan


def _plot_curves(
    curves: Mapping[str, Sequence[float]], path: Path, *, title: str, unit: str
) -> Path:
    figure = _figure(7.0, 3.5)
    axes = figure.subplots()
    for method, curve in curves.items():
        axes.plot(curve, label=method, lw=1.2, marker="." if len(curve) < MANY_FRAMES else None)
    axes.set(title=title, xlabel="frame", ylabel=unit)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=7, frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    return _save(figure, path)


def _plot_distances(histogram: Mapping[str, Sequence[float]], path: Path) -> Path:
    edges, counts = histogram["edges"], histogram["counts"]
    figure = _figure(5.0, 3.0)
    axes = figure.subplots()
    ends = [*(f"{edge:g}" for edge in edges[1:]), "more"]
    axes.bar(range(len(counts)), counts, color="0.45")
    axes.set_xticks(range(len(counts)), [f"to {end}" for end in ends[:-1]] + ["more"], rotation=30)
    axes.set(
        title="how far frames are from the reference's pose",
        xlabel="mean joint distance, torso lengths",
        ylabel="frames",
    )
    return _save(figure, path)


def _plot_worst(worst: WorstFrames, method: str, path: Path) -> Path:
    shown = worst.of(method)
    figure = _figure(1.5 * len(shown) + 0.6, 5.2)
    grid = np.atleast_2d(figure.subplots(3, len(shown), squeeze=False))
    for column, frame in zip(grid.T, shown, strict=True):
        for axes, picture in zip(column, (frame.reference, frame.truth, frame.result), strict=True):
            axes.imshow(picture)
            axes.set(xticks=[], yticks=[])
        column[0].set_title(frame.label, fontsize=7)
        column[2].set_xlabel(f"{frame.foreground_psnr:.1f} dB", fontsize=8)
    for axes, name in zip(grid[:, 0], ("reference", "truth", "result"), strict=True):
        axes.set_ylabel(name, fontsize=8)
    figure.suptitle(f"{method}: the worst frames", fontsize=10)
    return _save(figure, path)


def _figure(width: float, height: float) -> Any:
    """Return an empty figure that needs no screen; sides in inches."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _save(figure: Any, path: Path) -> Path:
    figure.savefig(path, dpi=110)
    return path
