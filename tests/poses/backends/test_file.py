"""Key points from a file behind the detector protocol."""

import numpy as np
import pytest

from poses.backends.file import FileDetector
from poses.errors import PoseError
from poses.extract import extract_poses
from poses.io import write_clip
from poses.synthetic import walk


def frames(count):
    return (np.zeros((256, 128, 3), dtype=np.uint8) for _ in range(count))


@pytest.fixture
def detector(tmp_path):
    write_clip(walk(5, sway=0.0), tmp_path / "clip.json")
    return FileDetector(path=tmp_path / "clip.json")


def test_each_picture_gets_the_next_frame_scaled_to_it(detector):
    found = extract_poses(frames(5), detector)
    truth = walk(5, sway=0.0).body * (128 / 512, 256 / 512, 1)
    np.testing.assert_allclose([people[0].body for people in found.people], truth)
    assert found.describe().startswith("file on disk")


def test_a_clip_longer_than_the_file_is_refused_with_its_length(detector):
    with pytest.raises(PoseError, match="has 5 frames"):
        extract_poses(frames(6), detector)
