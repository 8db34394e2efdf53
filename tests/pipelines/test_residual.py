from dataclasses import replace

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler
from scipy.ndimage import binary_dilation

from dtvideo.guidance import GuidanceSettings
from dtvideo.latents import decode_latents, encode_picture, frame_noise, picture_tensor
from dtvideo.puppet import Puppet
from dtvideo.residual import near_figure
from dtvideo.toon.model import build_scheduler
from pipelines.animate import AnimationPipeline, ClipSettings
from pipelines.job import RenderJob
from pipelines.load_model import clip_settings
from poses.render import draw_pose
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


def coarse_pipeline(prediction_type):
    components = tiny_components(coarse=True)
    toon = build_scheduler().config
    components["scheduler"] = DDIMScheduler.from_config(toon, prediction_type=prediction_type)
    return AnimationPipeline(**components)


def character():
    """A red box on grey, and its mask."""
    picture = np.full((SIDE, SIDE, 3), 200, dtype=np.uint8)
    picture[3:28, 11:21] = (180, 40, 40)
    mask = np.zeros((SIDE, SIDE), dtype=np.float32)
    mask[3:28, 11:21] = 1
    return picture, mask


def test_a_model_that_adds_nothing_gives_the_coarse_frame_back():
    pipeline = coarse_pipeline("sample")
    with torch.no_grad():
        pipeline.unet.conv_out.weight.zero_()
        pipeline.unet.conv_out.bias.zero_()
    picture, mask = character()
    coarse = Puppet.prepare(picture, mask, pose(0)).frame(pose(3))
    latents = encode_picture(pipeline.vae, coarse, device=torch.device("cpu"))
    expected = decode_latents(pipeline.vae, latents, frame=0)

    given = {"reference": picture, "mask": mask, "reference_pose": pose(0), "poses": [pose(3)]}
    plain = ClipSettings(steps=2, guidance=GuidanceSettings("none"))
    with pipeline.open(**given, settings=plain) as clip:
        _, made = next(iter(clip))

    assert np.abs(made.astype(int) - expected).max() <= 1


def test_far_from_the_figure_the_coarse_frame_stays():
    pipeline = coarse_pipeline("sample")
    picture, mask = character()
    puppet = Puppet.prepare(picture, mask, pose(0))
    coarse, cover = puppet.frame_and_cover(pose(3))
    np.testing.assert_array_equal(coarse, puppet.frame(pose(3)))
    expected = encode_picture(pipeline.vae, coarse, device=torch.device("cpu"))
    given = {"reference": picture, "mask": mask, "reference_pose": pose(0), "poses": [pose(3)]}

    def changed(**settings):
        plain = ClipSettings(steps=1, guidance=GuidanceSettings("none"), **settings)
        with pipeline.open(**given, settings=plain) as clip:
            next(iter(clip))
            return ((clip.state.latents - expected).abs() > 1e-6).any(dim=1)[0]

    figure = cover.reshape(SIDE // 2, 2, SIDE // 2, 2).max(axis=(1, 3)) > 0
    near = binary_dilation(figure, iterations=2)
    found = changed().numpy()
    assert found[figure].all()
    assert not found[~near].any()
    assert (~near).sum() > 50
    assert changed(keep_ground=False).all()


@pytest.mark.parametrize("scale", [1, 4])
def test_near_reaches_so_many_parts_of_the_picture_whatever_its_size(scale):
    cover = np.zeros((128 * scale, 128 * scale), np.float32)
    cover[: 16 * scale] = 1
    (row,) = near_figure(cover, size=(128, 128))[0, 0, :, :1].T
    assert row[:17].min() > 0.7
    assert row[17] < 0.3
    assert row[18:].max() == 0


def test_a_start_with_hardly_any_noise_gives_the_coarse_frame(tmp_path):
    """A model without channels for the coarse frame: only the start can bring it in."""
    pipeline = AnimationPipeline(**tiny_components())
    pipeline.vae.register_to_config(scaling_factor=20.0)  # latents well above the last noise
    picture, mask = character()
    job = RenderJob(reference=tmp_path, driver=tmp_path / "x.mp4", puppet=0.001, steps=200)
    settings = replace(clip_settings(job, pipeline), guidance=GuidanceSettings("none"))
    given = {"reference": picture, "mask": mask, "reference_pose": pose(0), "poses": [pose(3)]}
    with pipeline.open(**given, settings=settings) as clip:
        next(iter(clip))
        found = clip.state.latents
    coarse = Puppet.prepare(picture, mask, pose(0)).frame(pose(3))
    expected = encode_picture(pipeline.vae, coarse, device=torch.device("cpu"))
    unmoved = encode_picture(pipeline.vae, picture, device=torch.device("cpu"))
    level = pipeline.scheduler.config.beta_start**0.5  # of noise in the last step
    assert (found - expected).square().mean().sqrt() < 3 * level
    assert (unmoved - expected).square().mean().sqrt() > 6 * level


@torch.no_grad()
def sampled_without_references(pipeline, steps, seed):
    """Sample the whole picture with zeros joined, by hand: words and pose are all it is told."""
    noise = frame_noise((1, 4, SIDE // 2, SIDE // 2), seed=seed, frame=0, shared=1.0).double()
    picture = picture_tensor(draw_pose(pose(3)), device="cpu", dtype=torch.float64)
    words = {"encoder_hidden_states": pipeline.encode_prompt([""])}
    scheduler = DDIMScheduler.from_config(pipeline.scheduler.config)
    scheduler.set_timesteps(steps)
    latents = noise
    for level in scheduler.timesteps:
        joined = torch.cat([latents, torch.zeros_like(latents)], dim=1)
        control = pipeline.controlnet(joined, level, controlnet_cond=picture, **words)
        prediction = pipeline.unet(
            joined,
            level,
            down_block_additional_residuals=control.down_block_res_samples,
            mid_block_additional_residual=control.mid_block_res_sample,
            **words,
        ).sample
        latents = scheduler.step(prediction, level, latents).prev_sample
    return latents


@pytest.mark.parametrize("prediction_type", ["sample", "v_prediction"])
@pytest.mark.parametrize("weight", [10.0, 0.0], ids=["attended", "coarse frame only"])
def test_guidance_leads_away_from_a_picture_without_reference_and_coarse_frame(
    prediction_type, weight
):
    """At w_r = 0 only ∅ is left: the frame is what the model makes of pose and words alone.

    In float64, and with a number of steps that divides the schedule: DDIM rounds others.
    """
    pipeline = coarse_pipeline(prediction_type).to(torch.float64)
    picture, mask = character()
    only_unreferenced = GuidanceSettings(reference_scale=0.0, reference_probability=1.0)
    settings = ClipSettings(
        steps=4,
        seed=7,
        guidance=only_unreferenced,
        reference_weight=weight,
        previous_weight=0.0,
        keep_ground=False,
    )
    given = {"reference": picture, "mask": mask, "reference_pose": pose(0), "poses": [pose(3)]}
    with pipeline.open(**given, settings=settings) as clip:
        next(iter(clip))
        found = clip.state.latents
    expected = sampled_without_references(pipeline, steps=4, seed=7)
    assert (found - expected).abs().max() < 1e-5
    assert expected.abs().max() > 1


def test_the_average_mixes_the_same_prediction_without_reference_and_coarse_frame():
    """One step is linear in its prediction, so ∅ can be worked out of the mixture of all three."""
    pipeline = coarse_pipeline("sample").to(torch.float64)
    picture, mask = character()
    given = {"reference": picture, "mask": mask, "reference_pose": pose(0), "poses": [pose(3)]}

    def frame(mode):
        guidance = GuidanceSettings(mode, 3.0, 2.0, 0.5)
        settings = ClipSettings(
            steps=1, seed=7, guidance=guidance, previous_weight=0.0, keep_ground=False
        )
        with pipeline.open(**given, negative_prompt="blurred", settings=settings) as clip:
            next(iter(clip))
            return clip.state.latents

    positive, text, average = frame("none"), frame("text"), frame("averaged")
    unreferenced = (average - 0.5 * 3.0 * positive - 0.5 * text) / (0.5 * (1 - 3.0))
    expected = sampled_without_references(pipeline, steps=1, seed=7)
    assert (unreferenced - expected).abs().max() < 1e-5
    assert (positive - expected).abs().max() > 1e-2
    assert (text - positive).abs().max() > 1e-3
