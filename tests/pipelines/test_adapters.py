"""What diffusers' loaders promise of a pipeline holds for ours."""

import numpy as np
import pytest
import torch
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict
from safetensors.torch import save_file

from dtvideo.guidance import GuidanceSettings
from pipelines.animate import AnimationPipeline, ClipSettings
from poses.types import Pose, missing_joints
from tests.tiny_models import TEXT_WIDTH, tiny_components, tiny_unet

POSE = Pose(body=missing_joints(18), size=(16, 16))
REFERENCE = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
SETTINGS = ClipSettings(steps=2, guidance=GuidanceSettings("none"))


def first_latents(pipeline, prompt="a girl"):
    with pipeline.open(
        reference=REFERENCE, reference_pose=POSE, poses=[POSE], prompt=prompt, settings=SETTINGS
    ) as clip:
        next(iter(clip))
        return clip.state.latents


@pytest.fixture
def lora(tmp_path):
    """A LoRA on the self-attention of the U-Net, as a file that others would write."""
    unet = tiny_unet()
    unet.add_adapter(LoraConfig(r=2, target_modules=["to_k", "to_v"], init_lora_weights=False))
    weights = {f"unet.{name}": part for name, part in get_peft_model_state_dict(unet).items()}
    save_file(weights, tmp_path / "lora.safetensors")
    return tmp_path


def test_a_lora_changes_the_frames_and_leaves_without_a_trace(lora):
    pipeline = AnimationPipeline(**tiny_components())
    plain = first_latents(pipeline)
    pipeline.load_lora_weights(lora, weight_name="lora.safetensors", adapter_name="style")
    assert not torch.allclose(first_latents(pipeline), plain, atol=1e-3)
    pipeline.set_adapters(["style"], [0.0])
    torch.testing.assert_close(first_latents(pipeline), plain)
    pipeline.unload_lora_weights()
    torch.testing.assert_close(first_latents(pipeline), plain)


def test_a_textual_inversion_gives_a_word_its_meaning():
    pipeline = AnimationPipeline(**tiny_components())
    unknown = first_latents(pipeline, "a <hero> dancing")
    pipeline.load_textual_inversion(torch.randn(2, TEXT_WIDTH), token="<hero>")
    assert (
        len(
            pipeline.tokenizer.tokenize(pipeline.maybe_convert_prompt("<hero>", pipeline.tokenizer))
        )
        == 2
    )
    assert not torch.allclose(first_latents(pipeline, "a <hero> dancing"), unknown, atol=1e-3)
