"""Figures measured on the frames of a result: does the character stay the same, does it move?

blank, still      frames of one colour; frames equal to the one before although the pose moved
identity          how far the character's mean colour is from the reference's (delta E, CIE 1976)
flicker           how much neighbouring frames differ on the character, of 255
pose              share of joints that a detector finds where they should be (PCK at 0.2 torsos),
                  where there is a detector that finds the reference's own pose
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from jaxtyping import Float, UInt8

from dtvideo import metrics
from dtvideo.puppet import Puppet
from pipelines.detectors import load_detector
from pipelines.prepare import Reference
from pipelines.reference_people import REFERENCE_DETECTORS
from poses.detectors import PoseDetector
from poses.types import Pose, PoseSequence

PAIRS = 24
LOOKS = 8
PCK_WITHIN = 0.2
FITS_FROM = 0.5
FLAT = 2.0
MOVED_PIXELS = 0.5

Frame = UInt8[np.ndarray, "h w c"]
Picture = UInt8[np.ndarray, "h w 3"]
Mask = Float[np.ndarray, "h w"]


class QualityMeter:
    """Takes the frames of a result as they go by; keeps up to 48 of them to measure.

    Neighbours are kept in pairs, evenly over the clip, so that memory does not grow with it.
    """

    def __init__(self, reference: Reference, poses: PoseSequence) -> None:
        self._reference = reference
        self._poses = poses
        count = len(poses)
        starts = {round(k) for k in np.linspace(0, max(0, count - 2), min(count, PAIRS))}
        self._wanted = starts | {start + 1 for start in starts if start + 1 < count}
        self._kept: dict[int, Frame] = {}
        self._before: Frame | None = None
        self._blank: list[int] = []
        self._still: list[int] = []

    def add(self, index: int, frame: Frame) -> None:
        """Take the next frame, RGB or RGBA."""
        colours = frame[..., :3]
        if colours.std(axis=(0, 1)).max() < FLAT or (
            frame.shape[2] == 4 and not frame[..., 3].any()
        ):
            self._blank.append(index)
        if self._before is not None and np.array_equal(frame, self._before) and self._moved(index):
            self._still.append(index)
        self._before = frame
        if index in self._wanted:
            self._kept[index] = frame

    def figures(self) -> dict[str, object]:
        """Return plain values for the side-car; what cannot be measured is None."""
        reference = self._reference
        puppet = reference.puppet
        masks = {k: _mask(frame, puppet, self._poses[k]) for k, frame in self._kept.items()}
        shown = {k: _over(frame, puppet.ground) for k, frame in self._kept.items()}
        return {
            "frames": len(self._poses),
            "finite": True,  # a frame that is not ends the render (M7)
            "blank_frames": self._blank,
            "still_frames": self._still,
            "identity_delta_e": self._identity(shown, masks),
            "flicker": self._flicker(shown, masks),
            "pose": self._pose(shown),
        }

    def _moved(self, index: int) -> bool:
        before, now = (self._poses[k].body for k in (index - 1, index))
        known = (before[:, 2] > 0) & (now[:, 2] > 0)
        return bool((np.abs(now - before)[known, :2] > MOVED_PIXELS).any())

    def _identity(self, shown: dict[int, Picture], masks: dict[int, Mask]) -> float | None:
        reference = self._reference
        if not (reference.mask > 0.5).any():
            return None
        drift = metrics.colour_drift(
            shown.values(),
            (masks[k] for k in shown),
            reference=reference.image,
            reference_mask=reference.mask,
        )
        known = drift[np.isfinite(drift)]
        return round(float(known.mean()), 2) if len(known) else None

    def _flicker(self, shown: dict[int, Picture], masks: dict[int, Mask]) -> float | None:
        changes = []
        for before, after in pairwise(sorted(shown)):
            pair = masks[before], masks[after]
            if after == before + 1 and any((mask > 0.5).any() for mask in pair):
                changes.append(metrics.flicker((shown[before], shown[after]), masks=pair))
        return round(float(np.mean(changes)), 2) if changes else None

    def _pose(self, shown: dict[int, Picture]) -> dict[str, object] | None:
        detector = fitting_detector(self._reference)
        if detector is None:
            return None
        order = sorted(shown)
        looks = [order[round(k)] for k in np.linspace(0, len(order) - 1, min(len(order), LOOKS))]
        shares = [_best(detector.detect(shown[k]), self._poses[k]) for k in looks]
        known = [share for share in shares if np.isfinite(share)]
        if not known:
            return None
        return {
            "detector": detector.name,
            "looks": len(known),
            "pck_0.2": round(float(np.mean(known)), 3),
        }


def fitting_detector(reference: Reference) -> PoseDetector | None:
    """Return a detector that finds the reference's own pose in it, or None.

    The one that found it is asked first; one that cannot find a known pose on this character says
    nothing about others.
    """
    asked = [reference.pose_method] if reference.pose_method in REFERENCE_DETECTORS else []
    for name in dict.fromkeys([*asked, "toon"]):
        detector = load_detector(name)
        if _best(detector.detect(reference.image), reference.pose) >= FITS_FROM:
            return detector
    return None


def _best(people: Sequence[Pose], truth: Pose) -> float:
    """Return the PCK of the person that is nearest to the truth; 0 for nobody."""
    shares = [metrics.pck(person, truth, threshold=PCK_WITHIN) for person in people]
    if not np.isfinite(metrics.pck(truth, truth)):
        return float("nan")
    return max(shares, default=0.0)


def _mask(frame: Frame, puppet: Puppet, pose: Pose) -> Mask:
    """Return where the character is: by alpha, or where its limbs must be."""
    alpha = frame[..., 3] if frame.shape[2] == 4 else puppet.pose(pose)[..., 3]
    return alpha.astype(np.float32) / 255


def _over(frame: Frame, ground: Picture) -> Picture:
    """Return a frame for a detector: what is transparent shows the reference's ground."""
    if frame.shape[2] == 3:
        return frame
    weight = frame[..., 3:].astype(np.float32) / 255
    mixed = frame[..., :3] * weight + ground * (1 - weight)
    picture: Picture = np.round(mixed).astype(np.uint8)
    return picture
