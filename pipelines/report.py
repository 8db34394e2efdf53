"""What an evaluation found: numbers per frame, means with their uncertainty, a table."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import dtvideo
from dtvideo.metrics import Interval, mean_interval

COLUMNS = {
    "psnr": ("PSNR dB", 2),
    "foreground_psnr": ("foreground dB", 2),
    "ssim": ("SSIM", 3),
    "l1": ("L1", 4),
    "dtssd": ("DTSSD", 1),
    "flicker_ratio": ("flicker", 2),
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
        return list(names)

    def interval(self, measure: str, *, method: str, view: str) -> Interval:
        """Return the mean of the clips' means with its 95 % bootstrap interval over clips.

        Frames of one clip resemble each other, so that clips, not frames, are drawn again.
        Temporal measures count in the rows that hold every frame of a clip.
        """
        return mean_interval(
            [score.mean(measure, view) for score in self.scores if score.method == method]
        )

    def as_plain(self) -> dict[str, Any]:
        """Return everything as plain data for JSON; what is not finite becomes text."""
        rows = [
            {"method": method, "view": view, "measure": measure, **_plain(interval)}
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
                if found[0].count:
                    cells = map(_cell, found, (COLUMNS[name][1] for name in shown))
                    lines.append([view, method, str(found[0].count), *cells])
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)


def _cell(interval: Interval, digits: int) -> str:
    if not interval.count:
        return "-"
    low, high = f"{interval.low:.{digits}f}", f"{interval.high:.{digits}f}"
    return f"{interval.mean:.{digits}f} [{low}, {high}]"


def _plain(interval: Interval) -> dict[str, Any]:
    ends = {"mean": interval.mean, "low": interval.low, "high": interval.high}
    return {**{name: _finite(value) for name, value in ends.items()}, "clips": interval.count}


def _finite(value: float) -> float | str:
    return value if math.isfinite(value) else str(value)
