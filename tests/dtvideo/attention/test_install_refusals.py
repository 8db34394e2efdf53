"""What an installed attention refuses, and which layers it leaves alone."""

import pytest

from dtvideo.attention import (
    install_self_subject_attention,
)
from dtvideo.errors import UsageError
from tests.attended import SIZE, run, written


def test_only_the_named_layers_are_touched(unet):
    name = "mid_block.attentions.0.transformer_blocks.0.attn1"
    with install_self_subject_attention(unet, layers=[f"unet.{name}"]) as attention:
        written(attention, unet)
        assert list(attention.cache.page("reference", 0).entries) == [f"unet.{name}"]


def test_an_unknown_layer_is_refused_and_the_error_lists_those_that_exist(unet):
    with pytest.raises(UsageError, match=r"no layer is named 'mid'.*unet\.mid_block\.attentions"):
        with install_self_subject_attention(unet, layers=["mid"]):
            pass


def test_installing_twice_is_refused_and_leaves_the_first_in_place(unet):
    with install_self_subject_attention(unet) as attention:
        with pytest.raises(UsageError, match="already has self-subject attention"):
            with install_self_subject_attention(unet):
                pass
        written(attention, unet)
        assert attention.cache.byte_size > 0


def test_another_resolution_is_refused(unet):
    with install_self_subject_attention(unet) as attention:
        written(attention, unet)
        with attention.read({"reference": 10.0}, step=0):
            with pytest.raises(UsageError, match=r"48 tokens .*\(8, 6\), 80 tokens to read"):
                run(unet, size=(10, 8))
        with pytest.raises(UsageError, match=r"from a latent of \(8, 6\), not \(6, 8\)"):
            with attention.read({"reference": 10.0}, step=0, size=(6, 8)):
                pass


def test_another_step_or_role_is_refused(unet):
    with install_self_subject_attention(unet) as attention:
        written(attention, unet, step=3)
        with pytest.raises(UsageError, match=r"reference: was not written at step 4 .*\[3\]"):
            with attention.read({"reference": 10.0}, step=4):
                pass
        with pytest.raises(UsageError, match=r"hat: was never written .*\['reference'\]"):
            with attention.read({"hat": 1.0}, step=3):
                pass


def test_a_forward_of_another_size_than_declared_is_refused(unet):
    with install_self_subject_attention(unet) as attention:
        with pytest.raises(UsageError, match=r"48 tokens .* latent of \(9, 9\)"):
            with attention.write("reference", step=0, size=(9, 9)):
                run(unet)
        assert attention.cache.roles == []


def test_reading_while_writing_is_refused(unet):
    with install_self_subject_attention(unet) as attention:
        with attention.write("reference", step=0, size=SIZE):
            with pytest.raises(UsageError, match="is already reading or writing"):
                with attention.read({}, step=0):
                    pass


def test_a_negative_weight_is_refused(unet):
    with install_self_subject_attention(unet) as attention:
        written(attention, unet)
        with pytest.raises(UsageError, match=r"reference: has weight -1.0"):
            with attention.read({"reference": -1.0}, step=0):
                pass


def test_attention_that_others_replaced_meanwhile_is_refused(unet):
    with install_self_subject_attention(unet) as attention:
        written(attention, unet)
        unet.set_attention_slice("max")
        with pytest.raises(UsageError, match=r"M11.*SlicedAttnProcessor.* · .* before"):
            with attention.read({"reference": 10.0}, step=0):
                pass
        with pytest.raises(UsageError, match="SlicedAttnProcessor"):
            with attention.write("other", step=0, size=SIZE):
                pass
        assert attention.cache.roles == ["reference"]
