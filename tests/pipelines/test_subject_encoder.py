"""A subject encoder as a part of the animation pipeline."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from dtvideo.errors import ModelError
from dtvideo.guidance import GuidanceSettings
from dtvideo.subject import SubjectEncoder
from pipelines.animate import AnimationPipeline, ClipSettings, Subject
from pipelines.job import RenderJob
from pipelines.load_model import clip_settings, describe_model, load_pipeline
from tests.drawn import dance, figure, standing
from tests.tiny_models import TEXT_WIDTH, tiny_components, tiny_subject_encoder

SETTINGS = ClipSettings(seed=7, steps=2, guidance=GuidanceSettings("none"))


def encoder_for(unet, *, trained=True):
    encoder = tiny_subject_encoder(unet)
    for path in encoder.paths if trained else ():
        torch.nn.init.normal_(encoder.layer(path).attention.to_out[0].weight, std=0.5)
    return encoder


@pytest.fixture(scope="module")
def pipeline():
    parts = tiny_components()
    return AnimationPipeline(**parts, subject_encoder=encoder_for(parts["unet"]))


def frames(pipeline, settings=SETTINGS, reference=None):
    picture = figure(standing()) if reference is None else reference
    clip = pipeline.open(
        reference=picture, reference_pose=standing(), poses=list(dance())[:2], settings=settings
    )
    with clip:
        return np.stack([image for _, image in clip])


def assert_close(found, expected):
    """Equal but for the last bits of a float, which may tip a pixel by one."""
    assert np.abs(found.astype(int) - expected).max() <= 1


def without_encoder(pipeline):
    parts = {name: pipeline.components[name] for name in tiny_components()}
    return AnimationPipeline(**parts)


def test_an_untrained_encoder_changes_no_frame():
    parts = tiny_components()
    plain = frames(AnimationPipeline(**parts))
    fresh = encoder_for(parts["unet"], trained=False)
    assert np.array_equal(frames(AnimationPipeline(**parts, subject_encoder=fresh)), plain)


def test_beta_says_how_much_it_counts(pipeline):
    found = [frames(pipeline, replace(SETTINGS, beta=beta)) for beta in (0.0, 0.2, 1.0)]
    assert np.array_equal(found[0], frames(without_encoder(pipeline)))
    assert not np.array_equal(found[1], found[0])
    assert not np.array_equal(found[1], found[2])


def test_it_gives_the_character_where_no_reference_is_attended_to(pipeline):
    alone = replace(SETTINGS, reference_weight=0.0, previous_weight=0.0)
    other = figure(standing())[..., ::-1].copy()
    assert not np.array_equal(frames(pipeline, alone), frames(pipeline, alone, other))
    plain = without_encoder(pipeline)
    assert np.array_equal(frames(plain, alone), frames(plain, alone, other))


def test_the_negative_prompt_does_not_see_the_character(pipeline):
    """With equal words, guidance away from the negative still leads towards the character."""
    guided = replace(
        SETTINGS, guidance=GuidanceSettings("text"), reference_weight=0.0, previous_weight=0.0
    )
    weaker = replace(guided, guidance=GuidanceSettings("text", text_scale=1.5))
    assert not np.array_equal(frames(pipeline, guided), frames(pipeline, weaker))
    plain = without_encoder(pipeline)
    assert_close(frames(plain, guided), frames(plain, weaker))


def test_saving_and_loading_finds_the_encoder_again(pipeline, tmp_path):
    pipeline.save_pretrained(tmp_path)
    index = json.loads((tmp_path / "model_index.json").read_text())
    assert index["subject_encoder"] == ["dtvideo.subject.encoder", "SubjectEncoder"]
    expected = frames(pipeline)
    loaded = AnimationPipeline.from_pretrained(tmp_path)
    assert isinstance(loaded.subject_encoder, SubjectEncoder)
    assert_close(frames(loaded), expected)
    checked = load_pipeline(str(tmp_path), device="cpu", dtype="float32")
    assert_close(frames(checked), expected)
    job = RenderJob(reference=tmp_path / "a.png", driver=tmp_path / "b.mp4", model=str(tmp_path))
    hashes = describe_model(job, checked)["sha256"]
    assert any(name.startswith("subject_encoder/") for name in hashes)


def test_beta_of_a_job_reaches_the_clip(pipeline, tmp_path):
    job = RenderJob(reference=tmp_path / "a.png", driver=tmp_path / "b.mp4")
    assert clip_settings(job, pipeline).beta == 0.2
    assert clip_settings(replace(job, beta=0.5), pipeline).beta == 0.5


def test_an_encoder_of_another_model_is_refused_before_anything_is_made(pipeline):
    parts = tiny_components()
    other = SubjectEncoder.from_config(
        pipeline.subject_encoder.config, layers={"elsewhere": (16, 2, 8)}
    )
    wrong = AnimationPipeline(**parts, subject_encoder=other)
    with pytest.raises(ModelError, match="the U-Net has no elsewhere"):
        frames(wrong)


def test_tokens_of_a_model_without_an_encoder_are_refused(pipeline):
    subject = Subject(figure(standing()), None, standing())
    assert pipeline.encode_subject(subject).shape == (1, 4, TEXT_WIDTH)
    with pytest.raises(ModelError, match="subject_encoder: is missing"):
        without_encoder(pipeline).encode_subject(subject)
