import numpy as np
import pytest
import torch
from transformers import CLIPImageProcessor

from dtvideo.errors import ModelError
from dtvideo.guidance import GuidanceSettings
from pipelines.animate import AnimationPipeline, ClipSettings, Subject
from poses.types import Pose, missing_joints
from tests.tiny_models import tiny_components, tiny_image_encoder, tiny_ip_adapter

SETTINGS = ClipSettings(steps=2, guidance=GuidanceSettings("averaged"))
POSE = Pose(body=missing_joints(18), size=(16, 16))
REFERENCE = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
MASK = np.zeros((16, 16), dtype=np.float32)
MASK[4:12] = 1


@pytest.fixture(scope="module")
def pipeline():
    processor = CLIPImageProcessor(size={"shortest_edge": 16}, crop_size=16)
    pipeline = AnimationPipeline(
        **tiny_components(), image_encoder=tiny_image_encoder(), feature_extractor=processor
    )
    weights = tiny_ip_adapter(pipeline.unet)
    pipeline.load_ip_adapter(weights, subfolder="", weight_name="", image_encoder_folder=None)
    return pipeline


def last_latents(pipeline, *, reference=REFERENCE, scale=1.0):
    pipeline.set_ip_adapter_scale(scale)
    poses = [POSE, POSE]
    with pipeline.open(
        reference=reference, mask=MASK, reference_pose=POSE, poses=poses, settings=SETTINGS
    ) as clip:
        for _ in clip:
            pass
        return clip.state.latents


def test_an_ip_adapter_sees_the_character(pipeline):
    assert not torch.allclose(last_latents(pipeline), last_latents(pipeline, scale=0.0))


def test_an_ip_adapter_sees_the_character_on_white(pipeline):
    """What lies outside the mask never reaches the image encoder."""
    subject = {"reference": REFERENCE, "mask": MASK, "pose": POSE}
    with torch.no_grad():
        found, absent = pipeline.encode_picture_prompt(Subject(**subject))
        noisy = REFERENCE.copy()
        noisy[:4] = 7
        same, _ = pipeline.encode_picture_prompt(Subject(**{**subject, "reference": noisy}))
    assert torch.equal(found[0], same[0])
    assert found[0].shape == absent[0].shape == (1, 1, 8)
    assert absent[0].abs().sum() == 0


def test_an_ip_adapter_without_its_image_encoder_is_refused():
    pipeline = AnimationPipeline(**tiny_components())
    weights = tiny_ip_adapter(pipeline.unet)
    pipeline.load_ip_adapter(weights, subfolder="", weight_name="", image_encoder_folder=None)
    with pytest.raises(ModelError, match=r"M5.*IP-Adapter: has no image encoder"):
        last_latents(pipeline)
