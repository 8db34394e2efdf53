"""Hard cuts of a clip, told by how much the colours of neighbouring frames differ."""

import numpy as np
from jaxtyping import Float, UInt8

CUT_DISTANCE = 0.4
CUT_CONTRAST = 3.0
LEVELS = 8
SAMPLED_SIDE = 96
NEIGHBOURS = 6

Picture = UInt8[np.ndarray, "h w 3"]
Signature = Float[np.ndarray, " bins"]


class CutFinder:
    """Watches frames go by and keeps one number for each: how unlike the one before it is."""

    def __init__(self) -> None:
        self._last: Signature | None = None
        self._distances: list[float] = []

    def add(self, frame: Picture) -> None:
        """Look at the next frame; it is not kept."""
        signature = frame_signature(frame)
        last = signature if self._last is None else self._last
        self._distances.append(float(np.abs(signature - last).sum() / 2))
        self._last = signature

    @property
    def found(self) -> tuple[int, ...]:
        """The first frames of new shots so far."""
        return find_cuts(np.array(self._distances))


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


def find_cuts(distances: Float[np.ndarray, " t"]) -> tuple[int, ...]:
    """Return the frames that are unlike the one before, and much more so than those about them.

    distances: 0 (alike) to 1, from each frame to the one before it. A cut is 0.4 or more and
    three times the largest of the six on either side, so that flicker and fast motion are none;
    two cuts closer than that are one.
    """
    cuts: list[int] = []
    for frame in np.flatnonzero(distances >= CUT_DISTANCE):
        first = max(0, int(frame) - NEIGHBOURS)
        around = np.delete(distances[first : frame + NEIGHBOURS + 1], int(frame) - first)
        if frame > 0 and distances[frame] >= CUT_CONTRAST * around.max(initial=0.0):
            cuts.append(int(frame))
    return tuple(cuts)
