"""What a still camera sees behind a moving person, pieced together from many moments."""

import cv2
import numpy as np
from jaxtyping import Bool, UInt8

from dtvideo.puppet.cut import fill_ground

FREE_SHARE = 0.1
"""A place that is free in a smaller share of the frames is filled from around it."""
OFF = 24
"""Levels by which a pixel differs from the ground when something else is there."""
MOST_OFF = 0.05
"""Share of the free pixels, in the mean of the frames, above which the camera is not still."""

Picture = UInt8[np.ndarray, "h w 3"]


def still_ground(
    frames: UInt8[np.ndarray, "n h w 3"], hidden: Bool[np.ndarray, "n h w"]
) -> Picture | None:
    """Return the ground of several frames of a clip; None where the camera is not still.

    hidden: what somebody covers in each. A pixel is the lower median of the frames in which it is
    free; a place that is hardly ever free continues what is around it.
    """
    free = np.count_nonzero(~hidden, axis=0)
    seen = free >= max(1, int(FREE_SHARE * len(frames)))
    if not seen.any():
        return None
    ground = _median(frames, hidden, free)
    shown = ~hidden & seen
    off = np.stack([differs(frame, ground) for frame in frames]) & shown
    if off.sum() > MOST_OFF * shown.sum():
        return None
    return ground if seen.all() else fill_ground(ground, (~seen).astype(np.float32))


def differs(frame: Picture, ground: Picture) -> Bool[np.ndarray, "h w"]:
    """Return where something else than the ground is seen in a frame."""
    return np.asarray(np.abs(frame.astype(np.int16) - ground).max(axis=2) > OFF)


def _median(
    frames: UInt8[np.ndarray, "n h w 3"],
    hidden: Bool[np.ndarray, "n h w"],
    free: np.ndarray,
) -> Picture:
    """Return the lower median of the pixels that are not hidden, one channel after another."""
    middle = (np.maximum(free - 1, 0) // 2)[None]
    channels = []
    for channel in range(3):
        levels = np.sort(np.where(hidden, 256, frames[..., channel].astype(np.int16)), axis=0)
        channels.append(np.take_along_axis(levels, middle, axis=0)[0])
    return np.asarray(np.stack(channels, axis=-1).clip(0, 255), np.uint8)


def laid_over(frame: Picture, ground: Picture, hidden: Bool[np.ndarray, "h w"]) -> Picture:
    """Return a frame with the ground wherever somebody hides it, and softly just around it."""
    spread = max(1.0, min(hidden.shape) / 128)
    share = 2 * cv2.GaussianBlur(hidden.astype(np.float32), (0, 0), spread)[..., None]
    share = share.clip(0, 1)
    return np.asarray(np.round(frame + share * (ground.astype(np.float32) - frame)), np.uint8)
