"""The ladder of `--memory`: less of a device, the same frames but for rounding.

accelerate's hooks move weights to "the device" and away; with the processor as that device they
do all that they do elsewhere, so that what depends on them can be held to the plain frames.
"""

from pathlib import Path

import numpy as np
import pytest
import torch
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict

from dtvideo.errors import UsageError
from dtvideo.guidance import GuidanceSettings
from dtvideo.models.placement import offload, place
from pipelines.adapters import add_loras
from pipelines.animate import AnimationPipeline, ClipSettings
from pipelines.animate_xl import AnimationXLPipeline
from pipelines.job import RenderJob
from pipelines.load_model import clip_settings, load_model
from poses.types import Pose, missing_joints
from tests.tiny_models import (
    tiny_components,
    tiny_subject_encoder,
    tiny_unet,
    tiny_xl_components,
)

CPU = torch.device("cpu")
POSE = Pose(body=missing_joints(18), size=(16, 16))
REFERENCE = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
SETTINGS = ClipSettings(steps=1, guidance=GuidanceSettings("averaged"))
APART = ClipSettings(steps=1, guidance=GuidanceSettings("averaged"), rows_apart=True)


def frames(pipeline, settings=SETTINGS, count=1):
    poses = [POSE] * count
    with pipeline.open(
        reference=REFERENCE, reference_pose=POSE, poses=poses, settings=settings
    ) as clip:
        return np.stack([image for _, image in clip]).astype(int)


def sd15():
    return AnimationPipeline(**tiny_components())


def with_encoder():
    parts = tiny_components()
    encoder = tiny_subject_encoder(parts["unet"])
    for layer in encoder.children():
        for name, weight in layer.named_parameters():
            if name.endswith("to_out.0.weight"):
                torch.nn.init.normal_(weight, std=0.1)
    return AnimationPipeline(**parts, subject_encoder=encoder)


PIPELINES = {
    "sd15 with a subject encoder": with_encoder,
    "sdxl with a union ControlNet": lambda: AnimationXLPipeline(**tiny_xl_components(union=True)),
}


@pytest.mark.parametrize("memory", ["balanced", "low"])
@pytest.mark.parametrize("make", PIPELINES.values(), ids=PIPELINES.keys())
def test_a_model_that_is_kept_off_the_device_makes_the_same_frames_twice(make, memory):
    expected = frames(make())
    pipeline = make()
    offload(pipeline, CPU, memory=memory)
    for _ in range(2):
        assert np.array_equal(frames(pipeline), expected)


def test_low_keeps_no_weight_of_the_networks_in_place_and_balanced_hooks_each(tmp_path):
    pipeline = sd15()
    offload(pipeline, CPU, memory="low")
    networks = [part for part in pipeline.components.values() if isinstance(part, torch.nn.Module)]
    assert {weight.device.type for net in networks for weight in net.parameters()} == {"meta"}
    pipeline = sd15()
    offload(pipeline, CPU, memory="balanced")
    assert len(pipeline._all_hooks) == len(networks) == 4


@pytest.mark.parametrize("memory", ["balanced", "low"])
def test_a_lora_works_in_a_model_that_is_off_the_device(tmp_path, memory):
    unet = tiny_unet()
    torch.manual_seed(4)
    unet.add_adapter(LoraConfig(r=2, target_modules=["to_q", "to_v"], init_lora_weights=False))
    AnimationPipeline.save_lora_weights(
        tmp_path, get_peft_model_state_dict(unet), weight_name="a.safetensors"
    )
    lora = [(str(tmp_path / "a.safetensors"), 0.5)]
    plain, away = sd15(), sd15()
    for pipeline in (plain, away):
        add_loras(pipeline, lora)
    offload(away, CPU, memory=memory)
    assert np.array_equal(frames(away), frames(plain))
    assert not np.array_equal(frames(plain), frames(sd15()))


@pytest.mark.parametrize("memory", ["balanced", "low"])
def test_an_autoencoder_that_overflows_is_decoded_in_float32_off_the_device_too(memory):
    pipeline = sd15()
    pipeline.vae.post_quant_conv.weight.data.mul_(3e4)
    expected = frames(pipeline)
    pipeline.vae.half()
    offload(pipeline, CPU, memory=memory)
    assert np.abs(frames(pipeline) - expected).mean() < 2
    assert pipeline.vae.dtype == torch.float16


def test_rows_that_pass_one_by_one_make_the_same_frames():
    rows = []
    pipeline = sd15()
    pipeline.unet.register_forward_pre_hook(lambda _, words: rows.append(len(words[0])))
    expected = frames(pipeline, count=2)
    together = list(rows)
    rows.clear()
    apart = frames(pipeline, APART, count=2)
    assert max(together) > 1
    assert set(rows) == {1}
    assert sum(rows) == sum(together)
    assert np.abs(apart - expected).max() <= 1


@pytest.mark.parametrize(("memory", "apart"), [("high", False), ("balanced", False), ("low", True)])
def test_a_jobs_memory_reaches_its_model_and_its_clip(tmp_path, memory, apart):
    sd15().save_pretrained(tmp_path)
    job = RenderJob(
        reference=Path("hero.png"), poses=Path("dance.json"), model=str(tmp_path), memory=memory
    )
    pipeline = load_model(job)
    assert pipeline.vae.use_tiling == (memory != "high")
    assert clip_settings(job, pipeline).rows_apart == apart


def test_tiles_change_no_picture_that_fits_one_and_little_of_a_larger_one():
    whole, tiled = sd15(), sd15()
    place(tiled, CPU, memory="balanced")
    assert np.array_equal(frames(tiled), frames(whole))
    side = 2 * tiled.vae.tile_sample_min_size
    latents = torch.randn(1, 4, side, side)
    with torch.no_grad():
        one, other = (pipeline.vae.decode(latents).sample for pipeline in (whole, tiled))
    assert not torch.equal(one, other)
    assert one.shape == other.shape


def test_m11_an_unknown_level_is_refused():
    with pytest.raises(UsageError, match=r"M11.*--memory: 'tiny' is unknown · give one of high"):
        place(sd15(), CPU, memory="tiny")
