import pytest

from dtvideo.attention import self_attention_layers
from dtvideo.attention.layers import layer_grid
from dtvideo.errors import UsageError
from tests.tiny_models import tiny_unet


def test_every_self_attention_of_a_unet_is_found_and_no_cross_attention():
    names = list(self_attention_layers(tiny_unet()))
    assert len(names) == 7
    assert all(name.endswith("transformer_blocks.0.attn1") for name in names)


@pytest.mark.parametrize(
    ("size", "tokens", "grid"),
    [
        ((64, 64), 4096, (64, 64)),
        ((64, 96), 96, (8, 12)),
        ((9, 7), 20, (5, 4)),
        ((3, 1), 1, (1, 1)),
    ],
)
def test_a_grid_is_the_latent_halved_and_rounded_up(size, tokens, grid):
    assert layer_grid(size, tokens) == grid


def test_tokens_that_fit_no_halving_are_refused():
    with pytest.raises(UsageError, match=r"63 tokens does not come from a latent of \(16, 16\)"):
        layer_grid((16, 16), 63)
