"""How a clip changes from frame to frame; frames are read once, two at a time."""

from collections.abc import Iterable
from itertools import pairwise

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8

from dtvideo.errors import MediaError

Image = UInt8[np.ndarray, "h w 3"]
Mask = Float[np.ndarray, "h w"]

DTSSD_SIZE = (256, 256)


def dtssd(predictions: Iterable[Image], truths: Iterable[Image]) -> float:
    """Return how far the frame-to-frame changes of a clip are from those of its truth.

    Mean squared difference of the two changes, of values 0 to 255, after resizing both to
    256 x 256, averaged over pairs of neighbouring frames; 0 is best. It is named DTSSD in
    DisCo's protocol; in video matting the same letters mean the root of a masked sum.
    Raises: MediaError under two frames or when the lengths differ.
    """
    changes = zip(
        pairwise(map(_dtssd_frame, predictions)), pairwise(map(_dtssd_frame, truths)), strict=True
    )
    try:
        squares = [
            float((((after - before) - (true_after - true_before)) ** 2).mean())
            for (before, after), (true_before, true_after) in changes
        ]
    except ValueError as error:
        raise MediaError("V15", "clip", "is not as long as its truth", "give all frames") from error
    return _mean_of_pairs(squares)


def flicker(frames: Iterable[Image], *, masks: Iterable[Mask]) -> float:
    """Return the mean absolute change between neighbouring frames in the masks, 0 to 255.

    A pair is compared where either of its two masks is above 0.5; pairs without such a pixel
    do not count. Raises: MediaError when no pair is left.
    """
    pairs = pairwise(zip(frames, masks, strict=True))
    changes = []
    for (before, mask_before), (after, mask_after) in pairs:
        region: Bool[np.ndarray, "h w"] = np.maximum(mask_before, mask_after) > 0.5
        if region.any():
            difference = after[region].astype(np.float64) - before[region].astype(np.float64)
            changes.append(float(np.abs(difference).mean()))
    return _mean_of_pairs(changes)


def flicker_ratio(
    predictions: Iterable[Image], truths: Iterable[Image], *, masks: Iterable[Mask]
) -> float:
    """Return the flicker of a clip divided by the truth's in the same masks; 1 is best.

    Below 1 the clip is too still, above 1 it trembles. A truth that does not move at all gives
    infinity, or 1 when the prediction is as still.
    """
    kept = tuple(masks)
    return change_ratio(flicker(predictions, masks=kept), flicker(truths, masks=kept))


def change_ratio(found: float, wanted: float) -> float:
    """Return the flicker of a clip divided by the truth's, as `flicker_ratio` tells it."""
    if wanted == 0:
        return 1.0 if found == 0 else float("inf")
    return found / wanted


def _dtssd_frame(frame: Image) -> Float[np.ndarray, "256 256 3"]:
    smaller = frame.shape[0] * frame.shape[1] > DTSSD_SIZE[0] * DTSSD_SIZE[1]
    way = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(frame, DTSSD_SIZE, interpolation=way), dtype=np.float64)


def _mean_of_pairs(values: list[float]) -> float:
    if not values:
        raise MediaError("V7", "clip", "has no two frames to compare", "give at least two frames")
    return float(np.mean(values))
