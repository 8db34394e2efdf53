"""The pose back ends by the names that a person gives: those of `poses`, and toon of our own."""

from pathlib import Path
from typing import Any

from poses import detectors
from poses.detectors import PoseDetector


def _toon(**options: Any) -> PoseDetector:
    from dtvideo.toon.keypoints import ToonDetector

    return ToonDetector(**options)


def check_detector(name: str, *, subject: str) -> None:
    """Refuse a name that is unknown, or that has a folder and needs none.

    Raises: DetectorError M1 naming what the name was given for.
    """
    detectors.register_detector("toon", _toon)
    detectors.check_detector(name, subject=subject)


def detector_files(name: str) -> tuple[Path, ...]:
    """Return the weight files of a pose back end; none of one that brings its own.

    Raises: DetectorError M1 when the name is unknown or a file is missing.
    """
    detectors.register_detector("toon", _toon)
    return detectors.detector_files(name)


def load_detector(name: str, **options: bool) -> PoseDetector:
    """Create a pose back end by name; the toon one comes from this distribution.

    Raises: DetectorError M1 when the name is unknown or something is missing.
    """
    detectors.register_detector("toon", _toon)
    return detectors.create_detector(name, **options)
