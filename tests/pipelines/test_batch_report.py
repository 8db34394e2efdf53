import json
from dataclasses import replace
from itertools import compress

import pytest

from pipelines.batch_report import (
    FIGURES,
    by_message,
    figures,
    page,
    progress_plot,
    retry_command,
)
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


def leave(folder, stem, quality, **more):
    told = {"schema": "dtvideo-sidecar", "schema_version": 1, "quality": quality, **more}
    (folder / f"{stem}.json").write_text(json.dumps(told))
    (folder / f"{stem}.sheet.png").write_bytes(b"x")


@pytest.mark.parametrize(
    ("changes", "words", "doubtful"),
    [
        ({}, ("3.46", "7.00", "0.90", "0", "0"), ()),
        ({"pose": None}, ("3.46", "7.00", "-", "0", "0"), ()),
        ({"blank_frames": [2]}, ("3.46", "7.00", "0.90", "1", "0"), ("blank",)),
        ({"still_frames": [2, 3]}, ("3.46", "7.00", "0.90", "0", "2"), ("still",)),
        (
            {"pose": {"detector": "toon", "looks": 4, "pck_0.2": 0.3}},
            ("3.46", "7.00", "0.30", "0", "0"),
            ("pose",),
        ),
        ({"flicker": None, "identity_delta_e": None}, ("-", "-", "0.90", "0", "0"), ()),
    ],
)
def test_figures_stand_in_columns_and_doubtful_ones_stand_out(changes, words, doubtful):
    found = figures({**FINE, **changes})
    assert found.words == words
    assert tuple(compress(FIGURES, found.doubtful)) == doubtful


def test_clips_with_doubtful_figures_are_linked_above_all_others(tmp_path):
    leave(tmp_path, "a", {**FINE, "still_frames": [1]})
    leave(tmp_path, "b", FINE)
    text = page(
        tmp_path / "b.yaml", [record("x/a", tmp_path / "a.mp4"), record("x/b", tmp_path / "b.mp4")]
    )
    assert "<h2>1 to look at</h2>" in text
    assert '<a href="#x%2Fa">x/a</a>' in text
    assert '<tr id="x%2Fa">' in text
    assert text.count('class="number doubtful"') == 1


def test_clips_that_failed_alike_are_told_together(tmp_path):
    lost = "error[B6]: {}: the worker died (exit -9) · see log"
    records = [
        record(name, f"{name}.mp4", "failed", message=message)
        for name, message in (
            ("a", lost.format("a")),
            ("b", "error[V2]: walk.mp4: is empty"),
            ("c", lost.format("c")),
        )
    ]
    assert list(by_message(records).values()) == [["a", "c"], ["b"]]
    there = "error[F7]: {}: exists already"
    taken = [record(name, f"{name}.mp4", message=there.format(f"{name}.mp4")) for name in "ab"]
    assert by_message(taken) == {"error[F7]: exists already": ["a", "b"]}
    text = page(tmp_path / "b.yaml", records)
    assert "3 failed" in text
    assert text.count('class="fault"') == 2
    assert text.count("the worker died") == 1
    assert 'href="../a.mp4"' not in text


def test_the_time_of_a_clip_is_told_stage_by_stage(tmp_path):
    told = {"load model": 1.0, "read motion": 2.0, "read reference": 0.5, "render": 4.0}
    told["write"] = 2.5
    leave(tmp_path, "a", FINE, timings_seconds=told)
    clip = replace(record("a", tmp_path / "a.mp4"), seconds=10.0)
    text = page(tmp_path / "b.yaml", [clip])
    for part in ("model 1.0 s", "reading 2.5 s", "render 4.0 s", "write 2.5 s"):
        assert f'title="{part}"' in text


@pytest.mark.parametrize(
    ("output", "stem"), [("a.mp4", "a"), ("shot.%04d.exr", "shot"), ("frames", "frames/hero_dance")]
)
def test_figures_and_sheet_are_found_beside_any_kind_of_result(output, stem, tmp_path):
    (tmp_path / "frames").mkdir()
    leave(tmp_path, stem, FINE)
    text = page(tmp_path / "b.yaml", [record("a", tmp_path / output)])
    assert '<td class="number">0.90' in text
    assert f"../{stem}.sheet.png" in text


def test_the_plot_shows_every_clip_and_marks_those_that_failed(tmp_path):
    records = [
        record("a", "a.mp4", finished=100.0),
        record("b", "b.mp4", state="failed", finished=110.0),
        record("c", "c.mp4", state="waiting"),
        record("d", "d.mp4", finished=140.0),
    ]
    plot = progress_plot(records)
    assert 'points="0.0,90.0 180.0,60.0 720.0,30.0"' in plot
    assert plot.count("<circle") == 1
    assert 'cx="180.0" cy="60.0"' in plot
    assert "40.0 s" in plot
    assert progress_plot(records[:1]) == ""


def test_the_plot_leaves_out_clips_that_were_interrupted():
    """What was interrupted has a time too, at which it was given back."""
    ended = [record("a", "a.mp4", finished=100.0), record("b", "b.mp4", finished=110.0)]
    stopped = record("c", "c.mp4", state="cancelled", finished=140.0)
    waiting = record("d", "d.mp4", state="waiting", finished=150.0)
    running = record("e", "e.mp4", state="running", finished=160.0)
    plot = progress_plot([*ended, stopped, waiting, running])
    assert 'points="0.0,96.0 180.0,72.0 720.0,48.0"' in plot
    assert progress_plot([ended[0], waiting, running]) == ""


def test_the_command_to_go_on_can_be_pasted(tmp_path):
    text = page(tmp_path / "my batch.yaml", [record("a", "a.mp4", "failed", message="<x>")])
    assert f"dtvideo batch retry &#x27;{tmp_path}/my batch.yaml&#x27;" in text
    command = retry_command(tmp_path / "b.yaml", [], ["--output", "my results"])
    assert command == f"dtvideo batch retry {tmp_path}/b.yaml --output 'my results'"
    assert "&lt;x&gt;" in text


def test_the_command_to_go_on_replaces_results_where_nothing_else_was_wrong(tmp_path):
    there = record("a", "a.mp4", "failed", message="error[F7]: a.mp4: exists already")
    broken = record("b", "b.mp4", "failed", message="error[V1]: b.mov: no such file")
    done = record("c", "c.mp4")
    command = f"dtvideo batch retry {tmp_path}/b.yaml"
    assert retry_command(tmp_path / "b.yaml", [there, done]) == f"{command} --overwrite"
    assert retry_command(tmp_path / "b.yaml", [there, broken]) == command
