import hashlib

import pytest
import torch
from safetensors.torch import save_file

from dtvideo.errors import ModelError
from dtvideo.models.sources import toon_folder
from dtvideo.models.verify import (
    SUMS,
    check_locked,
    note_hashes,
    noted_hash,
    verify_file,
    verify_model,
)


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
    with pytest.raises(ModelError, match=r"M4.*recorded is 0000") as caught:
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


def test_m4_a_changed_byte_is_found_by_the_hash_that_was_noted(model):
    note_hashes(model)
    files = sorted(model.rglob("*.safetensors"))
    assert all(each.matched for each in verify_model(model))
    check_locked(files)
    whole = files[0].read_bytes()
    files[0].write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(ModelError, match=r"M4.*unet/model.safetensors: has the SHA-256"):
        check_locked(files)
    with pytest.raises(ModelError, match=r"M4"):
        list(verify_model(model))


def test_hashes_are_noted_whole_in_a_new_file(model):
    """Whoever reads the old notes reads on in them: they are never cut in place."""
    (model / SUMS).write_text("old\n")
    with (model / SUMS).open() as reader:
        note_hashes(model)
        assert reader.read() == "old\n"
    assert len((model / SUMS).read_text().splitlines()) == 2
    assert sorted(path.name for path in model.iterdir()) == [SUMS, "unet", "vae"]


def test_m4_a_locked_file_must_have_a_noted_hash(model):
    (path,) = (model / "vae").glob("*.safetensors")
    verify_file(path)
    with pytest.raises(ModelError, match=r"M4.*has no recorded hash.*leave out --locked"):
        check_locked([path])


@pytest.mark.parametrize("written", ["{}  model.safetensors", "{} *./model.safetensors"])
def test_what_sha256sum_writes_beside_a_file_is_read(model, written):
    path = model / "vae/model.safetensors"
    told = hashlib.sha256(path.read_bytes()).hexdigest()
    (path.parent / SUMS).write_text(f"no hash\n{written.format(told)}\n")
    assert noted_hash(path) == told
    assert noted_hash(model / "unet/model.safetensors") is None


def test_the_weights_that_ship_are_those_that_are_noted():
    check_locked(toon_folder().rglob("*.safetensors"))
