"""OpenPose by way of controlnet-aux: missing and unsafe weights, and the real nets once."""

from collections import namedtuple

import numpy as np
import pytest

from poses.backends import weights
from poses.backends.openpose import _joints
from poses.detectors import create_detector
from poses.errors import DetectorError
from poses.requirement import require

WEIGHTS = weights.WEIGHTS["openpose"].files
Point = namedtuple("Point", "x y")


def test_points_become_pixels_and_absent_ones_missing():
    joints = _joints([Point(0.5, 0.25), None, Point(-0.01, 0.5)], (200, 100))
    np.testing.assert_array_equal(joints[0], (100, 25, 1))
    assert np.isnan(joints[1:, :2]).all()
    assert (joints[1:, 2] == 0).all()


def test_weights_that_are_not_there_are_named(tmp_path):
    (tmp_path / WEIGHTS[0]).touch()
    with pytest.raises(DetectorError, match=r"lacks hand_pose_model\.pth, facenet\.pth") as caught:
        create_detector(f"openpose:{tmp_path}")
    assert (caught.value.code, caught.value.exit_code) == ("M1", 4)


def test_a_pickle_with_a_payload_is_refused_and_not_run(tmp_path):
    import torch

    class Payload:
        def __reduce__(self):
            return (open, (str(tmp_path / "canary"), "w"))

    for name in WEIGHTS:
        torch.save({"weights": Payload()}, tmp_path / name)
    with pytest.raises(DetectorError) as caught:
        create_detector("openpose", weights=tmp_path)
    assert caught.value.code == "M3"
    assert not (tmp_path / "canary").exists()


@pytest.mark.slow
def test_the_real_nets_load_from_a_folder_and_find_nobody_in_noise(tmp_path):
    import torch

    require("controlnet_aux.open_pose", subject="x", install="x", error=DetectorError)
    from controlnet_aux.open_pose.face import FaceNet
    from controlnet_aux.open_pose.model import bodypose_model, handpose_model

    torch.manual_seed(0)
    for name, net in zip(WEIGHTS, (bodypose_model(), handpose_model(), FaceNet()), strict=True):
        state = net.state_dict()
        if name != "facenet.pth":
            state = {key.split(".", 1)[1]: value for key, value in state.items()}
        torch.save(state, tmp_path / name)
    detector = create_detector("openpose", weights=tmp_path)
    assert "non-commercial" in detector.licence
    assert detector.detect(np.full((128, 96, 3), 128, dtype=np.uint8)) == []
