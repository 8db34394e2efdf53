"""SDXL in every layout that people have it in gives the frames of its own components."""

import json
import shutil
from functools import partial

import numpy as np
import pytest
import torch
from diffusers import (
    StableDiffusionXLControlNetPipeline,
    StableDiffusionXLControlNetUnionPipeline,
    StableDiffusionXLPipeline,
)
from safetensors.torch import load_file, save_file

from dtvideo.errors import ModelError
from dtvideo.guidance import GuidanceSettings
from pipelines.adapters import add_loras
from pipelines.animate import AnimationPipeline, ClipSettings
from pipelines.animate_xl import AnimationXLPipeline
from pipelines.load_model import load_pipeline
from tests.single_file import original_xl_checkpoint
from tests.tiny_frames import first_frame as tiny_frame
from tests.tiny_models import tiny_components, tiny_controlnet, tiny_xl_components

PLAIN = {"add_watermarker": False}
SETTINGS = ClipSettings(steps=2, guidance=GuidanceSettings("averaged"))
first_frame = partial(tiny_frame, settings=SETTINGS)


@pytest.fixture(scope="module")
def components():
    return tiny_xl_components()


@pytest.fixture(scope="module")
def expected(components):
    return first_frame(AnimationXLPipeline(**components))


@pytest.fixture(autouse=True)
def apart(no_network, empty_hub_cache):
    """Every test of this file is without network, and with a hub cache of its own."""


def without_controlnet(components):
    return {part: value for part, value in components.items() if part != "controlnet"}


@pytest.mark.parametrize("half", [False, True], ids=["whole", "half names"])
def test_a_folder_that_diffusers_saved_gives_the_same_frames(components, expected, tmp_path, half):
    whole = StableDiffusionXLControlNetPipeline(**components, **PLAIN)
    whole.save_pretrained(tmp_path, variant="fp16" if half else None)
    loaded = load_pipeline(str(tmp_path))
    assert isinstance(loaded, AnimationXLPipeline)
    assert np.array_equal(first_frame(loaded), expected)


def test_a_folder_of_ours_gives_the_same_frames_and_settings(components, expected, tmp_path):
    own = AnimationXLPipeline(
        **components, force_zeros_for_empty_prompt=False, defaults={"steps": 3}
    )
    own.save_pretrained(tmp_path)
    loaded = load_pipeline(str(tmp_path))
    assert loaded.default_settings.steps == 3
    assert not np.array_equal(first_frame(loaded), expected)
    assert np.array_equal(first_frame(loaded), first_frame(own))


def test_a_union_controlnet_is_known_by_its_own_file(components, tmp_path):
    union = tiny_xl_components(union=True)
    StableDiffusionXLPipeline(**without_controlnet(components), **PLAIN).save_pretrained(
        tmp_path / "model"
    )
    union["controlnet"].save_pretrained(tmp_path / "union")
    loaded = load_pipeline(str(tmp_path / "model"), controlnet=str(tmp_path / "union"))
    frame = first_frame(loaded)
    assert np.array_equal(frame, first_frame(AnimationXLPipeline(**union)))
    StableDiffusionXLControlNetUnionPipeline(**union, **PLAIN).save_pretrained(tmp_path / "whole")
    assert np.array_equal(first_frame(load_pipeline(str(tmp_path / "whole"))), frame)


def test_m5_a_controlnet_of_sd15_is_refused(components, tmp_path):
    StableDiffusionXLPipeline(**without_controlnet(components), **PLAIN).save_pretrained(
        tmp_path / "model"
    )
    tiny_controlnet().save_pretrained(tmp_path / "pose")
    with pytest.raises(ModelError, match=r"M5.*cross_attention_dim is 32, not 80"):
        load_pipeline(str(tmp_path / "model"), controlnet=str(tmp_path / "pose"))


@pytest.fixture
def checkpoint(components, tmp_path):
    """A whole SDXL model in one file with original names, and its configuration beside it."""
    save_file(original_xl_checkpoint(components), tmp_path / "hero.safetensors")
    beside = tmp_path / "hero"
    StableDiffusionXLControlNetPipeline(**components, **PLAIN).save_pretrained(beside)
    for path in beside.rglob("*.safetensors"):
        if path.parent.name != "controlnet":
            path.unlink()
    return tmp_path / "hero.safetensors"


def test_a_single_file_gives_the_frames_of_the_folder(checkpoint, expected):
    assert np.array_equal(first_frame(load_pipeline(str(checkpoint))), expected)


def test_a_single_file_that_marks_itself_gets_the_sampler_it_was_trained_for(checkpoint):
    marks = {"v_pred": torch.zeros(0), "ztsnr": torch.zeros(0)}
    save_file({**load_file(checkpoint), **marks}, checkpoint)
    config = load_pipeline(str(checkpoint)).scheduler.config
    assert config.prediction_type == "v_prediction"
    assert config.rescale_betas_zero_snr is True
    assert config.timestep_spacing == "trailing"


def test_m5_a_single_file_beside_the_configuration_of_another_family(checkpoint):
    shutil.rmtree(checkpoint.parent / "hero")
    AnimationPipeline(**tiny_components()).save_pretrained(checkpoint.parent / "hero")
    with pytest.raises(ModelError, match=r"M5.*is of the sdxl family"):
        load_pipeline(str(checkpoint))


def test_m1_a_refiner_is_no_whole_model(components, tmp_path):
    StableDiffusionXLPipeline(**without_controlnet(components), **PLAIN).save_pretrained(tmp_path)
    index = tmp_path / "model_index.json"
    content = {**json.loads(index.read_text()), "text_encoder": [None, None]}
    index.write_text(json.dumps(content))
    with pytest.raises(ModelError, match=r"M1.*names no text_encoder"):
        load_pipeline(str(tmp_path))


def test_half_precision_keeps_an_autoencoder_that_overflows_in_float32(components, tmp_path):
    whole = StableDiffusionXLControlNetPipeline(**components, **PLAIN)
    whole.save_pretrained(tmp_path)
    loaded = load_pipeline(str(tmp_path), dtype="float16")
    assert loaded.vae.config.force_upcast
    networks = (loaded.vae, loaded.unet, loaded.text_encoder_2)
    assert [part.dtype for part in networks] == [torch.float32, torch.float16, torch.float16]
    first_frame(load_pipeline(str(tmp_path), dtype="bfloat16"))


def test_a_lora_with_kohyas_names_changes_the_frames_as_diffusers_form_does(components, tmp_path):
    """The layer is called by its original place: input block 3 is the first with attention."""
    StableDiffusionXLControlNetPipeline(**components, **PLAIN).save_pretrained(tmp_path)
    torch.manual_seed(0)
    down, up = torch.randn(2, 32), torch.randn(32, 2)
    layer = "down_blocks.1.attentions.0.transformer_blocks.1.attn1.to_q"
    kohya = "lora_unet_input_blocks_3_1_transformer_blocks_1_attn1_to_q"
    save_file(
        {f"unet.{layer}.lora_A.weight": down, f"unet.{layer}.lora_B.weight": up},
        tmp_path / "a.safetensors",
    )
    save_file(
        {
            f"{kohya}.lora_down.weight": down,
            f"{kohya}.lora_up.weight": up,
            f"{kohya}.alpha": torch.tensor(2.0),
        },
        tmp_path / "b.safetensors",
    )
    frames = []
    for name in ("a", "b"):
        pipeline = load_pipeline(str(tmp_path))
        add_loras(pipeline, [(str(tmp_path / f"{name}.safetensors"), 1.0)])
        frames.append(first_frame(pipeline))
    assert np.array_equal(*frames)
    assert not np.array_equal(frames[0], first_frame(load_pipeline(str(tmp_path))))
