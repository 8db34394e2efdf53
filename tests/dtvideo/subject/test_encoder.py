import numpy as np
import pytest
import torch

from dtvideo.errors import ModelError
from dtvideo.subject import SubjectEncoder, subject_picture
from dtvideo.subject.encoder import PIXEL_MEAN, PIXEL_SPREAD
from tests.tiny_models import TEXT_WIDTH, tiny_subject_encoder, tiny_tower, tiny_unet


@pytest.fixture(scope="module")
def encoder():
    return tiny_subject_encoder(tiny_unet())


def pictures(rows, seed=0):
    return torch.randn(rows, 3, 16, 16, generator=torch.Generator().manual_seed(seed))


def white(picture):
    mean, spread = (torch.tensor(each).view(3, 1, 1) for each in (PIXEL_MEAN, PIXEL_SPREAD))
    return torch.isclose(picture * spread + mean, torch.ones(()), atol=1e-5).all(dim=0)


@torch.no_grad()
def test_every_patch_becomes_a_token_of_the_text_width(encoder):
    assert encoder(pictures(2)).shape == (2, 4, TEXT_WIDTH)


@torch.no_grad()
def test_each_hidden_layer_reaches_the_tokens(encoder):
    """The 1 x 1 convolution reads them one after another: cut one block, the tokens change."""
    plain = encoder(pictures(1))
    width = encoder.tower.config.hidden_size
    weight = encoder.narrow.weight
    for index in range(len(encoder.config.hidden_layers)):
        kept = weight.clone()
        weight[:, index * width : (index + 1) * width] = 0
        assert not torch.allclose(encoder(pictures(1)), plain)
        weight.copy_(kept)


@torch.no_grad()
def test_the_class_token_is_dropped(encoder):
    """The embeddings' class token is the same for all pictures; none of them reads it."""
    only = SubjectEncoder.from_config(encoder.config, hidden_layers=(0,)).eval()
    before = only(pictures(1))
    only.tower.get_parameter(
        next(name for name, _ in only.tower.named_parameters() if "class_embedding" in name)
    ).zero_()
    torch.testing.assert_close(only(pictures(1)), before)


def test_the_tower_is_frozen_and_is_the_one_given(encoder):
    tower = tiny_tower()
    for name, weight in encoder.tower.named_parameters():
        assert not weight.requires_grad
        assert torch.equal(weight, tower.get_parameter(name))
    assert all(p.requires_grad for p in encoder.resnets.parameters())


def test_layers_begin_as_the_text_attention_with_no_output():
    unet = tiny_unet()
    encoder = tiny_subject_encoder(unet)
    for path in encoder.paths:
        layer, text = encoder.layer(path).attention, unet.get_submodule(path).attn2
        for name in ("to_q", "to_k", "to_v"):
            assert torch.equal(getattr(layer, name).weight, getattr(text, name).weight)
        assert not layer.to_out[0].weight.any()
        assert not layer.to_out[0].bias.any()


@torch.no_grad()
def test_saving_and_loading_gives_the_same_tokens(encoder, tmp_path):
    encoder.save_pretrained(tmp_path)
    loaded = SubjectEncoder.from_pretrained(tmp_path)
    assert [path.name for path in tmp_path.glob("*.safetensors")]
    assert torch.equal(loaded(pictures(1)), encoder(pictures(1)))
    assert loaded.paths == encoder.paths
    assert not any(p.requires_grad for p in loaded.tower.parameters())


def test_a_tower_that_is_too_shallow_is_refused():
    with pytest.raises(ModelError, match="hidden state 4 of a tower that has 3"):
        SubjectEncoder.for_unet(tiny_unet(), tiny_tower(), hidden_layers=(4, -1))


def test_the_character_stands_on_white():
    reference = np.full((16, 16, 3), 40, np.uint8)
    mask = np.zeros((16, 16), np.float32)
    mask[4:12, 4:12] = 1
    picture = subject_picture(reference, mask, side=16)
    expected = torch.ones(16, 16, dtype=torch.bool)
    expected[4:12, 4:12] = False
    assert torch.equal(white(picture[0]), expected)


def test_a_tall_picture_is_padded_and_not_stretched():
    reference = np.zeros((32, 16, 3), np.uint8)
    picture = subject_picture(reference, None, side=32)
    assert picture.shape == (1, 3, 32, 32)
    assert white(picture[0]).float().mean() == 0.5
    assert not white(picture[0])[:, 8:24].any()
