"""What differs between two recipes is told by name: settings, inputs, weights."""

import json
from dataclasses import replace

import pytest

from dtvideo.errors import UsageError
from pipelines.recipe import UNKNOWN, differences, explain, recipe_details
from pipelines.render import render
from tests.stopping import stopped

HASH, OTHER = "a" * 64, "b" * 64
RECIPE = {
    "job": {"seed": 3, "steps": None, "device": "auto", "output": "x.mp4", "loras": []},
    "resolved": {"clip": {"seed": 3, "steps": 20}, "size": [64, 32], "threads": 1, "signed": False},
}
INPUTS = [{"role": "driver", "path": "dance.mp4", "sha256": HASH}]
MODEL = {"name": "toon", "device": "cuda", "sha256": {"unet/a": HASH, "vae/b": HASH}}


def told(job=(), resolved=(), inputs=INPUTS, model=()):
    """Return what is told of a recipe that differs in this from the one above."""
    now = {
        "job": {**RECIPE["job"], **dict(job)},
        "resolved": {**RECIPE["resolved"], **dict(resolved)},
    }
    before = recipe_details(RECIPE, INPUTS, MODEL)
    return explain(before, recipe_details(now, inputs, {**MODEL, **dict(model)}))


def test_a_setting_is_told_by_its_name_and_what_follows_from_it_is_not():
    clip = {"clip": {"seed": 4, "steps": 20}}
    assert told({"seed": 4, "output": "y.mp4"}, clip) == ["seed was 3, is 4"]


def test_what_another_default_came_to_is_told_where_no_setting_differs():
    assert told(resolved={"clip": {"seed": 3, "steps": 30}}) == ["steps was 20, is 30"]


def test_what_follows_from_no_setting_is_told_beside_one():
    now = {"threads": 2, "signed": True}
    assert told({"seed": 4}, now) == [
        "seed was 3, is 4",
        "signed was False, is True",
        "threads was 1, is 2",
    ]


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"sha256": OTHER}, "driver dance.mp4 has other contents"),
        ({"sha256": OTHER, "path": "walk.mp4"}, "driver was dance.mp4, is walk.mp4"),
    ],
)
def test_an_input_is_told_by_its_file(changes, line):
    assert told(inputs=[{**INPUTS[0], **changes}]) == [line]


def test_an_input_more_is_told():
    more = [*INPUTS, {"role": "reference mask", "path": "mask.png", "sha256": HASH}]
    assert told(inputs=more) == ["reference mask was None, is mask.png"]


def test_a_model_is_told_by_its_name_or_by_its_weights():
    assert told(model={"name": "sd15", "sha256": {}}) == ["model was toon, is sd15"]
    weights = {"unet/a": HASH, "vae/b": OTHER, "--lora/0/x": HASH}
    assert told(model={"sha256": weights}) == ["2 weight files of toon changed, first --lora/0/x"]


def test_a_device_that_was_not_asked_for_is_told_and_once_where_it_was():
    assert told(model={"device": "cpu"}) == ["device was cuda, is cpu"]
    assert told({"device": "cpu"}, model={"device": "cpu"}) == ["device was auto, is cpu"]


def test_hashes_are_not_shown():
    assert differences({"reference": HASH}, {"reference": OTHER}) == [
        "reference has other contents"
    ]


def test_b10_settings_inputs_and_versions_are_told_together(job, tmp_path):
    poses = tmp_path / "walk.json"
    poses.write_bytes(job.poses.read_bytes() + b"\n")
    stopped(job, 1, KeyboardInterrupt())
    recipe = job.beside(".work") / "recipe.json"
    noted = json.loads(recipe.read_text())
    recipe.write_text(json.dumps({**noted, "python": "3.0.0"}))
    with pytest.raises(UsageError) as caught:
        render(replace(job, seed=1, reference_weight=2.0, poses=poses, resume=True))
    assert caught.value.code == "B10"
    assert noted["recipe_hash"] not in caught.value.problem
    settings, inputs = "reference_weight was 10.0, is 2.0; seed was 0, is 1", "is walk.json"
    assert caught.value.problem.startswith(f"was begun differently: {settings}; poses was ")
    assert f"{inputs}; python was 3.0.0, is 3." in caught.value.problem


def test_a_render_that_an_older_version_began_goes_on_and_tells_what_it_can(job):
    stopped(job, 2, KeyboardInterrupt())
    recipe = job.beside(".work") / "recipe.json"
    noted = json.loads(recipe.read_text())
    del noted["recipe"]
    recipe.write_text(json.dumps(noted))
    with pytest.raises(UsageError, match=f"B10.*{UNKNOWN} ·"):
        render(replace(job, seed=1, resume=True))
    assert render(replace(job, resume=True)).frames == 4
