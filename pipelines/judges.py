"""What an evaluation asks of each frame besides its likeness to the truth."""

import math
from collections.abc import Mapping

import numpy as np
from jaxtyping import UInt8

from dtvideo.toon.trials import Trial
from pipelines.scoring import pose_share
from pipelines.worst_frames import WorstFrames
from poses.detectors import PoseDetector

Image = UInt8[np.ndarray, "h w 3"]


class Judges:
    """Asks which pose a detector finds in a frame, and whether the frame is among the worst.

    Without detector or worst frames that question is not asked.
    """

    def __init__(
        self, detector: PoseDetector | None = None, worst: WorstFrames | None = None
    ) -> None:
        self._detector = detector
        self._worst = worst
        self._truly: dict[int, float] = {}
        self._trial = ""

    def further(self, trial: Trial, index: int, frame: Image) -> dict[str, float]:
        """Return how much of the true pose is found in a frame, and in the true frame."""
        if self._detector is None:
            return {}
        if self._trial != trial.name:
            self._trial, self._truly = trial.name, {}
        truth = trial.truths[index]
        if index not in self._truly:
            self._truly[index] = pose_share(self._detector, truth.image, truth.pose)
        found = pose_share(self._detector, frame, truth.pose)
        return {"pose_pck": found, "true_pose_pck": self._truly[index]}

    def watch(
        self, method: str, trial: Trial, index: int, frame: Image, scores: Mapping[str, float]
    ) -> None:
        """Keep a frame if it is among the worst of its method."""
        decibels = scores.get("foreground_psnr", math.inf)
        if self._worst is not None and math.isfinite(decibels):
            self._worst.add(method, trial, index, frame, decibels)
