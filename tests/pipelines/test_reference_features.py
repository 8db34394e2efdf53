"""A character is encoded once for all clips that attend to it alike, and only for those."""

from dataclasses import replace

import numpy as np
import pytest

from pipelines.animate import AnimationPipeline, ClipSettings
from pipelines.reference_features import ReferenceFeatures
from tests.pipelines.test_animate import pose
from tests.tiny_models import tiny_components

SETTINGS = ClipSettings(seed=7, steps=6)
WINDOWS = 2
"""Passes over the reference for six steps, four at once."""


@pytest.fixture(scope="module")
def pipeline():
    return AnimationPipeline(**tiny_components())


@pytest.fixture
def character():
    picture = np.full((32, 24, 3), 200, dtype=np.uint8)
    picture[3:28, 7:17] = (180, 40, 40)
    mask = np.zeros((32, 24), dtype=np.float32)
    mask[3:28, 7:17] = 1
    return {"reference": picture, "mask": mask, "reference_pose": pose(), "settings": SETTINGS}


@pytest.fixture
def count():
    """Render two frames; return them and how often the U-Net was asked."""

    def render(pipeline, shifts=(0, 3), **options):
        passes = []
        hook = pipeline.unet.register_forward_pre_hook(lambda *_: passes.append(1))
        try:
            with pipeline.open(poses=[pose(shift) for shift in shifts], **options) as clip:
                images = [image for _, image in clip]
        finally:
            hook.remove()
        return images, len(passes)

    return render


@pytest.mark.parametrize("budget", [None, 0])
def test_the_next_clip_of_a_character_costs_no_pass_over_it(pipeline, character, count, budget):
    given = {**character, "settings": replace(SETTINGS, cache_memory=budget)}
    features = ReferenceFeatures()
    expected, alone = count(pipeline, (4, 5), **given)
    count(pipeline, (0, 3), features=features, **given)
    found, again = count(pipeline, (4, 5), features=features, **given)
    assert np.array_equal(found, expected)
    assert again == alone - WINDOWS if budget is None else again <= alone


@pytest.mark.parametrize("change", ["reference", "mask", "pose", "words", "settings", "pipeline"])
def test_what_it_depends_on_is_encoded_anew(pipeline, character, count, change):
    features = ReferenceFeatures()
    count(pipeline, features=features, **character)
    other = dict(character)
    match change:
        case "reference" | "mask":
            other[change] = character[change].copy()
            other[change][4, 8] = 0
        case "pose":
            other["reference_pose"] = pose(1)
        case "words":
            other["prompt"] = "a knight"
        case "settings":
            other["settings"] = replace(SETTINGS, seed=8)
        case "pipeline":
            pipeline = AnimationPipeline(**tiny_components())
    expected, alone = count(pipeline, **other)
    found, passes = count(pipeline, features=features, **other)
    assert np.array_equal(found, expected)
    assert passes == alone


def test_a_character_that_was_left_half_encoded_is_encoded_anew(pipeline, character, count):
    features = ReferenceFeatures()

    def stop(stage, done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        count(pipeline, features=features, progress=stop, **character)
    expected, alone = count(pipeline, **character)
    found, passes = count(pipeline, features=features, **character)
    assert np.array_equal(found, expected)
    assert passes == alone


def test_what_is_kept_is_forgotten_when_asked_to(pipeline, character, count):
    features = ReferenceFeatures()
    _, alone = count(pipeline, features=features, **character)
    features.clear()
    assert features.plan is None
    assert count(pipeline, features=features, **character)[1] == alone
