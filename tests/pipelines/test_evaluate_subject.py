"""What teaching a character is worth is measured on the weights that were taught."""

import json
from dataclasses import replace

import numpy as np
import pytest

import dtvideo.metrics as metrics
from cli import run, toolbox_parser
from dtvideo.errors import OutputError, UsageError
from dtvideo.images import load_image
from dtvideo.sheet import CELL
from pipelines.evaluate_subject import (
    AFTER,
    ANIMATED,
    BARE,
    BEFORE,
    OF_ANOTHER,
    UNSAID,
    SubjectEvaluation,
    evaluate_subject,
    rank,
    render_trial,
    ways_to_render,
)
from pipelines.load_model import load_pipeline
from pipelines.progress import SilentProgress
from pipelines.subject_settings import SubjectTraining, subject_training

SMALL = SubjectEvaluation(characters=2, among=3, frames=1, size=32, regular=1)
TAUGHT = SubjectTraining("character", steps=2, learning_rate=0.05, attention=True)


def evaluate(model, folder, training=TAUGHT, settings=SMALL):
    return evaluate_subject(
        str(model), training, settings, progress=SilentProgress(), output=folder
    )


@pytest.fixture(scope="module")
def finished(tiny_model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("taught")
    return folder, evaluate(tiny_model, folder)


def scores(report, method):
    return [score for score in report.scores if score.method == method]


def test_the_weights_that_were_taught_are_the_ones_that_are_rendered(finished, tiny_model):
    folder, report = finished
    ranked = rank(load_pipeline(str(tiny_model)), SMALL, SilentProgress())
    trial = ranked[0][1]
    taught = load_pipeline(str(folder / trial.name))
    settings = ways_to_render(taught)[BARE]
    (image,) = render_trial(taught, trial, range(1, 2), settings=settings, is_named=True)
    (plain,) = render_trial(load_pipeline(str(tiny_model)), trial, range(1, 2), settings=settings)
    assert not np.array_equal(image, plain)
    truth = trial.truth(1)
    found = [metrics.foreground_psnr(each, truth.image, mask=truth.mask) for each in (plain, image)]
    measured = [
        scores(report, method)[0].mean("foreground_psnr", BARE) for method in (BEFORE, AFTER)
    ]
    assert measured == pytest.approx(found)
    assert measured[0] != measured[1]


def test_the_worst_are_taught_by_poses_that_are_not_measured(finished, tiny_model):
    folder, report = finished
    ranking = report.about["ranking"]
    figures = [row["foreground_psnr"] for row in ranking]
    assert figures == sorted(figures)
    assert len(ranking) == 3
    for row in ranking[:2]:
        assert (folder / row["name"] / "model_index.json").is_file()
    assert not (folder / ranking[2]["name"]).exists()
    trial = rank(load_pipeline(str(tiny_model)), SMALL, SilentProgress())[0][1]
    assert trial.name == ranking[0]["name"]
    assert not np.array_equal(trial.truth(0).image, trial.truth(1).image)


def test_every_character_is_measured_before_after_and_by_anothers_model(finished):
    folder, report = finished
    assert report.methods == [BEFORE, AFTER, OF_ANOTHER, UNSAID]
    assert report.views == (ANIMATED, BARE)
    for method in report.methods:
        assert [score.clip for score in scores(report, method)] == [
            row["name"] for row in report.about["ranking"][:2]
        ]
    kept = json.loads((folder / "results.json").read_text())
    gain = next(row for row in kept["gains"] if (row["method"], row["view"]) == (AFTER, BARE))
    assert gain["mean"] == report.gain(gain["measure"], method=AFTER, base=BEFORE, view=BARE).mean
    sheet = load_image(folder / "sheet.png").rgb
    assert sheet.shape[1] > 6 * CELL
    assert sheet.shape[0] > 2 * CELL


def test_what_was_taught_is_not_taught_again_and_other_settings_are_refused(finished, tiny_model):
    folder, report = finished
    logs = {path: path.stat().st_mtime_ns for path in folder.glob("*/training/checkpoint*")}
    assert len(logs) == 2
    again = evaluate(tiny_model, folder)
    assert again.as_plain() == report.as_plain()
    assert logs == {path: path.stat().st_mtime_ns for path in logs}
    with pytest.raises(OutputError, match=r"F7.*holds a model already"):
        evaluate(tiny_model, folder, replace(TAUGHT, learning_rate=0.01))


def test_the_command_prints_both_tables(tiny_model, capsys):
    words = "--characters 1 --among 1 --frames 1 --regular 1 --steps 1 --progress none"
    asked = ["evaluate", "subject", "--model", str(tiny_model), *words.split()]
    assert run(toolbox_parser(), asked) == 0
    out = capsys.readouterr().out
    assert out.count("against before") == 6
    assert f"{BARE}:" in out


def test_the_built_in_model_learns_by_its_own_rates_and_others_by_the_papers():
    own, paper = (subject_training(name, class_word="girl") for name in ("toon", "sd15"))
    assert (paper.learning_rate, paper.steps, paper.attention) == (1e-6, 800, False)
    assert own.learning_rate > paper.learning_rate
    assert own.attention
    assert subject_training("toon", class_word="girl", learning_rate=1e-5).learning_rate == 1e-5


@pytest.mark.parametrize("wrong", [{"characters": 0}, {"among": 3}, {"frames": 0}, {"size": 8}])
def test_m11_an_evaluation_that_cannot_be_is_refused(wrong):
    with pytest.raises(UsageError, match="M11"):
        SubjectEvaluation(**wrong)
