"""What an evaluation found: numbers per frame, means with their uncertainty, a table."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import dtvideo
from dtvideo.metrics import Interval, mean_interval, ratio_interval

ALL_VIEWS = "all"
COLUMNS = {
    "psnr": ("PSNR dB", 2),
    "foreground_psnr": ("foreground dB", 2),
    "ssim": ("SSIM", 3),
    "l1": ("L1", 4),
    "dtssd": ("DTSSD", 1),
    "flicker_ratio": ("flicker", 2),
    "drift": ("drift dE00", 2),
    "followed": ("changed word", 3),
    "words_ratio": ("words", 3),
    "parts_kept": ("parts kept", 3),
    "part_colour": ("parts dE00", 2),
    "layout": ("layout", 2),
    "clip_t": ("CLIP-T", 3),
    "clip_i": ("CLIP-I", 3),
    "dino": ("DINO", 3),
    "pose_ratio": ("pose", 3),
    "pck_10": ("PCK@0.1", 3),
    "pck_20": ("PCK@0.2", 3),
    "pck_10_if_sure": ("PCK@0.1 if sure", 3),
    "pixels_off": ("median px", 2),
    "not_sure": ("not sure", 3),
    "told_below": ("told below", 3),
    "core": ("core", 2),
}
GAINS = {"foreground_psnr": "foreground dB", "ssim": "SSIM", "part_colour": "parts dE00"}
RATIOS = {
    "words_ratio": ("words", "true_words"),
    "pose_ratio": ("pose_pck", "true_pose_pck"),
}


@dataclass(frozen=True)
class ClipScores:
    """One clip by one method: each frame's rows (views) and measures, and those of the whole."""

    method: str
    clip: str
    views: tuple[tuple[str, ...], ...]
    frames: tuple[Mapping[str, float], ...]
    whole: Mapping[str, float]

    def mean(self, measure: str, view: str) -> float:
        """Return the mean over the frames of a view; NaN when there are none."""
        if measure in self.whole:
            return self.whole[measure] if self._is_wholly(view) else math.nan
        found = [
            frame[measure]
            for frame, views in zip(self.frames, self.views, strict=True)
            if view in views and measure in frame
        ]
        return math.fsum(found) / len(found) if found else math.nan

    def _is_wholly(self, view: str) -> bool:
        return all(view in views for views in self.views)


@dataclass(frozen=True)
class Report:
    """All scores of an evaluation.

    views: names of the rows, in order; about: what was evaluated, as plain data.
    """

    scores: tuple[ClipScores, ...]
    views: tuple[str, ...]
    about: Mapping[str, Any]

    @property
    def methods(self) -> list[str]:
        """Names in the order in which they were measured."""
        return list(dict.fromkeys(score.method for score in self.scores))

    @property
    def measures(self) -> list[str]:
        """Names of everything that was measured."""
        names: dict[str, None] = {}
        for score in self.scores:
            names |= dict.fromkeys([*(key for frame in score.frames for key in frame)])
            names |= dict.fromkeys(score.whole)
        names |= dict.fromkeys(ratio for ratio, parts in RATIOS.items() if {*parts} <= {*names})
        return list(names)

    def interval(self, measure: str, *, method: str, view: str) -> Interval:
        """Return the mean of the clips' means with its 95 % bootstrap interval over clips.

        Frames of one clip resemble each other, so that clips, not frames, are drawn again.
        Temporal measures count in the rows that hold every frame of a clip. A ratio of two
        measures is that of their means.
        """
        if measure in RATIOS:
            above, below = (list(self._means(part, method, view)) for part in RATIOS[measure])
            return ratio_interval(above, below)
        return mean_interval(list(self._means(measure, method, view)))

    def gain(self, measure: str, *, method: str, base: str, view: str) -> Interval:
        """Return by how much a method is above another on the same clips, pair by pair."""
        pairs = zip(
            self._means(measure, method, view), self._means(measure, base, view), strict=True
        )
        return mean_interval([found - before for found, before in pairs])

    def _means(self, measure: str, method: str, view: str) -> Iterator[float]:
        return (score.mean(measure, view) for score in self.scores if score.method == method)

    def as_plain(self) -> dict[str, Any]:
        """Return everything as plain data for JSON; what is not finite becomes text."""
        rows = [
            {"method": method, "view": view, "measure": measure, **plain_interval(interval)}
            for method in self.methods
            for view in self.views
            for measure in self.measures
            if (interval := self.interval(measure, method=method, view=view)).count
        ]
        clips = [
            {
                "method": score.method,
                "clip": score.clip,
                "views": [views[0] for views in score.views],
                "frames": [{k: _finite(v) for k, v in frame.items()} for frame in score.frames],
                "whole": {k: _finite(v) for k, v in score.whole.items()},
            }
            for score in self.scores
        ]
        about = {"version": dtvideo.__version__, **self.about}
        return {"format": 1, "about": about, "rows": rows, "clips": clips}

    def table(self) -> str:
        """Return the table to print: a line per view and method, means with intervals."""
        shown = [name for name in COLUMNS if name in self.measures]
        lines = [["view", "method", "clips", *(COLUMNS[name][0] for name in shown)]]
        for view in self.views:
            for method in self.methods:
                found = [self.interval(name, method=method, view=view) for name in shown]
                if count := max(each.count for each in found):
                    cells = map(_cell, found, (COLUMNS[name][1] for name in shown))
                    lines.append([view, method, str(count), *cells])
        return _aligned(lines)

    def gain_table(self, base: str, *, view: str = ALL_VIEWS) -> str:
        """Return the table of an ablation: a line per method, its gain over `base` in dB."""
        measures = [name for name in GAINS if name in self.measures]
        lines = [["method", *(GAINS[name] for name in measures for _ in range(2))]]
        for number in range(2, len(lines[0]), 2):
            lines[0][number] = f"against {base}"
        for method in self.methods:
            cells: list[str] = []
            for name in measures:
                value = self.interval(name, method=method, view=view)
                gain = self.gain(name, method=method, base=base, view=view)
                digits = COLUMNS[name][1]
                cells += [_cell(value, digits), _cell(gain, digits, signed=True)]
            lines.append([method, *cells])
        return _aligned(lines)


def _aligned(lines: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)


def _cell(interval: Interval, digits: int, *, signed: bool = False) -> str:
    if not interval.count:
        return "-"
    form = f"{'+' if signed else ''}.{digits}f"
    low, high = format(interval.low, form), format(interval.high, form)
    return f"{format(interval.mean, form)} [{low}, {high}]"


def plain_interval(interval: Interval) -> dict[str, Any]:
    """Return an interval as plain data for JSON."""
    ends = {"mean": interval.mean, "low": interval.low, "high": interval.high}
    return {**{name: _finite(value) for name, value in ends.items()}, "clips": interval.count}


def _finite(value: float) -> float | str:
    return value if math.isfinite(value) else str(value)
