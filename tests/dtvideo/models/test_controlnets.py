import pytest
import torch
from diffusers import ControlNetModel
from safetensors.torch import save_file

from dtvideo.errors import ModelError
from dtvideo.models.controlnets import find_controlnet, load_controlnet
from tests.single_file import original_checkpoint, original_controlnet
from tests.tiny_models import BLOCKS, tiny_components, tiny_unet


@pytest.fixture(scope="module")
def unet():
    return tiny_unet()


def load(path, unet):
    return load_controlnet(path, unet=unet, dtype=torch.float32)


@pytest.mark.parametrize("naming", ["diffusers", "original"])
def test_a_single_file_gives_the_very_weights(unet, tmp_path, naming):
    torch.manual_seed(0)
    expected = ControlNetModel(**BLOCKS).state_dict()
    weights = original_controlnet(expected) if naming == "original" else expected
    save_file(dict(weights), tmp_path / "pose.safetensors")
    found = load(tmp_path / "pose.safetensors", unet).state_dict()
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_m5_a_single_file_that_lacks_weights_is_refused(unet, tmp_path):
    weights = ControlNetModel(**BLOCKS).state_dict()
    del weights["conv_in.bias"]
    save_file(weights, tmp_path / "pose.safetensors")
    with pytest.raises(ModelError, match=r"M5.*pose\.safetensors"):
        load(tmp_path / "pose.safetensors", unet)


def test_m5_a_whole_checkpoint_is_no_controlnet(unet, tmp_path):
    save_file(original_checkpoint(tiny_components()), tmp_path / "hero.safetensors")
    with pytest.raises(ModelError, match=r"M5.*hero\.safetensors"):
        load(tmp_path / "hero.safetensors", unet)


def test_m5_another_width_of_text_is_named(unet, tmp_path):
    ControlNetModel(**{**BLOCKS, "cross_attention_dim": 48}).save_pretrained(tmp_path)
    with pytest.raises(ModelError, match="cross_attention_dim is 48, not 32"):
        load(tmp_path, unet)


def test_a_named_one_wins_over_the_models_own(tmp_path):
    own, other = tmp_path / "model" / "controlnet", tmp_path / "other"
    for folder in (own, other):
        folder.mkdir(parents=True)
    assert find_controlnet(None, model=tmp_path / "model") == own
    assert find_controlnet(str(other), model=tmp_path / "model") == other


def test_m1_a_missing_one_is_named(tmp_path):
    with pytest.raises(ModelError, match=r"M1.*none\.safetensors"):
        find_controlnet(str(tmp_path / "none.safetensors"), model=tmp_path)
