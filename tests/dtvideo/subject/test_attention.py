import pytest
import torch
from diffusers import UNet2DConditionModel
from peft import LoraConfig

from dtvideo.attention import install_self_subject_attention
from dtvideo.attention.layers import transformer_blocks
from dtvideo.errors import ModelError, UsageError
from dtvideo.subject import SubjectEncoder, install_subject_attention
from tests.tiny_models import LATENT_CHANNELS, TEXT_WIDTH, tiny_subject_encoder, tiny_unet

SIZE = (8, 6)


def tiny_xl_unet():
    """SDXL's layout: blocks of several transformers, linear projections, pooled text."""
    torch.manual_seed(0)
    return UNet2DConditionModel(
        block_out_channels=(16, 32, 32),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        transformer_layers_per_block=(1, 2, 3),
        attention_head_dim=(2, 4, 4),
        cross_attention_dim=TEXT_WIDTH,
        norm_num_groups=8,
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=6 * 8 + 16,
    ).eval()


def noise(*shape, seed):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def run(unet, *, batch=1, seed=0):
    pooled = {"text_embeds": noise(batch, 16, seed=8), "time_ids": torch.ones(batch, 6)}
    return unet(
        noise(batch, LATENT_CHANNELS, *SIZE, seed=seed),
        7,
        noise(1, 5, TEXT_WIDTH, seed=seed + 1).expand(batch, -1, -1),
        added_cond_kwargs=pooled,
    ).sample


def trained(unet):
    """An encoder whose layers have learnt something."""
    encoder = tiny_subject_encoder(unet)
    for path in encoder.paths:
        torch.nn.init.normal_(encoder.layer(path).attention.to_out[0].weight, std=0.5)
    return encoder


def tokens(rows=1):
    return noise(rows, 4, TEXT_WIDTH, seed=90)


@torch.no_grad()
@pytest.mark.parametrize("make", [tiny_unet, tiny_xl_unet])
def test_an_untrained_encoder_leaves_the_output_unchanged_to_the_bit(make):
    unet = make()
    plain = run(unet)
    encoder = tiny_subject_encoder(unet)
    with install_subject_attention(unet, encoder) as attention:
        with attention.show(tokens(), beta=1.0):
            assert torch.equal(run(unet), plain)


@torch.no_grad()
@pytest.mark.parametrize("make", [tiny_unet, tiny_xl_unet])
def test_every_block_has_a_layer_that_changes_the_output(make):
    unet = make()
    plain, encoder = run(unet), trained(unet)
    assert encoder.paths == tuple(sorted(transformer_blocks(unet)))
    for path in encoder.paths:
        only = SubjectEncoder.from_config(
            encoder.config, layers={path: encoder.config.layers[path]}
        )
        only.layer(path).load_state_dict(encoder.layer(path).state_dict())
        with install_subject_attention(unet, only) as attention:
            with attention.show(tokens(), beta=1.0):
                assert not torch.allclose(run(unet), plain, atol=1e-4)


@torch.no_grad()
def test_a_block_computes_equation_1_between_its_two_attentions():
    unet = tiny_unet()
    encoder, path = trained(unet), next(iter(transformer_blocks(unet)))
    block, layer = transformer_blocks(unet)[path], encoder.layer(path)
    features, text = noise(1, 12, 16, seed=1), noise(1, 5, TEXT_WIDTH, seed=2)
    with install_subject_attention(unet, encoder) as attention:
        with attention.show(tokens(), beta=0.2):
            found = block(features, encoder_hidden_states=text)
    attended = features + block.attn1(block.norm1(features))
    shown = layer.attention(layer.norm(attended), encoder_hidden_states=tokens())
    attended = attended + 0.2 * shown
    attended = attended + block.attn2(block.norm2(attended), encoder_hidden_states=text)
    expected = attended + block.ff(block.norm3(attended))
    torch.testing.assert_close(found, expected)


@torch.no_grad()
@pytest.mark.parametrize("order", ["subject first", "self-subject first"])
def test_it_works_together_with_self_subject_attention_in_any_order(order):
    unet = tiny_unet()
    encoder = trained(unet)
    pair = [install_subject_attention(unet, encoder), install_self_subject_attention(unet)]
    if order == "self-subject first":
        pair.reverse()
    with pair[0] as first, pair[1] as second:
        subject, references = (second, first) if order != "subject first" else (first, second)
        with references.write("reference", step=0, size=SIZE):
            run(unet, seed=50)
        with references.read({"reference": 10.0}, step=0):
            alone = run(unet)
            with subject.show(tokens(), beta=1.0):
                both = run(unet)
    with install_self_subject_attention(unet) as references:
        with install_subject_attention(unet, encoder) as subject:
            with references.write("reference", step=0, size=SIZE):
                run(unet, seed=50)
            with references.read({"reference": 10.0}, step=0), subject.show(tokens(), beta=1.0):
                expected = run(unet)
    assert torch.equal(both, expected)
    assert not torch.allclose(both, alone, atol=1e-4)


@torch.no_grad()
def test_it_works_with_a_lora():
    unet = tiny_unet()
    encoder = trained(unet)
    unet.add_adapter(LoraConfig(r=2, target_modules=["to_q", "to_v"], init_lora_weights=False))
    plain = run(unet)
    untouched = tiny_subject_encoder(unet)
    with install_subject_attention(unet, untouched) as attention:
        with attention.show(tokens(), beta=1.0):
            assert torch.equal(run(unet), plain)
    with install_subject_attention(unet, encoder) as attention:
        with attention.show(tokens(), beta=1.0):
            both = run(unet)
    unet.disable_adapters()
    with install_subject_attention(unet, encoder) as attention:
        with attention.show(tokens(), beta=1.0):
            assert not torch.allclose(both, run(unet), atol=1e-4)


@torch.no_grad()
def test_each_row_can_have_its_own_subject_and_beta():
    unet = tiny_unet()
    encoder, plain = trained(unet), run(unet, batch=3)
    with install_subject_attention(unet, encoder) as attention:
        with attention.show(tokens(3), beta=torch.tensor([0.0, 0.2, 1.0])):
            mixed = run(unet, batch=3)
        with attention.show(tokens(3), beta=1.0):
            full = run(unet, batch=3)
        with attention.show(tokens(3), beta=0.0):
            assert torch.equal(run(unet, batch=3), plain)
    torch.testing.assert_close(mixed[0], plain[0], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(mixed[2], full[2], atol=1e-5, rtol=1e-5)
    assert not torch.allclose(mixed[1], full[1], atol=1e-4)


@torch.no_grad()
def test_leaving_removes_every_hook_also_after_an_exception():
    unet = tiny_unet()
    plain, encoder = run(unet), trained(unet)

    def fail():
        with install_subject_attention(unet, encoder) as attention:
            with attention.show(tokens(), beta=1.0):
                raise RuntimeError("inside")

    with pytest.raises(RuntimeError, match="inside"):
        fail()
    assert not any(each._forward_hooks or each._forward_pre_hooks for each in unet.modules())
    assert torch.equal(run(unet), plain)


def test_gradients_reach_the_layers_and_checkpointing_changes_none():
    unet = tiny_unet().requires_grad_(False)
    encoder, found = trained(unet), []
    for checkpointing in (False, True):
        if checkpointing:
            unet.enable_gradient_checkpointing()
            unet.train()
        encoder.zero_grad()
        with install_subject_attention(unet, encoder) as attention:
            with attention.show(tokens(), beta=1.0):
                run(unet).square().mean().backward()
        layer = encoder.layer(encoder.paths[-1])
        found.append(layer.attention.to_v.weight.grad.clone())
    assert found[0].abs().sum() > 0
    torch.testing.assert_close(*found)


def test_two_subjects_at_once_are_refused():
    unet = tiny_unet()
    with install_subject_attention(unet, trained(unet)) as attention:
        with attention.show(tokens(), beta=1.0):
            with pytest.raises(UsageError, match=r"M11.*subject: is already shown"):
                with attention.show(tokens(), beta=1.0):
                    pass


def test_an_encoder_of_another_unet_is_refused():
    small, large = tiny_unet(), tiny_xl_unet()
    with pytest.raises(ModelError, match=r"M5.*the U-Net has no .*transformer_blocks"):
        with install_subject_attention(small, trained(large)):
            pass
    encoder = trained(small)
    path = encoder.paths[0]
    wide = SubjectEncoder.from_config(encoder.config, layers={path: (64, 2, 8)})
    with pytest.raises(ModelError, match=r"is for 64 channels at .*, the U-Net has 16"):
        with install_subject_attention(small, wide):
            pass
