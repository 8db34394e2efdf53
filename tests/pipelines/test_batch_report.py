import json

import pytest

from pipelines.batch_report import page, progress_plot, quality_words
from pipelines.job_store import ClipRecord

FINE = {
    "frames": 4,
    "finite": True,
    "blank_frames": [],
    "still_frames": [],
    "identity_delta_e": 3.456,
    "flicker": 7.0,
    "pose": {"detector": "toon", "looks": 4, "pck_0.2": 0.9},
}


def record(name, output, state="done", finished=None, message=""):
    return ClipRecord(name, str(output), state, 1, message=message, finished=finished)


def leave(folder, stem, quality):
    told = {"schema": "dtvideo-sidecar", "schema_version": 1, "quality": quality}
    (folder / f"{stem}.json").write_text(json.dumps(told))
    (folder / f"{stem}.sheet.png").write_bytes(b"x")


@pytest.mark.parametrize(
    ("changes", "words", "doubtful"),
    [
        ({}, "identity 3.46, flicker 7.00, pose 0.90 by toon, 0 blank, 0 still", False),
        ({"pose": None}, "identity 3.46, flicker 7.00, pose -, 0 blank, 0 still", False),
        ({"blank_frames": [2]}, "1 blank", True),
        ({"still_frames": [2, 3]}, "2 still", True),
        ({"pose": {"detector": "toon", "looks": 4, "pck_0.2": 0.3}}, "pose 0.30 by toon", True),
        ({"flicker": None, "identity_delta_e": None}, "identity -, flicker -", False),
    ],
)
def test_figures_are_told_in_a_line_and_doubtful_ones_stand_out(changes, words, doubtful):
    told, found = quality_words({**FINE, **changes})
    assert words in told
    assert found == doubtful


@pytest.mark.parametrize(
    ("output", "stem"), [("a.mp4", "a"), ("shot.%04d.exr", "shot"), ("frames", "frames/hero_dance")]
)
def test_figures_and_sheet_are_found_beside_any_kind_of_result(output, stem, tmp_path):
    (tmp_path / "frames").mkdir()
    leave(tmp_path, stem, FINE)
    text = page(tmp_path / "b.yaml", [record("a", tmp_path / output)])
    assert "pose 0.90 by toon" in text
    assert f"../{stem}.sheet.png" in text


def test_the_plot_shows_every_clip_and_marks_those_that_failed(tmp_path):
    records = [
        record("a", "a.mp4", finished=100.0),
        record("b", "b.mp4", state="failed", finished=110.0),
        record("c", "c.mp4", state="waiting"),
        record("d", "d.mp4", finished=140.0),
    ]
    plot = progress_plot(records)
    assert 'points="0.0,90.0 150.0,60.0 600.0,30.0"' in plot
    assert plot.count("<circle") == 1
    assert 'cx="150.0" cy="60.0"' in plot
    assert "40 s" in plot
    assert progress_plot(records[:1]) == ""


def test_the_command_to_go_on_can_be_pasted(tmp_path):
    text = page(tmp_path / "my batch.yaml", [record("a", "a.mp4", "failed", message="<x>")])
    assert f"dtvideo batch retry &#x27;{tmp_path}/my batch.yaml&#x27;" in text
    assert "&lt;x&gt;" in text
