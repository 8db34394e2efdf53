from dataclasses import replace

import numpy as np
import pytest
import torch
from diffusers import (
    DPMSolverMultistepScheduler,
    EulerDiscreteScheduler,
    LCMScheduler,
    StableDiffusionControlNetPipeline,
    UniPCMultistepScheduler,
)

from dtvideo.errors import ModelError, UsageError
from dtvideo.guidance import GuidanceSettings
from dtvideo.latents import frame_noise, picture_tensor
from pipelines.animate import AnimationPipeline, ClipSettings
from poses.render import draw_pose
from tests.tiny_clips import (
    HEIGHT,
    PLAIN,
    SETTINGS,
    WIDTH,
    assert_close,
    assert_same,
    differ,
    frames,
    pose,
)
from tests.tiny_models import tiny_components, tiny_unet


@pytest.mark.parametrize("kind", ["pipeline", "coarse_pipeline"])
def test_every_pose_gives_one_frame_of_the_reference_size(request, opened, kind):
    with opened(request.getfixturevalue(kind)) as clip:
        numbered = list(clip)
    assert [index for index, _ in numbered] == [0, 1]
    assert all(image.shape == (HEIGHT, WIDTH, 3) for _, image in numbered)
    assert differ([numbered[0][1]], [numbered[1][1]])


def test_without_sources_it_equals_diffusers_own_pipeline(pipeline, opened):
    """Same components, latents, prompt and [uncond, cond] rows: the same latents to 1e-5."""
    settings = replace(
        SETTINGS,
        guidance=GuidanceSettings("text", text_scale=7.5),
        reference_weight=0.0,
        previous_weight=0.0,
    )
    words = {"prompt": "a girl with red hair", "negative_prompt": "blue dress"}
    clip = opened(pipeline, settings=settings, **words)
    found = []
    with clip:
        for _, _ in clip:
            found.append(clip.state.latents)
    components = {name: pipeline.components[name] for name in tiny_components()}
    theirs = StableDiffusionControlNetPipeline(
        **components, safety_checker=None, feature_extractor=None, requires_safety_checker=False
    )
    theirs.set_progress_bar_config(disable=True)
    for frame, shift in enumerate((0, 3)):
        expected = theirs(
            **words,
            image=picture_tensor(draw_pose(pose(shift)), device="cpu", dtype=torch.float32),
            latents=frame_noise((1, 4, 16, 12), seed=7, frame=frame, shared=1.0),
            num_inference_steps=2,
            guidance_scale=7.5,
            output_type="latent",
        ).images
        assert (found[frame] - expected).abs().max() < 1e-5


@pytest.mark.parametrize("kind", ["pipeline", "coarse_pipeline"])
def test_the_same_settings_give_the_same_frames(request, opened, kind):
    pipeline = request.getfixturevalue(kind)
    first = frames(opened(pipeline))
    torch.manual_seed(99)
    assert_same(frames(opened(pipeline)), first)


@pytest.mark.parametrize(
    "changed",
    [
        {"seed": 8},
        {"steps": 3},
        {"reference_weight": 1.0},
        {"previous_weight": 0.0},
        {"shared_noise": 0.0},
        {"align": 50.0},
        {"start_strength": 0.4},
        {"guidance": GuidanceSettings("none")},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_every_setting_reaches_the_frames(pipeline, opened, changed):
    found = frames(opened(pipeline, settings=replace(SETTINGS, **changed)))
    assert differ(found, frames(opened(pipeline)))


@pytest.mark.parametrize("word", ["prompt", "negative_prompt", "reference_prompt"])
def test_every_prompt_reaches_the_frames(pipeline, opened, word):
    settings = replace(SETTINGS, guidance=GuidanceSettings("averaged"))
    found = frames(opened(pipeline, settings=settings, **{word: "a girl dancing"}))
    assert differ(found, frames(opened(pipeline, settings=settings)))


def test_the_background_of_the_reference_is_not_attended_to(pipeline, opened, reference, mask):
    """Without self-conditioned starts, the mask alone decides what of a source is read."""
    settings = replace(SETTINGS, guidance=PLAIN)
    everywhere = frames(opened(pipeline, settings=settings, mask=None))
    assert differ(everywhere, frames(opened(pipeline, settings=settings)))
    nowhere = frames(opened(pipeline, settings=settings, mask=np.zeros_like(mask)))
    off = replace(settings, reference_weight=0.0)
    assert_same(nowhere, frames(opened(pipeline, settings=off)))


@pytest.mark.parametrize("kind", ["pipeline", "coarse_pipeline"])
@pytest.mark.parametrize(
    "scheduler_class",
    [
        EulerDiscreteScheduler,
        DPMSolverMultistepScheduler,
        UniPCMultistepScheduler,
        LCMScheduler,
    ],
)
def test_schedulers_can_be_swapped(request, opened, kind, scheduler_class):
    pipeline = request.getfixturevalue(kind)
    original = pipeline.scheduler
    try:
        pipeline.scheduler = scheduler_class.from_config(original.config)
        found = frames(opened(pipeline))
        assert_same(frames(opened(pipeline)), found)
    finally:
        pipeline.scheduler = original


@pytest.mark.parametrize("kind", ["pipeline", "coarse_pipeline"])
def test_saving_and_loading_keeps_the_frames(request, opened, kind, tmp_path):
    pipeline = request.getfixturevalue(kind)
    pipeline.save_pretrained(tmp_path)
    loaded = AnimationPipeline.from_pretrained(tmp_path)
    assert isinstance(loaded, AnimationPipeline)
    assert_close(frames(opened(loaded)), frames(opened(pipeline)))


def test_a_model_remembers_its_own_defaults(tmp_path):
    defaults = {"steps": 8, "mode": "averaged", "reference_scale": 1.5}
    AnimationPipeline(**tiny_components(), defaults=defaults).save_pretrained(tmp_path)
    loaded = AnimationPipeline.from_pretrained(tmp_path)
    assert loaded.default_settings == ClipSettings(
        steps=8, guidance=GuidanceSettings("averaged", reference_scale=1.5)
    )


def test_half_precision_renders_finite_frames(opened):
    pipeline = AnimationPipeline(**tiny_components()).to(torch.bfloat16)
    images = frames(opened(pipeline))
    assert all(image.std() > 1 for image in images)


def test_a_coarse_conditioned_model_without_weights_shows_the_coarse_frame(
    coarse_pipeline, opened, reference
):
    """A model that always answers "no residual" leaves the encoded puppet as it is."""
    components = coarse_pipeline.components
    silent = tiny_unet(in_channels=8)
    torch.nn.init.zeros_(silent.conv_out.weight)
    torch.nn.init.zeros_(silent.conv_out.bias)
    pipeline = AnimationPipeline(**{**components, "unet": silent})
    with opened(pipeline, settings=replace(SETTINGS, steps=20), poses=[pose()]) as clip:
        next(iter(clip))
        latents = clip.state.latents
    pixels = picture_tensor(reference, device="cpu", dtype=torch.float32) * 2 - 1
    with torch.no_grad():
        encoded = pipeline.vae.encode(pixels).latent_dist.mean * pipeline.vae.config.scaling_factor
    assert (latents - encoded).abs().mean() < 0.1


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"seed": 2**64}, "seed: is 18446744073709551616"),
        ({"seed": -1}, "seed: is -1"),
        ({"steps": 0}, "steps: is 0"),
        ({"reference_weight": -1.0}, r"reference_weight: is -1.0"),
        ({"previous_weight": float("nan")}, "previous_weight: is nan"),
        ({"start_strength": 0.0}, r"start_strength: is 0.0"),
        (
            {"start_strength": 0.4, "steps": 1},
            r"--puppet\): is 0.4, which changes nothing in 1 steps",
        ),
        ({"shared_noise": 1.5}, r"shared_noise: is 1.5"),
        ({"cache_memory": -1}, "cache_memory: is -1"),
    ],
)
def test_settings_out_of_range_are_refused_with_the_value(wrong, message):
    with pytest.raises(UsageError, match=message) as caught:
        ClipSettings(**wrong)
    assert caught.value.code == "M11"


def test_an_unknown_default_is_refused_and_the_known_ones_are_listed():
    with pytest.raises(UsageError, match=r"colour: is no setting of a clip .*'previous_weight'"):
        ClipSettings.from_plain({"colour": 3})


def test_a_size_that_the_model_cannot_make_is_refused(pipeline, opened):
    picture = np.zeros((HEIGHT, 26, 3), dtype=np.uint8)
    with pytest.raises(UsageError, match=r"26 x 32 is not a multiple of 4 pixels · use 24 x 32"):
        opened(pipeline, reference=picture, mask=None)


def test_a_mask_of_another_size_or_range_is_refused(pipeline, opened, mask):
    with pytest.raises(UsageError, match=r"mask: has shape \(30, 24\), the reference \(32, 24\)"):
        opened(pipeline, mask=mask[:30])
    with pytest.raises(UsageError, match=r"mask: holds 0.0 to 255.0"):
        opened(pipeline, mask=mask * 255)


def test_coarse_frames_need_a_mask(pipeline, coarse_pipeline, opened):
    with pytest.raises(UsageError, match="mask: is missing"):
        opened(coarse_pipeline, mask=None)
    with pytest.raises(UsageError, match="mask: is missing"):
        opened(pipeline, mask=None, settings=replace(SETTINGS, start_strength=0.5))


def test_components_that_do_not_fit_are_refused(opened):
    pipeline = AnimationPipeline(**{**tiny_components(), "unet": tiny_unet(in_channels=5)})
    with pytest.raises(ModelError, match=r"M5.*take 5 and 4 channels, the latents have 4"):
        opened(pipeline)
