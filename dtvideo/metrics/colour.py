"""Drift of a character's colours through a clip."""

from collections.abc import Iterable

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from dtvideo.errors import MediaError

Image = UInt8[np.ndarray, "h w 3"]
Mask = Float[np.ndarray, "h w"]


def colour_drift(
    frames: Iterable[Image], masks: Iterable[Mask], *, reference: Image, reference_mask: Mask
) -> Float[np.ndarray, " t"]:
    """Return each frame's distance from the reference: delta E (CIE 1976) of the mean Lab colour.

    Means are taken where the mask is above 0.5, in CIE L*a*b* (D65); about 2 is just visible.
    A frame whose mask is empty gives NaN. Raises: MediaError when the reference's mask is empty.
    """
    wanted = _mean_lab(reference, reference_mask)
    if np.isnan(wanted).any():
        raise MediaError("R5", "reference mask", "holds no pixel above 0.5", "give its mask")
    pairs = zip(frames, masks, strict=True)
    return np.array([np.linalg.norm(_mean_lab(frame, mask) - wanted) for frame, mask in pairs])


def drift_per_100_frames(drift: Float[np.ndarray, " t"]) -> float:
    """Return the slope of a drift: delta E gained per 100 frames (least squares, NaN left out)."""
    known = np.isfinite(drift)
    if known.sum() < 2:
        raise MediaError("V7", "clip", "has no two frames to compare", "give at least two frames")
    slope, _ = np.polyfit(np.flatnonzero(known), drift[known], 1)
    return float(slope * 100)


def _mean_lab(image: Image, mask: Mask) -> Float[np.ndarray, "3"]:
    region = mask > 0.5
    if not region.any():
        return np.full(3, np.nan)
    lab = cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2Lab)
    return np.asarray(lab[region].mean(axis=0), dtype=np.float64)
