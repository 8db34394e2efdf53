"""MediaPipe on a frame of a real person."""

from pathlib import Path

import numpy as np
import pytest

from poses.detectors import create_detector
from poses.errors import DetectorError
from poses.extract import extract_poses
from poses.types import confident

CLIP = Path(__file__).parents[3] / "examples" / "dance.mp4"


@pytest.fixture(scope="module")
def frame():
    import av

    with av.open(str(CLIP)) as container:
        return next(container.decode(video=0)).to_ndarray(format="rgb24")


@pytest.fixture(scope="module")
def detector():
    return create_detector("mediapipe")


def test_the_person_is_found_where_he_stands(detector, frame):
    (pose,) = detector.detect(frame)
    height, width, _ = frame.shape
    assert pose.size == (width, height)
    assert confident(pose.body).all()
    nose, neck, right_shoulder, left_shoulder = pose.body[[0, 1, 2, 5], :2]
    ankles = pose.body[[10, 13], 1]
    np.testing.assert_allclose(neck, (right_shoulder + left_shoulder) / 2)
    assert right_shoulder[0] < left_shoulder[0]
    np.testing.assert_allclose(nose / (width, height), (0.53, 0.26), atol=0.05)
    np.testing.assert_allclose(ankles / height, 0.7, atol=0.07)


def test_a_picture_gives_the_same_pose_whatever_came_before(detector, frame):
    (first,) = detector.detect(frame)
    detector.detect(frame[:, ::-1].copy())
    (again,) = detector.detect(frame)
    np.testing.assert_array_equal(first.body, again.body)


def test_nobody_in_an_empty_picture(detector):
    assert detector.detect(np.full((128, 128, 3), 90, dtype=np.uint8)) == []


def test_what_ran_is_told_and_nothing_native_is_printed(frame, capfd):
    found = extract_poses([frame, frame], create_detector("mediapipe"))
    assert found.describe() == ("mediapipe 0.10.14 on cpu (Apache-2.0): people in 2 of 2 frames")
    assert capfd.readouterr().err == ""


def test_holistic_finds_hands_at_the_wrists(frame):
    (pose,) = create_detector("mediapipe", holistic=True).detect(frame)
    hands = [(pose.left_hand, 7), (pose.right_hand, 4)]
    found = [(hand, wrist) for hand, wrist in hands if hand is not None]
    assert found
    for hand, wrist in found:
        assert np.linalg.norm(hand[0, :2] - pose.body[wrist, :2]) < 0.05 * frame.shape[0]


@pytest.mark.parametrize(("complexity", "word"), [(2, "pose_landmark_heavy"), (7, "not 0, 1 or 2")])
def test_a_model_that_is_not_installed_is_named(complexity, word):
    with pytest.raises(DetectorError, match=word):
        create_detector("mediapipe", complexity=complexity)
