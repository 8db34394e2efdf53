"""A model that gives nothing to look at: told by its row, and no movie is left."""

import math
import shutil
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

import cli

DANCE = Path(__file__).parents[2] / "examples" / "dance.mp4"


def spoilt(model, folder, part, values):
    """Copy a model with all numbers of some of a part's weights replaced by one."""
    shutil.copytree(model, folder)
    path = folder / part / "diffusion_pytorch_model.safetensors"
    weights = load_file(path)
    for name, value in values.items():
        weights[name].fill_(value)
    save_file(weights, path)
    return folder


@pytest.mark.parametrize(
    ("part", "values", "code", "told"),
    [
        ("unet", {"conv_out.bias": math.nan}, "M7", "latents are not finite at step 0"),
        ("unet", {"conv_out.bias": math.inf}, "M7", "latents are not finite at step 0"),
        ("vae", {"decoder.conv_out.bias": math.nan}, "M7", "decoded picture is not finite"),
        (
            "vae",
            {"decoder.conv_out.weight": 0.0, "decoder.conv_out.bias": -1.0},
            "M8",
            "one flat colour, RGB (0, 0, 0)",
        ),
    ],
)
def test_m7_a_movie_that_is_black_or_not_finite_is_never_published(
    stage, tiny_model, tmp_path, monkeypatch, capsys, part, values, code, told
):
    model = spoilt(tiny_model, tmp_path / "spoilt", part, values)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("signal.signal", lambda *_: None)
    words = [stage / "hero.png", DANCE, "--model", model, "--size", "32x32", "--frames", "0-1"]
    with pytest.raises(SystemExit, match="5"):
        cli.animate([*map(str, words), "--ref-pose", str(stage / "pose.json")])
    outcome = capsys.readouterr()
    assert f"error[{code}]" in outcome.err
    assert told in outcome.err
    assert outcome.out == ""
    assert not list(tmp_path.rglob("*.mp4"))
