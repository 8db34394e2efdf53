"""What a subject encoder carries is measured: the look, and whose layout."""

import json

import numpy as np
import pytest
import torch

from cli import run, toolbox_parser
from dtvideo.errors import ModelError
from dtvideo.toon.picture_trials import picture_trials
from pipelines.animate import AnimationPipeline
from pipelines.evaluate_encoder import (
    NOT_TOLD,
    OF_ANOTHER,
    TOLD,
    WITH,
    WITHOUT,
    encoder_methods,
    evaluate_encoder,
    layout_followed,
    open_guided,
)
from pipelines.evaluate_generate import PictureEvaluation
from tests.tiny_models import tiny_components, tiny_controlnet, tiny_subject_encoder

SMALL = PictureEvaluation(clips=2, size=64)


@pytest.fixture(scope="module")
def trial():
    return next(picture_trials(1, size=(96, 96)))


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A folder with a tiny model whose encoder counts and whose depth ControlNet tells."""
    parts = tiny_components(coarse=True, prediction_type="sample")
    encoder = tiny_subject_encoder(parts["unet"])
    for path in encoder.paths:
        torch.nn.init.normal_(encoder.layer(path).attention.to_out[0].weight, std=0.5)
    guide = tiny_controlnet(in_channels=parts["unet"].config.in_channels, seed=9)
    folder = tmp_path_factory.mktemp("encoder") / "tiny"
    AnimationPipeline(
        **parts, subject_encoder=encoder, depth_controlnet=guide, defaults={"steps": 1}
    ).save_pretrained(folder)
    return folder


def test_a_picture_lies_between_the_layout_asked_for_and_the_references(trial):
    asked, reference = trial.requests[0].truth, trial.reference
    halfway = (asked.image.astype(float) + reference.image) / 2
    assert layout_followed(asked.image, asked, reference) == pytest.approx(1)
    assert layout_followed(reference.image, asked, reference) == pytest.approx(-1)
    assert layout_followed(halfway.round().astype(np.uint8), asked, reference) == pytest.approx(
        0, abs=0.02
    )


def test_a_layout_is_told_by_places_of_one_figure_alone(trial):
    """Whatever stands where both figures are, or neither is, says nothing."""
    asked, reference = trial.requests[0].truth, trial.reference
    same = (asked.mask > 0.5) == (reference.mask > 0.5)
    spoilt = np.where(same[..., None], 0, asked.image)
    assert layout_followed(spoilt, asked, reference) == pytest.approx(1)


def test_the_truth_has_the_layout_asked_for_and_the_reference_its_own(model):
    drawn = ("truth", "reference")
    methods = encoder_methods(open_guided(str(model)))
    report = evaluate_encoder({name: methods[name] for name in drawn}, SMALL)
    for view in (TOLD, NOT_TOLD):
        ends = [report.interval("layout", method=name, view=view).mean for name in drawn]
        assert ends == pytest.approx([1, -1])
    kept = report.interval("parts_kept", method="truth", view=TOLD)
    assert (kept.mean, kept.count) == (1, 2)
    assert report.interval("parts_kept", method="truth", view=NOT_TOLD).count == 0


def test_each_way_to_ask_tells_the_model_something_else(model, trial):
    methods = encoder_methods(open_guided(str(model)))
    other = list(picture_trials(2, size=(96, 96)))[1].reference
    made = {
        (name, told): methods[name](trial, other, told)
        for name in (WITHOUT, WITH, OF_ANOTHER)
        for told in (True, False)
    }
    assert len({picture.tobytes() for picture in made.values()}) == 6
    again = methods[WITH](trial, trial.reference, True)
    assert np.array_equal(made[WITH, True], again)
    misled = methods[OF_ANOTHER](trial, trial.reference, True)
    assert np.array_equal(made[WITH, True], misled)


def test_of_the_reference_nothing_but_the_encoder_is_seen(model, trial):
    methods = encoder_methods(open_guided(str(model)), beta=0.0)
    other = list(picture_trials(2, size=(96, 96)))[1].reference
    plain = methods[WITHOUT](trial, other, True)
    assert np.array_equal(methods[WITH](trial, other, True), plain)
    assert np.array_equal(methods[OF_ANOTHER](trial, other, True), plain)


def test_m1_a_model_without_a_guide_for_depth_needs_one_named(tiny_model, model):
    with pytest.raises(ModelError, match=r"M1.*--depth-controlnet"):
        open_guided(str(tiny_model))
    assert open_guided(str(tiny_model), str(model / "depth_controlnet")).controlnet is None


def test_the_command_keeps_a_sheet_and_prints_both_rows(model, tmp_path, capsys):
    words = ["evaluate", "encoder", str(model), "--clips", "1", "--progress", "none"]
    assert run(toolbox_parser(), [*words, "-o", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0] for line in lines[1:11]] == [TOLD] * 5 + [NOT_TOLD] * 5
    assert lines[12].count(f"against {OF_ANOTHER}") == 2
    assert (tmp_path / "sheet.png").is_file()
    rows = json.loads((tmp_path / "results.json").read_text())["rows"]
    assert {"layout", "part_colour", "parts_kept"} <= {row["measure"] for row in rows}
