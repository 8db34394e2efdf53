"""Detectors in processes of their own find the same, to the bit, however many there are."""

import os
import signal
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from poses.detectors import create_detector
from poses.errors import DetectorError, PoseError
from poses.extract import extract_poses
from poses.remote import RemoteDetector, remote_detectors
from poses.synthetic import stand
from poses.types import Pose


class ByBrightness:
    """Finds people where the picture says: how many, and how large, is a function of its pixels.

    It finds one at a time, so that the looking again is part of what must not change.
    """

    name, licence, device = "by brightness", "none", "cpu"
    finds_one = True

    def detect(self, image):
        level = image[::8, ::8].mean(dtype=np.float64)
        if level < 20:
            return []
        if level > 250:
            raise PoseError("P4", "picture", f"is too bright ({level})", "darken it")
        return [stand(size=(96, 96), height=0.3 + level / 512)]


def pictures(count):
    draw = np.random.default_rng(5)
    for k in range(count):
        yield draw.integers(0, 40 if k % 9 == 4 else 20 * (k % 11) + 5, (96, 96, 3), np.uint8)


def refuse():
    raise DetectorError("M1", "nothing", "is not there", "install it")


def parts(found):
    return [[pose.body.tobytes() for pose in frame] for frame in found.people]


def test_one_detector_here_and_several_elsewhere_find_the_same_to_the_bit():
    alone = extract_poses(pictures(60), ByBrightness())
    assert 0 < len(alone.empty_frames) < 60
    with remote_detectors(ByBrightness, 2) as detectors:
        found = extract_poses(pictures(60), detectors)
        assert parts(found) == parts(alone)
        assert (found.detector, found.device, found.cuts) == ("by brightness", "cpu", alone.cuts)
        processes = [detector._process for detector in detectors]
        os.kill(processes[0].pid, signal.SIGKILL)
        with pytest.raises(DetectorError, match=r"B6.*by brightness: its process ended .*-9"):
            extract_poses(pictures(20), detectors)
    assert not any(process.is_alive() for process in processes)


def test_mistakes_come_back_as_they_are():
    with pytest.raises(DetectorError, match=r"error\[M1\]: nothing: is not there · install it"):
        RemoteDetector(refuse)
    with remote_detectors(ByBrightness, 1) as (detector,):
        with pytest.raises(PoseError, match=r"P4.*too bright \(255"):
            detector.detect(np.full((8, 8, 3), 255, np.uint8))


def test_less_than_one_detector_is_refused():
    with pytest.raises(ValueError, match="0 detectors"), remote_detectors(ByBrightness, 0):
        pass


@pytest.mark.slow
def test_mediapipe_in_two_processes_finds_what_it_finds_here():
    from dtvideo.video import read_frames

    frames = list(read_frames(Path(__file__).parents[2] / "examples" / "dance.mp4"))[:30]
    alone = extract_poses(frames, create_detector("mediapipe"))
    with remote_detectors(partial(create_detector, "mediapipe"), 2) as detectors:
        found = extract_poses(frames, detectors)
    assert parts(found) == parts(alone)
    assert isinstance(found.people[0][0], Pose)
