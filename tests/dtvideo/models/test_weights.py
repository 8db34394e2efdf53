import json
import os
import pickle

import pytest
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from dtvideo.errors import ModelError
from dtvideo.models.weights import check_safetensors, check_weights, weight_files


def write(path, header, data=b""):
    """Write a file from a header of any kind and the bytes after it."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)
    return path


def entry(dtype="F32", shape=(2,), offsets=(0, 8)):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


def refusal(path):
    with pytest.raises(ModelError) as caught:
        check_safetensors(path)
    assert str(path) in str(caught.value)
    return caught.value


class Canary:
    """Leaves a file behind when a pickle of it is opened."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.fixture
def canary(tmp_path):
    path = tmp_path / "the-canary-fired"
    yield path
    assert not path.exists()


def test_the_canary_of_these_tests_does_fire(tmp_path):
    torch.save(Canary(tmp_path / "fired"), tmp_path / "model.bin")
    torch.load(tmp_path / "model.bin", weights_only=False)
    assert (tmp_path / "fired").exists()


@pytest.mark.parametrize(
    "dtype",
    [torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.bool, torch.float8_e4m3fn],
)
def test_a_file_that_safetensors_wrote_is_accepted_with_its_shapes(tmp_path, dtype):
    tensors = {
        "a": torch.zeros(2, 3).to(dtype),
        "empty": torch.zeros(0, 4).to(dtype),
        "single": torch.zeros(()).to(dtype),
    }
    save_file(tensors, tmp_path / "a.safetensors", metadata={"format": "pt"})
    found = check_safetensors(tmp_path / "a.safetensors")
    assert found == {"a": (2, 3), "empty": (0, 4), "single": ()}


def test_m1_a_missing_file_is_named(tmp_path):
    assert refusal(tmp_path / "none.safetensors").code == "M1"


@pytest.mark.parametrize(
    ("header", "data", "message"),
    [
        (b"{" + b" " * 7, b"", "not JSON"),
        (b"[1, 2]  ", b"", "does not begin with"),
        (b'{"a": 1, "a": 2}', b"", "a name occurs twice"),
        (b'{"a":' * 5000, b"", "not JSON"),
        ({"a": 3}, b"", "described wrongly"),
        ({"a": entry(dtype="F99")}, bytes(8), "unknown type 'F99'"),
        ({"a": entry(shape=(-2,))}, bytes(8), "no number"),
        ({"a": entry(shape=(True, 2))}, bytes(8), "no number"),
        ({"a": entry(shape=(2**63, 2**63))}, bytes(8), "needs 3402823669209384634633746"),
        ({"a": entry(offsets=(0, 12))}, bytes(12), "needs 8 bytes and has 12"),
        ({"a": entry()}, bytes(5), "is cut off: one ends at byte 8, 5 comes next"),
        ({"a": entry(), "b": entry(offsets=(4, 12))}, bytes(12), "tensors that overlap"),
        ({"a": entry(), "b": entry(offsets=(12, 20))}, bytes(20), "4 bytes from 8 belong to no"),
        ({"a": entry()}, bytes(11), "3 bytes from 8 belong to no"),
    ],
)
def test_m2_a_damaged_file_is_refused_as_safetensors_would(tmp_path, header, data, message):
    path = write(tmp_path / "a.safetensors", header, data)
    error = refusal(path)
    assert error.code == "M2"
    assert message in error.problem
    with pytest.raises(SafetensorError), safe_open(path, framework="pt"):
        pass


@pytest.mark.parametrize("kept", [0, 5, 8, 40, -1])
def test_m2_a_file_that_was_cut_off_is_refused(tmp_path, kept):
    path = tmp_path / "a.safetensors"
    save_file({"a": torch.zeros(16)}, path)
    path.write_bytes(path.read_bytes()[:kept])
    error = refusal(path)
    assert error.code == "M2"
    assert "cut off" in error.problem


def test_m2_a_header_that_claims_too_much_is_refused_unread(tmp_path):
    path = tmp_path / "a.safetensors"
    path.write_bytes((10**12).to_bytes(8, "little") + b"{")
    error = refusal(path)
    assert (error.code, "1000000000000" in error.problem) == ("M2", True)


@pytest.mark.parametrize("protocol", range(2, 6))
def test_m3_a_pickle_named_safetensors_is_never_opened(tmp_path, canary, protocol):
    path = tmp_path / "a.safetensors"
    path.write_bytes(pickle.dumps(Canary(canary), protocol=protocol))
    assert refusal(path).code == "M3"


def test_m3_a_torch_archive_named_safetensors_is_never_opened(tmp_path, canary):
    torch.save(Canary(canary), tmp_path / "a.bin")
    (tmp_path / "a.bin").rename(tmp_path / "a.safetensors")
    assert refusal(tmp_path / "a.safetensors").code == "M3"


@pytest.mark.parametrize("suffix", [".ckpt", ".pth", ".pt", ".pt2", ".bin", ".PKL"])
def test_m3_a_pickle_by_name_is_refused_unread(tmp_path, suffix):
    path = tmp_path / f"model{suffix}"
    path.touch(mode=0)
    error = refusal(path)
    assert error.code == "M3"
    assert "convert it" in error.remedy


def test_whole_weights_win_over_half_ones(tmp_path):
    save_file({"a": torch.zeros(2)}, tmp_path / "model.fp16.safetensors")
    assert [path.name for path in weight_files(tmp_path)] == ["model.fp16.safetensors"]
    save_file({"a": torch.zeros(2)}, tmp_path / "model.safetensors")
    assert [path.name for path in weight_files(tmp_path)] == ["model.safetensors"]


def test_m3_a_folder_of_pickles_alone_is_refused(tmp_path, canary):
    torch.save(Canary(canary), tmp_path / "pytorch_model.bin")
    with pytest.raises(ModelError, match=r"M3.*pytorch_model\.bin"):
        check_weights(tmp_path)


def test_m3_an_index_that_leads_to_a_pickle_is_refused(tmp_path, canary):
    save_file({"a": torch.zeros(2)}, tmp_path / "model-00001-of-00002.safetensors")
    torch.save(Canary(canary), tmp_path / "model-00002-of-00002.bin")
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"b": "model-00002-of-00002.bin"}}))
    with pytest.raises(ModelError, match="M3"):
        check_weights(tmp_path)


def test_the_index_of_weights_that_are_not_used_is_not_asked(tmp_path):
    save_file({"a": torch.zeros(2)}, tmp_path / "model.fp16.safetensors")
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": "model-00001-of-00001.safetensors"}}))
    check_weights(tmp_path)


def test_m1_an_index_of_half_weights_is_followed_too(tmp_path):
    save_file({"a": torch.zeros(2)}, tmp_path / "model.fp16-00001-of-00002.safetensors")
    index = tmp_path / "model.safetensors.index.fp16.json"
    shard = "model.fp16-00002-of-00002.safetensors"
    index.write_text(json.dumps({"weight_map": {"a": shard}}))
    with pytest.raises(ModelError, match=rf"M1.*{shard}"):
        check_weights(tmp_path)


def test_m1_an_index_that_leads_out_of_the_folder_is_refused(tmp_path):
    save_file({"a": torch.zeros(2)}, tmp_path / "model-00001-of-00002.safetensors")
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"b": "../other.safetensors"}}))
    with pytest.raises(ModelError, match=r"M1.*\.\./other\.safetensors"):
        check_weights(tmp_path)
