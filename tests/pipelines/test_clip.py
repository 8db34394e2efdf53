"""How a clip runs: from frame to frame, stopped and gone on with, watched, and put away."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from dtvideo.attention import self_attention_layers
from dtvideo.errors import QualityError, UsageError
from pipelines.animate import FrameState
from poses.types import PoseSequence
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
        with pytest.raises(UsageError, match="clip: is already under way"):
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
        with pytest.raises(UsageError, match="already has self-subject attention"):
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
