"""DWPose says what it lacks before it loads anything."""

import importlib.util

import pytest

from poses.detectors import create_detector
from poses.errors import DetectorError


def test_a_model_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(DetectorError, match=r"gone\.onnx: person_model is not a file") as caught:
        create_detector("dwpose", person_model=tmp_path / "gone.onnx", pose_model=tmp_path)
    assert (caught.value.code, caught.value.exit_code) == ("M1", 4)


@pytest.mark.skipif(importlib.util.find_spec("rtmlib") is not None, reason="rtmlib is installed")
def test_a_missing_package_is_told_with_the_command_that_installs_it(tmp_path):
    model = tmp_path / "model.onnx"
    model.touch()
    with pytest.raises(DetectorError, match=r"pip install 'dtvideo\[dwpose\]'"):
        create_detector("dwpose", person_model=model, pose_model=model)
