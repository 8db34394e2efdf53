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
    wanted = mean_lab(reference, reference_mask)
    if np.isnan(wanted).any():
        raise MediaError("R5", "reference mask", "holds no pixel above 0.5", "give its mask")
    pairs = zip(frames, masks, strict=True)
    return np.array([np.linalg.norm(mean_lab(frame, mask) - wanted) for frame, mask in pairs])


def drift_per_100_frames(drift: Float[np.ndarray, " t"]) -> float:
    """Return the slope of a drift: delta E gained per 100 frames (least squares, NaN left out)."""
    known = np.isfinite(drift)
    if known.sum() < 2:
        raise MediaError("V7", "clip", "has no two frames to compare", "give at least two frames")
    slope, _ = np.polyfit(np.flatnonzero(known), drift[known], 1)
    return float(slope * 100)


def mean_lab(image: Image, mask: Mask) -> Float[np.ndarray, "3"]:
    """Return the mean CIE L*a*b* (D65) colour where the mask is above 0.5; NaN when it is empty."""
    region = mask > 0.5
    if not region.any():
        return np.full(3, np.nan)
    lab = cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2Lab)
    return np.asarray(lab[region].mean(axis=0), dtype=np.float64)


def delta_e(
    first: Float[np.ndarray, "*n 3"], second: Float[np.ndarray, "*n 3"]
) -> Float[np.ndarray, "*n"]:
    """Return the difference of CIE L*a*b* colours by CIEDE2000, as scikit-image computes it."""
    from skimage.color import deltaE_ciede2000

    difference = deltaE_ciede2000(first, second)  # type: ignore[no-untyped-call]
    return np.asarray(difference, dtype=np.float64)


def drift_from_truth(found: Float[np.ndarray, "t 3"], wanted: Float[np.ndarray, "t 3"]) -> float:
    """Return how far a clip's mean colours moved that its truth's did not: CIEDE2000.

    found, wanted: each frame's `mean_lab`. The mean of the first tenth is compared with that of
    the last tenth, less what the truth changed between them: turning shows other colours.
    NaN when either tenth has no character.
    """
    known = np.isfinite(found).all(axis=1) & np.isfinite(wanted).all(axis=1)
    tenth = max(1, len(found) // 10)
    parts = [np.flatnonzero(known[:tenth]), len(found) - tenth + np.flatnonzero(known[-tenth:])]
    if not (len(parts[0]) and len(parts[1])):
        return float("nan")
    begin, end = (found[part].mean(axis=0) for part in parts)
    true_begin, true_end = (wanted[part].mean(axis=0) for part in parts)
    return float(delta_e(begin, end - (true_end - true_begin)))
