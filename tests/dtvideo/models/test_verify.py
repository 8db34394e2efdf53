import hashlib

import pytest
import torch
from safetensors.torch import save_file

from dtvideo.errors import ModelError
from dtvideo.models.verify import verify_file, verify_model


@pytest.fixture
def model(tmp_path):
    """A model of two parts: 6 numbers and an old table of positions in one, 4 in the other."""
    for part, shape in (("unet", (2, 3)), ("vae", (4,))):
        (tmp_path / part).mkdir()
        weights = {"a": torch.zeros(shape)}
        if part == "unet":
            weights["text_model.embeddings.position_ids"] = torch.arange(77)[None]
        save_file(weights, tmp_path / part / "model.safetensors")
    return tmp_path


def in_blob(model, sha256):
    """Let a weight file be a link to a file named by a hash, as in the hub's cache."""
    path = model / "unet/model.safetensors"
    (model / "blobs").mkdir()
    path.rename(model / "blobs" / sha256)
    path.symlink_to(model / "blobs" / sha256)
    return path


def test_every_file_is_hashed_and_counted(model):
    found = list(verify_model(model, parameters={"unet": 6}))
    assert [each.numbers for each in found] == [6, 4]
    assert not any(each.matched for each in found)
    data = (model / "vae/model.safetensors").read_bytes()
    assert found[1].sha256 == hashlib.sha256(data).hexdigest()


def test_m5_a_part_of_another_size_is_refused(model):
    with pytest.raises(ModelError, match=r"M5.*unet: holds 6 numbers, not 7"):
        list(verify_model(model, parameters={"unet": 7}))


def test_m5_a_single_part_is_counted_by_what_it_is(model):
    assert len(list(verify_model(model / "vae", part="vae", parameters={"vae": 4}))) == 1
    with pytest.raises(ModelError, match="holds 4 numbers, not 5"):
        list(verify_model(model / "vae", part="vae", parameters={"vae": 5}))


def test_a_file_with_the_hash_that_the_hub_gave_matches(model):
    data = (model / "unet/model.safetensors").read_bytes()
    assert verify_file(in_blob(model, hashlib.sha256(data).hexdigest())).matched


def test_m4_a_file_with_another_hash_is_refused(model):
    with pytest.raises(ModelError, match=r"M4.*the hub gave 0000") as caught:
        verify_file(in_blob(model, "0" * 64))
    assert caught.value.exit_code == 4


def test_m2_a_damaged_file_is_refused(model):
    path = model / "vae/model.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ModelError, match="M2"):
        list(verify_model(model))


def test_m1_a_folder_without_weights_is_refused(tmp_path):
    with pytest.raises(ModelError, match="M1"):
        list(verify_model(tmp_path))
