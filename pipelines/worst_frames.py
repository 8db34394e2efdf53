"""Keep the worst frames of each method while an evaluation runs."""

import heapq
from dataclasses import dataclass
from itertools import count

import numpy as np
from jaxtyping import UInt8

from dtvideo.toon.trials import Trial

Image = UInt8[np.ndarray, "h w 3"]

KEPT = 10


@dataclass(frozen=True, eq=False)
class WorstFrame:
    """One frame that failed: what was given, what was wanted, what came, and how far off."""

    label: str
    reference: Image
    truth: Image
    result: Image
    foreground_psnr: float


class WorstFrames:
    """The ten frames of each method with the least foreground PSNR.

    apart_from: beginnings of the names of methods that are not looked at.
    """

    def __init__(self, *, apart_from: tuple[str, ...] = ()) -> None:
        self._apart_from = apart_from
        self._kept: dict[str, list[tuple[float, int, WorstFrame]]] = {}
        self._order = count()

    def add(self, method: str, trial: Trial, index: int, frame: Image, decibels: float) -> None:
        """Look at one frame of a trial and keep it if it is bad enough."""
        if method.startswith(self._apart_from):
            return
        kept = self._kept.setdefault(method, [])
        if len(kept) == KEPT and decibels >= -kept[0][0]:
            return
        shown = WorstFrame(
            label=f"{trial.name} #{index}",
            reference=trial.reference.image,
            truth=trial.truths[index].image,
            result=frame,
            foreground_psnr=decibels,
        )
        change = heapq.heappush if len(kept) < KEPT else heapq.heapreplace
        change(kept, (-decibels, next(self._order), shown))

    @property
    def methods(self) -> list[str]:
        """The methods of which frames were looked at."""
        return list(self._kept)

    def of(self, method: str) -> list[WorstFrame]:
        """Return the frames of a method that were kept, the worst first."""
        return [shown for _, _, shown in sorted(self._kept[method], key=lambda one: -one[0])]
