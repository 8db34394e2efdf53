"""Hard cuts of a clip, told by how much the colours of neighbouring frames differ."""

from collections import deque
from collections.abc import Collection, Iterable, Iterator

import numpy as np
from jaxtyping import Float, UInt8

CUT_DISTANCE = 0.4
CUT_CONTRAST = 3.0
LEVELS = 8
SAMPLED_SIDE = 96
NEIGHBOURS = 6
MOST_TOGETHER = 3  # cuts, each within NEIGHBOURS frames of the next; more are flicker or motion

Picture = UInt8[np.ndarray, "h w 3"]
Signature = Float[np.ndarray, " bins"]


class CutFinder:
    """Watches frames go by and keeps one number for each: how unlike the one before it is."""

    def __init__(self) -> None:
        self._last: deque[Signature] = deque(maxlen=NEIGHBOURS + 1)
        self._distances: list[float] = []
        self._returning: set[int] = set()

    def add(self, frame: Picture) -> None:
        """Look at the next frame; it is not kept."""
        signature = frame_signature(frame)
        back = [float(np.abs(signature - last).sum() / 2) for last in reversed(self._last)]
        self._last.append(signature)
        self._distances.append(back[0] if back else 0.0)
        here = len(self._distances) - 1
        for frames, distance in enumerate(back, start=1):
            if frames > 1 and distance < CUT_DISTANCE:
                self._note_return(here - frames, here)

    def _note_return(self, before: int, after: int) -> None:
        """Note that a frame looks like an earlier one, from which a change led away, or back."""
        changes = {before + 1, after}
        self._returning |= {each for each in changes if self._distances[each] >= CUT_DISTANCE}

    @property
    def found(self) -> tuple[int, ...]:
        """The first frames of new shots so far."""
        return find_cuts(np.array(self._distances), returning=self._returning)


def frame_signature(frame: Picture) -> Signature:
    """Return the share of pixels in each of 8 x 8 x 8 colours, upper and lower half apart.

    About 96 rows and columns are looked at, whatever the size of the picture.
    """
    step_y, step_x = (max(1, side // SAMPLED_SIDE) for side in frame.shape[:2])
    levels = frame[::step_y, ::step_x].astype(np.int64) * LEVELS // 256
    bins = (levels[..., 0] * LEVELS + levels[..., 1]) * LEVELS + levels[..., 2]
    lower = np.arange(len(bins)) >= len(bins) / 2
    counts = np.bincount((bins + lower[:, None] * LEVELS**3).ravel(), minlength=2 * LEVELS**3)
    return counts / bins.size


def find_cuts(
    distances: Float[np.ndarray, " t"], *, returning: Collection[int] = ()
) -> tuple[int, ...]:
    """Return the frames that are unlike the one before, and much more so than those about them.

    distances: 0 (alike) to 1, from each frame to the one before it. A change is 0.4 or more; a cut
    is also three times the largest of the six on either side, so that flicker and fast motion are
    none. Up to three changes within six frames of each other may be cuts as well, if the least of
    them is three times what is about them all; but none are those of `returning`, away from what
    is seen again within six frames or back to it, as in a flash, and three in a row, as in a fade.
    """
    changes = distances >= CUT_DISTANCE
    cuts: list[int] = []
    for group in _groups(map(int, np.flatnonzero(changes))):
        about = slice(max(0, group[0] - NEIGHBOURS), group[-1] + NEIGHBOURS + 1)
        calm = distances[about][~changes[about]].max(initial=0.0)
        stands_out = distances[group].min() >= CUT_CONTRAST * calm
        if not stands_out or len(group) > MOST_TOGETHER or _has_three_in_a_row(group):
            continue
        cuts += [frame for frame in group if len(group) == 1 or frame not in returning]
    return tuple(frame for frame in cuts if frame > 0)


def _groups(frames: Iterable[int]) -> Iterator[list[int]]:
    """Yield runs of frames of which each is at most NEIGHBOURS after the one before it."""
    group: list[int] = []
    for frame in frames:
        if group and frame - group[-1] > NEIGHBOURS:
            yield group
            group = []
        group.append(frame)
    if group:
        yield group


def _has_three_in_a_row(frames: list[int]) -> bool:
    return any(last - first == 2 for first, last in zip(frames, frames[2:], strict=False))
