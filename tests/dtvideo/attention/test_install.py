import pytest
import torch

from dtvideo.attention import (
    PoseAlignment,
    ReferenceCache,
    Source,
    align,
    install_self_subject_attention,
    self_attention_layers,
)
from dtvideo.attention.processors import attend, project
from dtvideo.errors import UsageError
from tests.attended import SIZE, noise, processors, run, written
from tests.tiny_models import LATENT_CHANNELS, TEXT_WIDTH, tiny_unet

UNET_LAYERS = 6


@torch.no_grad()
@pytest.mark.parametrize("batch", [1, 2])
def test_without_a_readable_source_the_output_is_the_models_own_bit_for_bit(
    unet, controlnet, batch
):
    plain = run(unet, controlnet, batch=batch)
    with install_self_subject_attention(unet, controlnet) as attention:
        assert torch.equal(run(unet, controlnet, batch=batch), plain)
        written(attention, unet, controlnet)
        for weights in ({}, {"reference": 0.0}):
            with attention.read(weights, step=0):
                assert torch.equal(run(unet, controlnet, batch=batch), plain)


@torch.no_grad()
def test_writing_leaves_the_output_unchanged(unet, controlnet):
    plain = run(unet, controlnet, seed=50)
    with install_self_subject_attention(unet, controlnet) as attention:
        assert torch.equal(written(attention, unet, controlnet), plain)


@torch.no_grad()
def test_a_source_changes_both_networks(unet, controlnet):
    plain = run(unet, controlnet)
    outputs = []
    for models in ((unet, controlnet), (unet,), (controlnet,)):
        with install_self_subject_attention(*models[:1], *models[1:]) as attention:
            with attention.write("reference", step=0, size=SIZE):
                run(unet, controlnet, seed=50)
            with attention.read({"reference": 10.0}, step=0):
                outputs.append(run(unet, controlnet))
    assert not any(torch.allclose(plain, output) for output in outputs)
    assert not torch.allclose(outputs[0], outputs[1])


@torch.no_grad()
def test_each_layer_computes_equation_3_with_its_masked_source(unet):
    """The first layer's answer, worked out by hand from the features that entered it."""
    name = "down_blocks.0.attentions.0.transformer_blocks.0.attn1"
    layer = self_attention_layers(unet)[name]
    seen = []
    handle = layer.register_forward_hook(lambda _, inputs, output: seen.append((inputs[0], output)))
    mask = torch.zeros(SIZE)
    mask[2:5, 1:3] = 1
    try:
        with install_self_subject_attention(unet) as attention:
            written(attention, unet, mask=mask)
            with attention.read({"reference": 10.0}, step=0):
                run(unet)
    finally:
        handle.remove()
    (reference, _), (own, found) = seen
    key, value = project(layer, reference)
    sources = [Source(key, value, mask.flatten() * 10)]
    own_key, own_value = project(layer, own)
    expected = attend(layer, own, key=own_key, value=own_value, sources=sources)
    torch.testing.assert_close(found, expected)


@torch.no_grad()
def test_a_mask_of_another_resolution_is_averaged_and_empty_cells_are_dropped(unet):
    mask = torch.zeros(80, 60)
    mask[:40, :30] = 1
    with install_self_subject_attention(unet) as attention:
        written(attention, unet, mask=mask)
        entries = attention.cache.page("reference", 0).entries
        counts = {entry.tokens: entry.features[0].shape[2] for entry in entries.values()}
    assert counts == {48: 12, 12: 4}  # (8, 6) keeps 4 x 3; (4, 3) keeps 2 x 1.5, two by halves


@torch.no_grad()
def test_masked_tokens_do_not_matter(unet):
    mask = torch.ones(SIZE)
    mask[:, 3:] = 0
    with install_self_subject_attention(unet) as attention:
        written(attention, unet, mask=mask)
        with attention.read({"reference": 10.0}, step=0):
            masked = run(unet)
        attention.reset()
        written(attention, unet, mask=torch.zeros(SIZE))
        with attention.read({"reference": 10.0}, step=0):
            empty = run(unet)
    assert torch.equal(empty, run(unet))
    assert not torch.allclose(masked, empty)


@torch.no_grad()
def test_one_source_serves_all_rows_alike(unet):
    with install_self_subject_attention(unet) as attention:
        written(attention, unet)
        latents, text = noise(2, LATENT_CHANNELS, *SIZE, seed=1), noise(2, 5, TEXT_WIDTH, seed=2)
        with attention.read({"reference": 10.0}, step=0):
            both = unet(latents, 7, text).sample
            apart = [unet(latents[row, None], 7, text[row, None]).sample for row in range(2)]
    torch.testing.assert_close(both, torch.cat(apart), atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_two_roles_are_both_attended_to(unet):
    with install_self_subject_attention(unet) as attention:
        written(attention, unet, seed=50)
        written(attention, unet, role="previous", seed=60)
        outputs = []
        for weights in (
            {"reference": 10.0},
            {"previous": 1.0},
            {"reference": 10.0, "previous": 1.0},
            {"reference": 10.0, "previous": 0.0},
        ):
            with attention.read(weights, step=0):
                outputs.append(run(unet))
    assert torch.equal(outputs[0], outputs[3])
    assert not torch.allclose(outputs[0], outputs[2])
    assert not torch.allclose(outputs[1], outputs[2])


@torch.no_grad()
def test_rows_of_one_forward_can_be_written_to_steps(unet):
    latents, text = noise(2, LATENT_CHANNELS, *SIZE, seed=1), noise(1, 5, TEXT_WIDTH, seed=2)
    times = torch.tensor([7, 3])
    with install_self_subject_attention(unet) as attention:
        with attention.write("together", step=[0, 1], size=SIZE):
            unet(latents, times, text.expand(2, -1, -1))
        for step in range(2):
            with attention.write("alone", step=step, size=SIZE):
                unet(latents[step, None], times[step], text)
        for step in range(2):
            together, alone = (attention.cache.page(r, step).entries for r in ("together", "alone"))
            for name, entry in alone.items():
                torch.testing.assert_close(together[name].features, entry.features)


@torch.no_grad()
def test_a_forward_is_left_when_all_layers_have_stored(unet, controlnet):
    """What is kept is the same; the U-Net's last convolution is never reached."""
    reached = []
    handle = unet.conv_out.register_forward_hook(lambda *_: reached.append("end"))
    try:
        with install_self_subject_attention(unet, controlnet) as attention:
            for role, stop in (("whole", False), ("left", True)):
                with attention.write(role, step=0, size=SIZE, stop_when_written=stop):
                    run(unet, controlnet, seed=50)
                    reached.append(role)
            whole, left = (attention.cache.page(role, 0).entries for role in ("whole", "left"))
            assert whole.keys() == left.keys()
            for name, entry in whole.items():
                assert all(map(torch.equal, entry.features, left[name].features))
            with attention.read({"left": 10.0}, step=0):
                run(unet, controlnet)
    finally:
        handle.remove()
    assert reached == ["end", "whole", "end"]


@torch.no_grad()
@pytest.mark.parametrize("storage", ["host", "features", "inputs"])
def test_every_storage_gives_the_same_frames(unet, storage):
    mask = torch.ones(SIZE)
    mask[:3] = 0
    outputs, sizes = [], []
    for cache in (ReferenceCache(), ReferenceCache(storage)):
        with install_self_subject_attention(unet, cache=cache) as attention:
            written(attention, unet, mask=mask)
            sizes.append(cache.byte_size)
            with attention.read({"reference": 10.0}, step=0):
                outputs.append(run(unet))
    torch.testing.assert_close(outputs[0], outputs[1], atol=1e-6, rtol=1e-6)
    assert sizes[1] == (sizes[0] if storage == "host" else sizes[0] // 2)


@torch.no_grad()
@pytest.mark.parametrize("storage", ["device", "host", "features"])
def test_layers_align_what_the_mask_has_left(unet, storage):
    """The first layer's answer, worked out by hand from the features and places of the source."""
    name = "down_blocks.0.attentions.0.transformer_blocks.0.attn1"
    layer = self_attention_layers(unet)[name]
    seen = []
    handle = layer.register_forward_hook(lambda _, inputs, output: seen.append((inputs[0], output)))
    mask = torch.zeros(SIZE)
    mask[2:5, 1:3] = 1
    source_places, own_places = (
        lambda grid, shift=shift: noise(grid[0] * grid[1], 3, seed=70) + shift for shift in (0, 0.2)
    )
    with install_self_subject_attention(unet, cache=ReferenceCache(storage)) as attention:
        with attention.write("reference", step=0, size=SIZE, mask=mask, places=source_places):
            run(unet, seed=50)
        with attention.read({"reference": 10.0}, step=0, alignment=PoseAlignment(own_places, 20.0)):
            run(unet)
    handle.remove()
    (reference, _), (own, found) = seen
    key, value = project(layer, reference)
    weight = mask.flatten()
    near = align(own_places(SIZE), source_places(SIZE), strength=20.0, weight=weight)
    sources = [Source(key, value, weight * 10, near)]
    own_key, own_value = project(layer, own)
    expected = attend(layer, own, key=own_key, value=own_value, sources=sources)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_a_source_without_places_cannot_be_aligned_with(unet):
    with install_self_subject_attention(unet) as attention:
        written(attention, unet)
        alignment = PoseAlignment(lambda grid: torch.zeros(grid[0] * grid[1], 3), 20.0)
        with (
            attention.read({"reference": 10.0}, step=0, alignment=alignment),
            pytest.raises(UsageError, match=r"M11.*reference: was written without its pose"),
        ):
            run(unet)


def test_training_reads_with_gradients_what_was_written_without(unet):
    masks = torch.ones(2, 16, 12)
    masks[1] = 0  # the second row has no reference
    plain = run(unet, batch=2)
    with install_self_subject_attention(unet) as attention:
        written(attention, unet, mask=masks, batch=2)
        with attention.read({"reference": 10.0}, step=0):
            output = run(unet, batch=2)
    output.square().mean().backward()
    gradients = [layer.to_k.weight.grad for layer in self_attention_layers(unet).values()]
    unet.zero_grad()
    assert all(gradient is not None and gradient.abs().sum() > 0 for gradient in gradients)
    assert not torch.allclose(output[0], plain[0])
    torch.testing.assert_close(output[1], plain[1], atol=1e-5, rtol=1e-5)


def test_leaving_restores_the_very_same_processors(unet, controlnet):
    before = processors(unet, controlnet)
    with install_self_subject_attention(unet, controlnet):
        assert len(before) > UNET_LAYERS
        installed = processors(unet, controlnet)
        assert not any(new is old for new, old in zip(installed, before, strict=True))
    after = processors(unet, controlnet)
    assert all(new is old for new, old in zip(after, before, strict=True))


@torch.no_grad()
def test_an_exception_inside_restores_too_and_drops_what_was_half_written(unet):
    before = processors(unet)

    def fail_while_writing():
        with install_self_subject_attention(unet) as attention:
            try:
                with attention.write("reference", step=0, size=SIZE):
                    raise KeyError
            finally:
                assert attention.cache.roles == []

    with pytest.raises(KeyError):
        fail_while_writing()
    assert all(new is old for new, old in zip(processors(unet), before, strict=True))
    with install_self_subject_attention(unet) as attention:
        written(attention, unet)


def test_leaving_empties_the_cache(unet):
    with install_self_subject_attention(unet) as attention:
        written(attention, unet)
        assert attention.cache.byte_size > 0
    assert attention.cache.byte_size == 0


def test_reset_forgets_one_role(unet):
    with install_self_subject_attention(unet) as attention:
        written(attention, unet)
        written(attention, unet, role="previous")
        attention.reset("previous")
        assert attention.cache.roles == ["reference"]


@torch.no_grad()
def test_a_window_reads_a_source_of_the_whole_picture(unet):
    """As many tokens as the window has queries read all that the whole picture has."""
    with install_self_subject_attention(unet) as attention:
        written(attention, unet, size=(8, 8))
        with attention.read({"reference": 10.0}, step=0, window=(4, 4)):
            read = run(unet, size=(4, 4))
        with pytest.raises(UsageError, match="tokens to read"):
            with attention.read({"reference": 10.0}, step=0):
                run(unet, size=(4, 4))
        with pytest.raises(UsageError, match="tokens to read"):
            with attention.read({"reference": 10.0}, step=0, window=(8, 4)):
                run(unet, size=(4, 4))
    assert (read - run(unet, size=(4, 4))).abs().max() > 1e-3


@torch.no_grad()
def test_each_row_of_a_source_serves_its_share_of_consecutive_rows(unet):
    """Four rows that read two sources of their own are four rows that read two shared ones."""
    masks = torch.rand(2, *SIZE, generator=torch.Generator().manual_seed(4))
    outputs = []
    for repeats in (1, 2):
        with install_self_subject_attention(unet) as attention:
            latents = noise(2, LATENT_CHANNELS, *SIZE, seed=50).repeat_interleave(repeats, dim=0)
            text = noise(2, 5, TEXT_WIDTH, seed=150).repeat_interleave(repeats, dim=0)
            mask = masks.repeat_interleave(repeats, dim=0)
            with attention.write("reference", step=0, size=SIZE, mask=mask):
                unet(latents, 7, text)
            with attention.read({"reference": 10.0}, step=0):
                outputs.append(run(unet, batch=4))
    torch.testing.assert_close(outputs[0], outputs[1], rtol=0, atol=1e-5)


@pytest.mark.parametrize(("storage", "learns"), [("features", True), ("device", False)])
def test_projections_learn_from_a_source_that_is_kept_as_features(storage, learns):
    """A source so heavy that a layer's own tokens count for nothing, written without gradient."""
    unet = tiny_unet()
    with install_self_subject_attention(unet, cache=ReferenceCache(storage)) as attention:
        written(attention, unet)
        with attention.read({"reference": 1e12}, step=0):
            run(unet).square().mean().backward()
    gradients = [layer.to_v.weight.grad for layer in self_attention_layers(unet).values()]
    largest = max(gradient.abs().max().item() for gradient in gradients)
    assert (largest > 1e-6) is learns
