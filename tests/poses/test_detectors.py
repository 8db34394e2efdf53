"""Detectors are created by name."""

import pytest

from poses.detectors import create_detector, detector_names, register_detector
from poses.errors import DetectorError


def test_an_unknown_detector_is_refused_with_the_names_there_are():
    with pytest.raises(DetectorError, match=r"'nosuch'.*dwpose, file, mediapipe, openpose") as e:
        create_detector("nosuch")
    assert (e.value.code, e.value.exit_code) == ("M1", 4)


class Own:
    """A detector that sees nobody."""

    name = licence = device = "own"

    def __init__(self, still):
        self.still = still

    def detect(self, image):
        return []


def test_a_detector_of_ones_own_is_created_by_name_with_its_options(monkeypatch):
    monkeypatch.setattr("poses.detectors._FACTORIES", {})
    register_detector("own", lambda *, still: Own(still))
    assert detector_names() == ("own",)
    assert create_detector("own", still=True).still
