"""Measure one clip frame by frame; of a long clip nothing is kept but a few numbers a frame."""

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, UInt8

import dtvideo.metrics as metrics
from poses.detectors import PoseDetector
from poses.types import Pose

Image = UInt8[np.ndarray, "h w 3"]
Mask = Float[np.ndarray, "h w"]

LONG_CLIP = 50  # frames from which a drift of colours means something
POSE_THRESHOLD = 0.1


def pose_share(detector: PoseDetector, image: Image, truth: Pose) -> float:
    """Return PCK@0.1 of torso of what a detector finds in a picture; 0 where it finds nobody."""
    found = detector.detect(image)
    return metrics.pck(found[0], truth, threshold=POSE_THRESHOLD) if found else 0.0


def score_frame(prediction: Image, truth: Image, mask: Mask | None) -> dict[str, float]:
    """Return every measure of one picture against its truth; without a mask fewer."""
    scores = {
        "psnr": metrics.psnr(prediction, truth),
        "ssim": metrics.ssim(prediction, truth),
        "ssim_colour": metrics.ssim(prediction, truth, colour=True),
        "l1": metrics.l1(prediction, truth),
        "l1_per_pixel": metrics.l1_per_pixel(prediction, truth),
    }
    if mask is not None and (mask > 0.5).any():
        scores["foreground_psnr"] = metrics.foreground_psnr(prediction, truth, mask=mask)
        colours = [metrics.mean_lab(image, mask) for image in (prediction, truth)]
        scores["colour_difference"] = float(metrics.delta_e(*colours))
    return scores


class ClipMeter:
    """Takes the frames of a clip one by one, in order, and measures them against their truths.

    frames: the measures of each frame so far.
    """

    def __init__(self) -> None:
        self.frames: list[dict[str, float]] = []
        self._last: tuple[Image, Image, Mask | None] | None = None
        self._dtssd: list[float] = []
        self._changes: list[tuple[float, float]] = []
        self._colours: list[tuple[np.ndarray, np.ndarray]] = []

    def add(
        self, frame: Image, truth: Image, mask: Mask | None = None, **further: float
    ) -> dict[str, float]:
        """Measure the next frame and return its measures, `further` ones kept beside."""
        scores = {**score_frame(frame, truth, mask), **further}
        self.frames.append(scores)
        if self._last is not None:
            self._compare(self._last, (frame, truth, mask))
        if mask is not None:
            self._colours.append((metrics.mean_lab(frame, mask), metrics.mean_lab(truth, mask)))
        self._last = (frame, truth, mask)
        return scores

    def whole(self) -> dict[str, float]:
        """Return the measures of the clip as a whole; none of fewer than two frames."""
        if not self._dtssd:
            return {}
        scores = {"dtssd": _mean(self._dtssd)}
        if self._changes:
            changes = (_mean(values) for values in zip(*self._changes, strict=True))
            scores["flicker_ratio"] = metrics.change_ratio(*changes)
        if len(self.frames) >= LONG_CLIP and self._colours:
            found, wanted = (np.stack(colours) for colours in zip(*self._colours, strict=True))
            scores["drift"] = metrics.drift_from_truth(found, wanted)
            scores["drift_per_100_frames"] = self._slope()
        return scores

    def _compare(
        self, before: tuple[Image, Image, Mask | None], after: tuple[Image, Image, Mask | None]
    ) -> None:
        frames, truths = (before[0], after[0]), (before[1], after[1])
        self._dtssd.append(metrics.dtssd(frames, truths))
        masks = [mask for mask in (before[2], after[2]) if mask is not None]
        if len(masks) == 2 and max(float(mask.max()) for mask in masks) > 0.5:
            self._changes.append(
                (metrics.flicker(frames, masks=masks), metrics.flicker(truths, masks=masks))
            )

    def _slope(self) -> float:
        """Return how much the colours' difference from the truth grows in 100 frames."""
        curve = np.array([scores.get("colour_difference", math.nan) for scores in self.frames])
        return metrics.drift_per_100_frames(curve)


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)
