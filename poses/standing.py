"""A standing skeleton for a figure in which no pose could be found."""

from typing import SupportsFloat

import numpy as np

from poses.errors import PoseError
from poses.types import Pose

GUESSED = 0.5
# Half of a standing figure: distance from the middle and row from the top, in box heights.
_MIDDLE = {0: (0.0, 0.10), 1: (0.0, 0.19)}
_RIGHT = {14: (0.02, 0.08), 16: (0.045, 0.09), 2: (0.10, 0.20), 8: (0.06, 0.53),
          9: (0.065, 0.74), 10: (0.07, 0.95)}  # fmt: skip
_LEFT_OF = {14: 15, 16: 17, 2: 5, 3: 6, 4: 7, 8: 11, 9: 12, 10: 13}
_ARM = 0.32
_USUAL_WIDTH = 0.30


Box = tuple[SupportsFloat, SupportsFloat, SupportsFloat, SupportsFloat]


def fit_skeleton(box: Box, size: tuple[int, int]) -> Pose:
    """Return an upright skeleton, seen from the front, that fills a box.

    box: left, top, right, bottom of the figure in pixels, for example of its mask; size: the
    picture's (width, height). Arms reach for the sides of the box: hanging in a narrow one,
    stretched out in a wide one. All joints have confidence 0.5: they are a guess.
    Raises: PoseError R11 when the box is empty.
    """
    left, top, right, bottom = (float(side) for side in box)
    width, height = right - left, bottom - top
    if width <= 0 or height <= 0:
        raise PoseError("R11", "box", f"{box} is empty", "give left, top, right, bottom")
    half = _RIGHT | _arm(width / height)
    joints = np.zeros((18, 3))
    squeeze = min(1.0, width / height / _USUAL_WIDTH)
    for joint, (aside, row) in (_MIDDLE | half).items():
        across = aside if joint in (3, 4) else aside * squeeze
        joints[joint] = (-across, row, GUESSED)
        if joint in _LEFT_OF:
            joints[_LEFT_OF[joint]] = (across, row, GUESSED)
    joints[:, :2] = joints[:, :2] * height + ((left + right) / 2, top)
    return Pose(body=joints, size=size)


def _arm(width: float) -> dict[int, tuple[float, float]]:
    """Return elbow and wrist of a straight arm that ends near the side of a box so wide."""
    aside, row = _RIGHT[2]
    aside *= min(1.0, width / _USUAL_WIDTH)
    reach = float(np.clip(0.46 * width - aside, 0.0, 0.98 * _ARM))
    drop = float(np.sqrt(_ARM**2 - reach**2))
    return {3: (aside + reach / 2, row + drop / 2), 4: (aside + reach, row + drop)}
