from dataclasses import replace
from fractions import Fraction

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

from dtvideo.attention import self_attention_layers
from dtvideo.errors import ModelError, QualityError, UsageError
from dtvideo.guidance import GuidanceSettings
from dtvideo.latents import frame_noise, picture_tensor
from pipelines.animate import AnimationPipeline, ClipSettings, FrameState
from poses.render import draw_pose
from poses.types import Pose, PoseSequence
from tests.tiny_models import tiny_components, tiny_unet

WIDTH, HEIGHT = 24, 32
SETTINGS = ClipSettings(seed=7, steps=2)
PLAIN = GuidanceSettings("none")
STANDING = np.array(
    [
        *((12, 5), (12, 9), (9, 9), (8, 13), (8, 17), (15, 9), (16, 13), (16, 17), (10, 17)),
        *((10, 22), (10, 27), (14, 17), (14, 22), (14, 27), (11, 4), (13, 4), (10, 5), (14, 5)),
    ],
    dtype=float,
)


def pose(shift=0.0):
    """A figure whose arms are raised by `shift` pixels."""
    body = np.column_stack([STANDING, np.ones(18)])
    body[[3, 4, 6, 7], 1] -= shift
    return Pose(body=body, size=(WIDTH, HEIGHT))


@pytest.fixture(scope="module")
def reference():
    picture = np.full((HEIGHT, WIDTH, 3), 200, dtype=np.uint8)
    picture[3:28, 7:17] = (180, 40, 40)
    picture[3:9, 9:15] = (230, 190, 160)
    return picture


@pytest.fixture(scope="module")
def mask():
    mask = np.zeros((HEIGHT, WIDTH), dtype=np.float32)
    mask[3:28, 7:17] = 1
    return mask


@pytest.fixture(scope="module")
def pipeline():
    return AnimationPipeline(**tiny_components())


@pytest.fixture(scope="module")
def coarse_pipeline():
    return AnimationPipeline(**tiny_components(coarse=True, prediction_type="sample"))


@pytest.fixture
def opened(reference, mask):
    """Open a clip of two frames unless told otherwise."""

    def open_clip(pipeline, *, settings=SETTINGS, poses=None, **options):
        given = {"reference": reference, "mask": mask, "reference_pose": pose(), **options}
        poses = [pose(0), pose(3)] if poses is None else poses
        return pipeline.open(poses=poses, settings=settings, **given)

    return open_clip


def frames(clip):
    with clip:
        return [image for _, image in clip]


def assert_same(found, expected):
    assert len(found) == len(expected)
    assert all(np.array_equal(one, other) for one, other in zip(found, expected, strict=True))


def assert_close(found, expected):
    """Equal but for the last bits of a float, which may tip a pixel by one."""
    assert np.abs(np.stack(found).astype(int) - np.stack(expected)).max() <= 1


def differ(found, expected):
    return any(not np.array_equal(one, other) for one, other in zip(found, expected, strict=True))


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


def test_the_first_frame_has_the_reference_only(pipeline, opened):
    alone = replace(SETTINGS, previous_weight=0.0)
    found, expected = frames(opened(pipeline)), frames(opened(pipeline, settings=alone))
    assert np.array_equal(found[0], expected[0])
    assert not np.array_equal(found[1], expected[1])


@pytest.mark.parametrize("kind", ["pipeline", "coarse_pipeline"])
def test_a_clip_started_from_a_state_goes_on_as_if_never_stopped(request, opened, kind):
    pipeline = request.getfixturevalue(kind)
    whole = frames(opened(pipeline))
    with opened(pipeline) as clip:
        next(iter(clip))
        state = clip.state
    assert state.index == 1
    with opened(pipeline).start(state) as clip:
        rest = list(clip)
    assert [index for index, _ in rest] == [1]
    assert_same([image for _, image in rest], whole[1:])


def test_a_clip_under_way_cannot_be_started_elsewhere(pipeline, opened):
    with opened(pipeline) as clip:
        next(iter(clip))
        with pytest.raises(UsageError, match="clip: is under way already"):
            clip.start(FrameState())


def test_frames_are_rendered_only_when_asked_for(pipeline, opened):
    taken = []

    def poses():
        for shift in (0, 3, 6):
            taken.append(shift)
            yield pose(shift)

    with opened(pipeline, poses=poses()) as clip:
        next(iter(clip))
        assert taken == [0]


def test_a_pose_sequence_of_another_canvas_is_scaled(pipeline, opened):
    small = PoseSequence.from_poses([pose(0), pose(3)], rate=Fraction(25))
    large = PoseSequence(small.body * [2, 2, 1], size=(2 * WIDTH, 2 * HEIGHT))
    assert_same(frames(opened(pipeline, poses=large)), frames(opened(pipeline, poses=small)))


def processors(pipeline):
    models = (pipeline.unet, pipeline.controlnet)
    return [layer.processor for model in models for layer in self_attention_layers(model).values()]


def test_leaving_a_clip_early_restores_the_pipeline(pipeline, opened):
    before = processors(pipeline)
    with opened(pipeline) as clip:
        next(iter(clip))
        assert processors(pipeline)[0] is not before[0]
    assert all(one is other for one, other in zip(processors(pipeline), before, strict=True))


def test_an_error_in_a_frame_restores_the_pipeline(pipeline, opened):
    before = processors(pipeline)

    def spoil(pipe, step, timestep, tensors):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        frames(opened(pipeline, callback_on_step_end=spoil))
    assert all(one is other for one, other in zip(processors(pipeline), before, strict=True))


def test_two_clips_of_one_pipeline_cannot_run_at_once(pipeline, opened):
    with opened(pipeline) as clip:
        next(iter(clip))
        with pytest.raises(UsageError, match="has self-subject attention already"):
            frames(opened(pipeline))


@pytest.mark.parametrize("storage", ["recompute", "device"])
@pytest.mark.parametrize("kind", ["pipeline", "coarse_pipeline"])
def test_the_cache_budget_does_not_change_the_frames(request, opened, kind, storage):
    pipeline = request.getfixturevalue(kind)
    settings = replace(SETTINGS, steps=10, guidance=PLAIN, previous_weight=0.0)
    budget = {"device": 2**30, "recompute": 0}[storage]
    clip = opened(pipeline, settings=replace(settings, cache_memory=budget))
    assert_same(frames(clip), frames(opened(pipeline, settings=settings)))
    assert clip.cache_plan.storage == storage


def test_a_smaller_budget_keeps_layer_inputs_instead(pipeline, opened):
    settings = replace(SETTINGS, guidance=PLAIN)
    generous = opened(pipeline, settings=settings)
    expected = frames(generous)
    half = replace(settings, cache_memory=generous.cache_plan.needed_bytes // 2)
    clip = opened(pipeline, settings=half)
    found = frames(clip)
    assert clip.cache_plan.storage == "features"
    assert_close(found, expected)


def test_the_callback_sees_every_step_and_can_change_the_latents(pipeline, opened):
    calls = []

    def remember(pipe, step, timestep, tensors):
        assert pipe is pipeline
        calls.append((step, int(timestep)))
        return {"latents": tensors["latents"] * 0.5}

    found = frames(opened(pipeline, callback_on_step_end=remember))
    assert calls == [(0, 501), (1, 1)] * 2
    assert differ(found, frames(opened(pipeline)))


def test_an_unknown_callback_tensor_is_refused(pipeline, opened):
    with pytest.raises(UsageError, match="'noise' is unknown"):
        opened(pipeline, callback_on_step_end_tensor_inputs=["noise"])


def test_an_interrupt_stops_before_the_next_frame(pipeline, opened):
    try:
        with opened(pipeline) as clip:
            for _, _ in clip:
                pipeline._interrupt = True
            assert clip.state.index == 1
    finally:
        pipeline._interrupt = False


def test_progress_tells_what_is_done_and_what_there_is_to_do(pipeline, opened):
    told = []
    frames(opened(pipeline, poses=[pose()], progress=lambda *news: told.append(news)))
    assert told == [
        ("reference", 2, 2),
        ("frame 0", 1, 2),
        ("frame 0", 2, 2),
    ]


def test_m7_latents_that_are_not_finite_stop_the_clip(pipeline, opened):
    def spoil(pipe, step, timestep, tensors):
        return {"latents": tensors["latents"] * float("nan")}

    with pytest.raises(QualityError, match=r"M7.*frame 0: .*not finite"):
        frames(opened(pipeline, callback_on_step_end=spoil))


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
