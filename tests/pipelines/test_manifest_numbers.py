"""Numbers in a manifest: what is none is refused in one line each, all of them at once."""

import json

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
        ("B2", 3, "version: should be a valid integer, not True"),
        ("B2", 7, "characters.girl.seed: should be a valid integer, not True"),
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
