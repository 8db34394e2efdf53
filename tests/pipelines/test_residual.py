import numpy as np
import torch

from dtvideo.latents import decode_latents, encode_picture
from dtvideo.puppet import Puppet
from dtvideo.toon.model import build_scheduler
from pipelines.animate import AnimationPipeline, ClipSettings
from poses.types import Pose
from tests.tiny_models import tiny_components

SIDE = 32
STANDING = np.array(
    [
        *((16, 5), (16, 9), (13, 9), (12, 13), (12, 17), (19, 9), (20, 13), (20, 17), (14, 17)),
        *((14, 22), (14, 27), (18, 17), (18, 22), (18, 27), (15, 4), (17, 4), (14, 5), (18, 5)),
    ],
    dtype=float,
)


def pose(raised: float) -> Pose:
    body = np.column_stack([STANDING, np.ones(18)])
    body[[3, 4, 6, 7], 1] -= raised
    return Pose(body=body, size=(SIDE, SIDE))


def test_a_model_that_adds_nothing_gives_the_coarse_frame_back():
    components = tiny_components(coarse=True, prediction_type="sample")
    components["scheduler"] = build_scheduler()
    pipeline = AnimationPipeline(**components)
    with torch.no_grad():
        pipeline.unet.conv_out.weight.zero_()
        pipeline.unet.conv_out.bias.zero_()
    picture = np.full((SIDE, SIDE, 3), 200, dtype=np.uint8)
    picture[3:28, 11:21] = (180, 40, 40)
    mask = np.zeros((SIDE, SIDE), dtype=np.float32)
    mask[3:28, 11:21] = 1
    coarse = Puppet.prepare(picture, mask, pose(0)).frame(pose(3))
    latents = encode_picture(pipeline.vae, coarse, device=torch.device("cpu"))
    expected = decode_latents(pipeline.vae, latents, frame=0)

    given = {"reference": picture, "mask": mask, "reference_pose": pose(0), "poses": [pose(3)]}
    with pipeline.open(**given, settings=ClipSettings(steps=2)) as clip:
        _, made = next(iter(clip))

    assert np.abs(made.astype(int) - expected).max() <= 1
