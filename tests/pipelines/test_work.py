import errno
import json
import os
import random
from dataclasses import replace
from itertools import pairwise

import pytest

from dtvideo import files
from dtvideo.errors import ModelError, OutputError, ResourceError, UsageError
from dtvideo.files import sha256_file
from dtvideo.video import probe
from pipelines.render import render
from pipelines.work import Work
from tests.killing import killed_at
from tests.stopping import stop_at, stopped

OPERATIONS = 115
"""How many file operations under the output folder the render below does."""


@pytest.fixture
def job(job, tmp_path):
    (tmp_path / "out").mkdir()
    return replace(job, output=tmp_path / "out" / "x.mp4")


def frames_kept(job):
    return len(list((job.beside(".work") / "frames").glob("*.png")))


def hashes(job):
    return json.loads(job.beside(".json").read_text())["frames"]["sha256_of_rgb"]


def test_f2_an_interrupted_render_goes_on_at_its_first_missing_frame(job, tmp_path):
    render(replace(job, output=tmp_path / "whole.mp4"))
    stopped(job, 2, KeyboardInterrupt())
    frames = job.beside(".work") / "frames"
    assert sorted(path.name for path in frames.iterdir()) == [
        "000000.png",
        "000001.png",
        "000001.safetensors",
    ]
    with pytest.MonkeyPatch.context() as patch:
        stop_at(patch, 2, AssertionError("only two frames were missing"))
        render(replace(job, resume=True))
    assert hashes(job) == hashes(replace(job, output=tmp_path / "whole.mp4"))
    assert sha256_file(job.target) == sha256_file(tmp_path / "whole.mp4")
    assert sorted(os.listdir(job.target.parent)) == ["x.json", "x.mp4", "x.sheet.png"]


def test_f7_what_an_earlier_run_left_is_kept_until_the_user_decides(job):
    stopped(job, 1, KeyboardInterrupt())
    with pytest.raises(
        OutputError, match=r"x\.work: holds an unfinished render .* --resume"
    ) as found:
        render(job)
    assert found.value.code == "F7"
    render(replace(job, overwrite=True))
    assert probe(job.target).frames == 4


def test_f3_a_disk_that_fills_up_midway_costs_no_frame(job, monkeypatch):
    left = iter(range(8))

    def fill_up(path):
        if next(left, None) is None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(files, "sync_path", fill_up)
    with pytest.raises(ResourceError, match="the disk is full") as caught:
        render(job)
    assert (caught.value.code, caught.value.exit_code) == ("F3", 7)
    frames = job.beside(".work") / "frames"
    names = sorted(path.name for path in frames.iterdir())
    assert names == ["000000.png", "000000.safetensors", "000001.safetensors"]
    assert os.listdir(job.target.parent) == ["x.work"]
    monkeypatch.undo()
    render(replace(job, resume=True))
    frames_told = hashes(job)
    render(replace(job, overwrite=True))
    assert hashes(job) == frames_told


def test_b10_another_recipe_does_not_go_on_with_these_frames(job):
    stopped(job, 1, ResourceError("F3", "x", "the disk is full"))
    with pytest.raises(UsageError, match="was begun differently: seed was 0, is 1 ·") as caught:
        render(replace(job, seed=1, resume=True))
    assert caught.value.code == "B10"
    assert not job.target.exists()
    assert frames_kept(job) == 1
    render(replace(job, seed=1, resume=True, overwrite=True))
    assert probe(job.target).frames == 4


def test_f7_another_kind_of_result_is_not_taken_for_the_one_that_is_there(job):
    """Both have the side-car x.json."""
    render(job)
    with pytest.raises(OutputError, match="exists"):
        render(replace(job, output=job.target.with_suffix(".webm"), resume=True))
    assert render(replace(job, resume=True)).done_before


def test_b10_another_version_does_not_go_on_with_these_frames(job):
    stopped(job, 1, KeyboardInterrupt())
    recipe = job.beside(".work") / "recipe.json"
    told = json.loads(recipe.read_text())
    told["packages"]["torch"] = "1.0"
    recipe.write_text(json.dumps(told))
    with pytest.raises(UsageError, match=r"torch was 1\.0, is \d"):
        render(replace(job, resume=True))
    assert frames_kept(job) == 1


def test_b10_a_run_that_is_refused_before_it_goes_on_keeps_the_frames(job, tmp_path):
    stopped(job, 1, KeyboardInterrupt())
    with pytest.raises(ModelError):
        render(replace(job, model=str(tmp_path / "away"), resume=True))
    assert frames_kept(job) == 1
    render(replace(job, resume=True))
    assert probe(job.target).frames == 4


def test_f9_a_damaged_frame_is_rendered_again(job):
    stopped(job, 3, KeyboardInterrupt())
    (job.beside(".work") / "frames" / "000001.png").write_bytes(b"half")
    render(replace(job, resume=True))
    frames = hashes(job)
    render(replace(job, overwrite=True))
    assert hashes(job) == frames


def test_b5_resuming_a_finished_render_renders_nothing(job):
    first = render(replace(job, resume=True))
    before = job.target.stat().st_mtime_ns
    again = render(replace(job, resume=True))
    assert (first.done_before, again.done_before) == (False, True)
    assert (again.paths, again.frames) == (first.paths, first.frames)
    assert job.target.stat().st_mtime_ns == before
    assert not job.beside(".work").exists()


def test_a_result_that_has_changed_or_has_another_recipe_is_not_taken_for_done(job):
    render(job)
    with pytest.raises(OutputError, match="exists already"):
        render(replace(job, seed=3, resume=True))
    job.target.write_bytes(b"something else")
    with pytest.raises(OutputError, match="exists already"):
        render(replace(job, resume=True))
    assert job.target.read_bytes() == b"something else"


def test_a_pattern_of_frames_goes_on_as_well(job, tmp_path):
    job = replace(job, output=tmp_path / "out" / "shot.%04d.png", background="alpha")
    stopped(job, 2, KeyboardInterrupt())
    render(replace(job, resume=True))
    names = [f"shot.{index:04d}.png" for index in range(4)]
    assert sorted(os.listdir(tmp_path / "out")) == [*names, "shot.json", "shot.sheet.png"]


def check_kill_points(job, counts):
    call = json.dumps(replace(job, resume=True, threads=1).settings())
    points = [("render", count) for count in counts]
    (statuses, truth), *found = killed_at(call, [("render", 10**6), *points])
    assert statuses == [0, 0]
    assert list(zip(points, found, strict=True)) == [(point, [[9, 0], truth]) for point in points]


def test_f1_a_render_killed_at_any_moment_ends_with_the_same_frames(job):
    chosen = random.Random(4)
    edges = [1 + OPERATIONS * part // 3 for part in range(4)]
    check_kill_points(job, [chosen.randrange(a, b) for a, b in pairwise(edges)])


@pytest.mark.slow
def test_f1_a_render_killed_at_any_of_fifty_moments_ends_with_the_same_frames(job):
    check_kill_points(job, sorted(random.Random(5).sample(range(1, OPERATIONS), 50)))


def test_f7_a_result_of_another_kind_is_not_replaced_by_a_run_that_stopped_while_it_published(
    job, monkeypatch
):
    other = job.target.with_suffix(".webm")
    other.write_bytes(b"of somebody else")

    def stop(self, pairs):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Work, "publish", stop)
        with pytest.raises(KeyboardInterrupt):
            render(job)
    with pytest.raises(OutputError, match="exists already"):
        render(replace(job, output=other, resume=True))
    assert other.read_bytes() == b"of somebody else"
    render(replace(job, resume=True))
    assert probe(job.target).frames == 4
