import json
from dataclasses import replace

import numpy as np
import pytest

from cli import run, toolbox_parser
from dtvideo.errors import MediaError, UsageError
from dtvideo.images import load_image
from dtvideo.toon.picture_trials import CHANGED_WORD, OWN_WORDS, picture_trials
from pipelines.evaluate_generate import (
    BASELINES,
    PictureEvaluation,
    PictureJudges,
    evaluate_folders_of_pictures,
    evaluate_generate,
    picture_settings,
    score_picture,
    studio_method,
)
from pipelines.generate import generate
from pipelines.generate_job import GenerateJob
from pipelines.likeness import Clip, Dino, Likeness
from pipelines.load_model import load_pipeline
from tests.tiny_judges import write_clip_model, write_dino

SMALL = PictureEvaluation(clips=2, size=64)


@pytest.fixture(scope="module")
def trial():
    return next(picture_trials(1, size=(96, 96)))


@pytest.fixture(scope="module")
def likeness(tmp_path_factory):
    clip = write_clip_model(tmp_path_factory.mktemp("clip"))
    return Likeness(Clip(str(clip)), Dino(str(write_dino(tmp_path_factory.mktemp("dino")))))


@pytest.fixture(scope="module")
def report():
    deaf = {"deaf": lambda trial, request: iter([trial.requests[0].truth.image])}
    return evaluate_generate({**BASELINES, **deaf}, SMALL)


def mean(report, measure, method, view):
    return report.interval(measure, method=method, view=view).mean


def test_the_truth_follows_every_word_and_keeps_every_part(report):
    for view in (OWN_WORDS, CHANGED_WORD):
        assert mean(report, "parts_kept", "truth", view) == 1
        assert mean(report, "part_colour", "truth", view) == 0
        assert mean(report, "words_ratio", "truth", view) == 1
    assert mean(report, "followed", "truth", CHANGED_WORD) == 1


def test_who_is_deaf_to_words_keeps_the_character_and_follows_nothing(report):
    assert mean(report, "parts_kept", "deaf", CHANGED_WORD) == 1
    assert mean(report, "followed", "deaf", CHANGED_WORD) == 0
    assert mean(report, "followed", "coarse", CHANGED_WORD) == 0
    assert mean(report, "parts_kept", "coarse", OWN_WORDS) < 1


def test_another_characters_colours_are_not_kept(trial):
    other = trial.requests[0].truth.image[:, :, ::-1].copy()  # red for blue
    scores = score_picture(other, trial, trial.requests[0], PictureJudges())
    assert scores["parts_kept"] < 0.5
    assert scores["part_colour"] > 10


def test_the_part_that_was_to_change_does_not_count_as_lost(trial):
    own, changed = trial.requests
    scores = score_picture(changed.truth.image, trial, own, PictureJudges())
    assert scores["parts_kept"] < 1
    assert score_picture(changed.truth.image, trial, changed, PictureJudges())["parts_kept"] == 1


def test_pictures_are_made_as_the_command_makes_them(tiny_model, trial):
    pipeline = load_pipeline(str(tiny_model))
    settings = picture_settings(pipeline.default_settings, 2.5)
    assert (settings.previous_weight, settings.shared_noise) == (0, 0)
    settings = replace(settings, steps=1)
    two = list(studio_method(pipeline, settings, pictures=2)(trial, trial.requests[0]))
    (one,) = studio_method(pipeline, settings)(trial, trial.requests[0])
    assert np.array_equal(one, two[0])
    assert not np.array_equal(*two)
    louder = replace(settings, reference_weight=9.0)
    (other,) = studio_method(pipeline, louder)(trial, trial.requests[0])
    assert not np.array_equal(one, other)


def test_pictures_and_scores_are_kept_where_they_are_wanted(tmp_path, likeness):
    report = evaluate_generate(
        {"truth": BASELINES["truth"]},
        PictureEvaluation(clips=1, size=64),
        output=tmp_path,
        judges=PictureJudges(likeness=likeness),
    )
    (clip,) = (tmp_path / "truth").iterdir()
    assert sorted(path.name for path in clip.iterdir()) == [
        "a-changed-word.0.png", "own-words.0.png"]  # fmt: skip
    kept = json.loads((tmp_path / "results.json").read_text())
    assert kept == report.as_plain()
    assert {"clip_t", "clip_i", "dino"} <= {row["measure"] for row in kept["rows"]}


@pytest.fixture
def pictures(tiny_model, stage, tmp_path):
    """A folder of two pictures that `dtvideo generate` made."""
    job = GenerateJob(
        reference=stage / "hero.png",
        reference_pose=stage / "pose.json",
        prompt="a girl [S*] with red hair",
        count=2,
        size=(32, 32),
        model=str(tiny_model),
        output=tmp_path / "out",
    )
    return generate(job)


def test_pictures_of_anyone_are_compared_with_their_words_and_reference(
    pictures, likeness, stage, tmp_path
):
    folder = pictures.sidecar.parent
    report = evaluate_folders_of_pictures([folder], likeness, output=tmp_path / "scores.json")
    expected = [
        likeness.scores(
            load_image(path).rgb,
            words="a girl with red hair",
            reference=load_image(stage / "hero.png").rgb,
        )
        for path in pictures.pictures
    ]
    assert [dict(frame) for frame in report.scores[0].frames] == expected
    assert json.loads((tmp_path / "scores.json").read_text())["clips"][0]["clip"] == "hero"
    assert "CLIP-T" in report.table()


def test_v1_a_folder_without_side_cars_is_refused(tmp_path, likeness):
    with pytest.raises(MediaError, match=r"V1.*holds no side-car of pictures"):
        evaluate_folders_of_pictures([tmp_path], likeness)


def evaluate(*words):
    return run(toolbox_parser(), ["evaluate", "generate", *map(str, words)])


def test_the_command_asks_a_model_for_drawn_characters(tiny_model, tmp_path, capsys):
    words = "--clips 1 --no-baselines --steps 1 --guidance none --ref-weight 3 --progress none"
    assert evaluate("--model", tiny_model, *words.split(), "-o", tmp_path) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0] for line in lines[1:]] == [OWN_WORDS, CHANGED_WORD]
    assert (tmp_path / "results.json").is_file()


def test_the_command_measures_folders_by_the_models_that_are_named(pictures, tmp_path, capsys):
    dino = write_dino(tmp_path / "dino")
    assert evaluate(pictures.sidecar.parent, "--dino", dino) == 0
    assert "DINO" in capsys.readouterr().out
    assert evaluate(pictures.sidecar.parent) == 2
    assert "no model to measure pictures with" in capsys.readouterr().err


@pytest.mark.parametrize("wrong", [{"clips": 0}, {"size": 8}, {"seed": -1}])
def test_m11_an_evaluation_that_cannot_be_is_refused(wrong):
    with pytest.raises(UsageError, match="M11"):
        PictureEvaluation(**wrong)
