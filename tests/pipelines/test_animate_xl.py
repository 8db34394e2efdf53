"""The SDXL class: the method on its block layout, and diffusers' own pipeline without it."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionXLControlNetPipeline, StableDiffusionXLControlNetUnionPipeline
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict

from dtvideo.attention import install_self_subject_attention, self_attention_layers
from dtvideo.guidance import GuidanceSettings
from dtvideo.latents import frame_noise, picture_tensor
from pipelines.animate import ClipSettings
from pipelines.animate_xl import AnimationXLPipeline
from poses.render import draw_pose
from poses.types import Pose
from tests.tiny_models import tiny_subject_encoder, tiny_xl_components, tiny_xl_unet

WIDTH, HEIGHT = 24, 32
TEXT_GUIDED = ClipSettings(
    seed=7,
    steps=2,
    guidance=GuidanceSettings("text", text_scale=7.5),
    reference_weight=0.0,
    previous_weight=0.0,
)
WITH_SOURCES = ClipSettings(seed=7, steps=2)


def pose(shift=0.0):
    body = np.column_stack([np.linspace(4, 20, 18), np.linspace(4, 28, 18) - shift, np.ones(18)])
    return Pose(body=body, size=(WIDTH, HEIGHT))


REFERENCE = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def pipeline():
    return AnimationXLPipeline(**tiny_xl_components())


def latents_of(pipeline, settings=TEXT_GUIDED, *, shifts=(0, 3), **words):
    words = {"prompt": "a girl with red hair", **words}
    options = {"reference": REFERENCE, "reference_pose": pose(), **words}
    with pipeline.open(poses=[pose(s) for s in shifts], settings=settings, **options) as clip:
        return [clip.state.latents for _ in clip]


@pytest.mark.parametrize("negative", ["blue dress", None], ids=["negative", "no negative"])
@pytest.mark.parametrize("union", [False, True], ids=["plain", "union"])
def test_without_sources_it_equals_diffusers_own_pipeline(negative, union):
    """Same components, latents and prompts: the same latents to 1e-5, zeros for no negative."""
    components = tiny_xl_components(union=union)
    found = latents_of(AnimationXLPipeline(**components), negative_prompt=negative or "")
    kind = (
        StableDiffusionXLControlNetUnionPipeline if union else StableDiffusionXLControlNetPipeline
    )
    theirs = kind(**components, add_watermarker=False)
    theirs.set_progress_bar_config(disable=True)
    for frame, shift in enumerate((0, 3)):
        picture = picture_tensor(draw_pose(pose(shift)), device="cpu", dtype=torch.float32)
        shown = {"control_image": [picture], "control_mode": [0]} if union else {"image": picture}
        expected = theirs(
            prompt="a girl with red hair",
            negative_prompt=negative,
            latents=frame_noise((1, 4, 16, 12), seed=7, frame=frame, shared=1.0),
            num_inference_steps=2,
            guidance_scale=7.5,
            width=WIDTH,
            height=HEIGHT,
            output_type="latent",
            **shown,
        ).images
        assert (found[frame] - expected).abs().max() < 1e-5


def test_an_empty_negative_prompt_is_words_where_the_model_says_so(pipeline):
    spoken = AnimationXLPipeline(**tiny_xl_components(), force_zeros_for_empty_prompt=False)
    assert not torch.allclose(latents_of(spoken)[0], latents_of(pipeline)[0], atol=1e-3)


def test_the_reference_and_the_previous_frame_are_attended_to(pipeline):
    found = latents_of(pipeline, WITH_SOURCES)
    off = latents_of(pipeline, replace(WITH_SOURCES, reference_weight=0.0))
    alone = latents_of(pipeline, replace(WITH_SOURCES, previous_weight=0.0))
    assert not torch.allclose(found[0], off[0], atol=1e-3)
    torch.testing.assert_close(found[0], alone[0])
    assert not torch.allclose(found[1], alone[1], atol=1e-3)


def test_every_self_attention_layer_of_both_networks_is_hooked(pipeline):
    models = (pipeline.unet, pipeline.controlnet)
    layers = [layer for model in models for layer in self_attention_layers(model).values()]
    before = [layer.processor for layer in layers]
    with install_self_subject_attention(*models):
        hooked = [layer.processor for layer in layers]
    assert len(hooked) == (2 + 2 + 4) + (2 + 2)
    assert all(one is not other for one, other in zip(hooked, before, strict=True))
    assert all(layer.processor is one for layer, one in zip(layers, before, strict=True))


@pytest.mark.parametrize("word", ["prompt", "negative_prompt", "reference_prompt"])
def test_every_prompt_reaches_the_frames(pipeline, word):
    settings = replace(WITH_SOURCES, guidance=GuidanceSettings("averaged"))
    changed = latents_of(pipeline, settings, shifts=(0,), **{word: "a girl dancing"})
    plain = latents_of(pipeline, settings, shifts=(0,))
    assert not torch.allclose(changed[0], plain[0], atol=1e-3)


def test_a_small_budget_recomputes_the_reference_with_its_own_words(pipeline):
    generous = latents_of(pipeline, replace(WITH_SOURCES, steps=6), shifts=(0,))
    poor = replace(WITH_SOURCES, steps=6, cache_memory=0)
    torch.testing.assert_close(latents_of(pipeline, poor, shifts=(0,)), generous)


def test_saving_and_loading_keeps_the_frames(pipeline, tmp_path):
    pipeline.save_pretrained(tmp_path)
    loaded = AnimationXLPipeline.from_pretrained(tmp_path)
    last_bits = {"rtol": 1e-4, "atol": 1e-4}  # weights lie elsewhere in memory
    torch.testing.assert_close(latents_of(loaded), latents_of(pipeline), **last_bits)


def test_a_lora_for_sdxl_changes_the_frames_and_leaves_without_a_trace(tmp_path):
    pipeline = AnimationXLPipeline(**tiny_xl_components())
    plain = latents_of(pipeline, shifts=(0,))
    unet = tiny_xl_unet()
    unet.add_adapter(LoraConfig(r=2, target_modules=["to_k", "to_v"], init_lora_weights=False))
    AnimationXLPipeline.save_lora_weights(
        tmp_path, unet_lora_layers=get_peft_model_state_dict(unet)
    )
    pipeline.load_lora_weights(tmp_path, adapter_name="style")
    assert not torch.allclose(latents_of(pipeline, shifts=(0,))[0], plain[0], atol=1e-3)
    pipeline.unload_lora_weights()
    torch.testing.assert_close(latents_of(pipeline, shifts=(0,)), plain)


def test_a_subject_encoder_works_with_the_block_layout_of_sdxl():
    components = tiny_xl_components()
    encoder = tiny_subject_encoder(components["unet"])
    pipeline = AnimationXLPipeline(**components, subject_encoder=encoder)
    untrained = latents_of(pipeline, shifts=(0,))
    torch.testing.assert_close(
        untrained, latents_of(AnimationXLPipeline(**components), shifts=(0,))
    )
    for name, weight in encoder.named_parameters():
        if "to_out" in name and name.endswith("weight"):
            torch.nn.init.normal_(weight, std=0.5)
    assert not torch.allclose(latents_of(pipeline, shifts=(0,))[0], untrained[0], atol=1e-3)
