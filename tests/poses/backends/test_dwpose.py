"""DWPose says what it lacks before it loads anything."""

import importlib.util

import numpy as np
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


def number(field, value):
    """A whole number as a field of protobuf, which ONNX files are."""
    return field_of(field, 0) + varint(value)


def block(field, content):
    content = content.encode() if isinstance(content, str) else content
    return field_of(field, 2) + varint(len(content)) + content


def field_of(field, kind):
    return varint(field << 3 | kind)


def varint(value):
    low, rest = value & 127, value >> 7
    return bytes([low | 128]) + varint(rest) if rest else bytes([low])


def write_model(path, *answers):
    """Write an ONNX model that answers every picture with the same arrays."""
    graph = block(2, "same") + block(11, told("picture", ("n", "c", "h", "w")))
    for index, answer in enumerate(answers):
        dims = b"".join(number(1, side) for side in answer.shape)
        table = dims + number(2, 1) + block(8, f"table{index}") + block(9, answer.tobytes())
        node = block(1, f"table{index}") + block(2, f"out{index}") + block(4, "Identity")
        graph += block(1, node) + block(5, table) + block(12, told(f"out{index}", answer.shape))
    path.write_bytes(number(1, 9) + block(7, graph) + block(8, block(1, "") + number(2, 17)))


def told(name, shape):
    """The name and shape of what goes in or comes out; sides that may change have a name."""
    sides = [block(2, side) if isinstance(side, str) else number(1, side) for side in shape]
    dims = b"".join(block(1, side) for side in sides)
    return block(1, name) + block(2, block(1, number(1, 1) + block(2, dims)))


def boxes(*kinds):
    """What a YOLOX of 80 kinds says: things of these kinds, side by side, and nothing else."""
    found = np.zeros((1, 8400, 85), np.float32)
    for place, kind in enumerate(kinds):
        found[0, 400 + 20 * place, 2:4] = np.log(20)
        found[0, 400 + 20 * place, [4, 5 + kind]] = 1
    return found


@pytest.fixture
def weights(tmp_path):
    """Two models of the published names: a pose whose joints are all sure, and who is seen."""
    pytest.importorskip("rtmlib")
    x, y = np.zeros((1, 133, 576), np.float32), np.zeros((1, 133, 768), np.float32)
    x[..., 288] = y[..., 384] = 0.9
    write_model(tmp_path / "dw-ll_ucoco_384.onnx", x, y)
    return tmp_path


@pytest.mark.parametrize(("kinds", "people"), [((), 0), ((0,), 1), ((0, 16), 1), ((16, 57), 0)])
def test_people_are_found_and_dogs_and_sofas_are_none(weights, capsys, kinds, people):
    write_model(weights / "yolox_l.onnx", boxes(*kinds))
    found = create_detector(f"dwpose:{weights}").detect(np.zeros((640, 640, 3), np.uint8))
    assert len(found) == people
    assert all(pose.body[:, 2].min() > 0.8 for pose in found)
    assert capsys.readouterr().out == ""  # standard output is for paths of results


def test_m2_a_model_that_is_no_onnx_file_is_named(weights):
    (weights / "yolox_l.onnx").write_bytes(b"nothing")
    with pytest.raises(DetectorError, match=r"yolox_l\.onnx: cannot be loaded") as caught:
        create_detector(f"dwpose:{weights}")
    assert caught.value.code == "M2"
