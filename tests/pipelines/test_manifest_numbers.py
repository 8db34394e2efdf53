"""Numbers in a manifest: what is none is refused in one line each, all of them at once."""

import json
from fractions import Fraction

import pytest

from pipelines.manifest import json_schema, load_manifest
from tests.manifests import GOOD, faults_of, fill, write

WHOLE = ("seed", "steps", "upscale", "threads", "max_frames", "max_pixels")
FRACTIONS = (
    *("reference_weight", "previous_weight", "puppet", "align", "beta"),
    *("reference_guidance", "text_guidance", "reference_probability"),
)
WRITTEN = ("size", "frames", "rate", "background", "cache_memory", "person", "reference_person")
KINDS = {
    **dict.fromkeys(WHOLE, "a valid integer"),
    **dict.fromkeys(FRACTIONS, "a valid number"),
    **dict.fromkeys(WRITTEN, "text or a number"),
}


@pytest.fixture
def folder(tmp_path):
    return fill(tmp_path / "batch")


def with_settings(values):
    return GOOD.replace("settings: {seed: 3, size: 64x32}", f"settings: {json.dumps(values)}")


def test_no_setting_is_left_out_here():
    numbers = [
        name
        for name, told in json_schema()["$defs"]["Settings"]["properties"].items()
        if {"integer", "number"} & {kind.get("type") for kind in told["anyOf"]}
    ]
    assert sorted(numbers) == sorted(KINDS)


@pytest.mark.parametrize("value", [True, False])
def test_a_truth_value_is_no_number(folder, value):
    told = faults_of(folder, with_settings(dict.fromkeys(KINDS, value)))
    assert sorted(told) == sorted(
        ("B2", 4, f"settings.{name}: should be {kind}, not {value}") for name, kind in KINDS.items()
    )


def test_yaml_s_other_words_for_true_are_no_numbers_either(folder):
    told = faults_of(
        folder, GOOD.replace("version: 7", "version: yes").replace("seed: 4", "seed: on")
    )
    assert told == [
        ("B2", 3, "version: should be a valid integer, not 'yes'"),
        ("B2", 7, "characters.girl.seed: should be a valid integer, not 'on'"),
    ]


def test_a_truth_value_in_a_line_is_no_number(folder):
    line = {"name": "a", "reference": "hero.png", "driver": "dance.mp4", "output": "a.mp4"}
    told = faults_of(folder, json.dumps({**line, "seed": True, "frames": False}), "batch.jsonl")
    assert [problem for _, _, problem in told] == [
        "seed: should be a valid integer, not True",
        "frames: should be text or a number, not False",
    ]


@pytest.mark.parametrize("value", [".nan", ".inf", "-.inf", '"nan"', '"-inf"', "-1", "some"])
def test_what_is_not_finite_negative_or_a_word_is_no_number(folder, value):
    names = [name for name in KINDS if (name, value) != ("frames", "-1")]  # the first two frames
    written = ", ".join(f"{name}: {value}" for name in names)
    text = GOOD.replace("settings: {seed: 3, size: 64x32}", f"settings: {{{written}}}")
    told = faults_of(folder, text)
    assert {code for code, _, _ in told} <= {"B2", "M11"}
    assert sorted(problem.split(": ")[0] for _, _, problem in told) == sorted(
        f"settings.{name}" for name in names
    )


@pytest.mark.parametrize("scale", ["true", "nan", "inf", "-11"])
def test_the_scale_of_an_adapter_is_a_number_within_its_range(folder, scale):
    (folder / "style.safetensors").write_bytes(b"x")
    values = {
        "loras": [f"style.safetensors:{scale}"],
        "ip_adapters": [f"style.safetensors:{scale}"],
    }
    told = faults_of(folder, with_settings(values))
    assert [code for code, _, _ in told] == ["M11", "M11"]


def test_a_number_in_quotes_is_read_as_on_the_command_line(folder):
    text = with_settings({"steps": "7", "align": "2.5", "rate": "25"})
    job = load_manifest(write(folder, text))[0].job
    assert (job.steps, job.align, job.rate) == (7, 2.5, 25)


def test_what_is_yes_or_no_may_still_be_written_so(folder):
    job = load_manifest(write(folder, with_settings({"smooth": False, "studio": False})))[0].job
    assert (job.smooth, job.studio) == (False, False)


def job_of(folder, settings):
    text = GOOD.replace("settings: {seed: 3, size: 64x32}", f"settings:\n{settings}")
    return load_manifest(write(folder, text))[0].job


def test_what_is_written_is_what_is_taken(folder):
    job = job_of(
        folder,
        "  seed: 010\n  background: 001122\n  hands: on\n  face: off\n  room: yes\n"
        "  smooth: no\n  rate: 29.970\n  negative_prompt: 2024-01-02\n",
    )
    assert (job.seed, job.background) == (10, (0, 0x11, 0x22))
    assert (job.hands, job.face, job.room, job.smooth) == ("on", "off", True, False)
    assert (job.rate, job.negative_prompt) == (Fraction(30000, 1001), "2024-01-02")


@pytest.mark.parametrize("word", ["no", "on", "yes", "0x10", "1_000", "12:30", "1e3", "2024", "="])
def test_a_text_without_quotes_is_the_text(folder, word):
    assert job_of(folder, f"  negative_prompt: {word}\n").negative_prompt == word


@pytest.mark.parametrize(
    ("name", "written"),
    [("frames", "10:20"), ("frames", "0x10"), ("seed", "10:20"), ("seed", "0o17")],
)
def test_a_number_in_a_form_of_yaml_s_own_is_refused_as_it_was_written(folder, name, written):
    text = GOOD.replace("seed: 3, size: 64x32", f"{name}: {written}")
    ((_, line, problem),) = faults_of(folder, text)
    assert line == 4
    assert f"{written!r}" in problem


def test_a_value_that_is_a_comment_is_told(folder):
    text = GOOD.replace("settings: {seed: 3, size: 64x32}", "settings:\n  background: #112233")
    assert faults_of(folder, text) == [
        (
            "B2",
            5,
            "background is empty · leave it out, or put what begins with # in quotes",
        )
    ]
