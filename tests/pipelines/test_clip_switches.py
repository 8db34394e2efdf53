"""What a clip's switches withhold from the model, seen at the model."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from dtvideo.errors import UsageError
from dtvideo.toon.trials import toon_trials
from pipelines.animate import AnimationPipeline, ClipSettings
from tests.tiny_models import tiny_components

SETTINGS = ClipSettings.from_plain({"steps": 2, "mode": "none"})


@pytest.fixture(scope="module")
def pipeline() -> AnimationPipeline:
    return AnimationPipeline(**tiny_components(coarse=True))


def render(pipeline, settings):
    """Render one frame; return it, and what each pass of the ControlNet was given."""
    (trial,) = toon_trials(1, 1, size=(32, 32))
    given = []
    handle = pipeline.controlnet.register_forward_pre_hook(
        lambda _, words, named: given.append((words[0], named["controlnet_cond"])),
        with_kwargs=True,
    )
    try:
        with pipeline.open(
            reference=trial.reference.image,
            mask=np.asarray(trial.reference.mask, np.float64),
            reference_pose=trial.reference.pose,
            poses=trial.poses,
            settings=settings,
        ) as clip:
            ((_, image),) = clip
    finally:
        handle.remove()
    return image, given


def test_without_coarse_frames_zeros_are_joined_but_the_reference_sees_itself(pipeline):
    _, with_coarse = render(pipeline, SETTINGS)
    _, without = render(pipeline, replace(SETTINGS, coarse=False))
    channels = pipeline.vae.config.latent_channels
    torch.testing.assert_close(without[0][0], with_coarse[0][0])
    assert without[0][0][:, channels:].abs().max() > 0
    assert len(without) == len(with_coarse) == 3
    for latents, _ in without[1:]:
        assert latents[:, channels:].abs().max() == 0
    for latents, _ in with_coarse[1:]:
        assert latents[:, channels:].abs().max() > 0


def test_without_the_reference_pose_its_pass_sees_a_blank_one_and_frames_their_own(pipeline):
    _, posed = render(pipeline, SETTINGS)
    _, blank = render(pipeline, replace(SETTINGS, reference_posed=False))
    assert posed[0][1].abs().max() > 0
    assert blank[0][1].abs().max() == 0
    torch.testing.assert_close(blank[1][1], posed[1][1])


def test_without_the_mask_the_ground_is_attended_to_as_well(pipeline):
    inside, given = render(pipeline, SETTINGS)
    everywhere, also_given = render(pipeline, replace(SETTINGS, masked=False))
    torch.testing.assert_close(also_given[0][0], given[0][0])
    assert not np.array_equal(inside, everywhere)


def test_a_start_from_coarse_frames_needs_them():
    with pytest.raises(UsageError, match=r"M11.*start_strength.*without coarse frames"):
        replace(SETTINGS, start_strength=0.5, coarse=False)
