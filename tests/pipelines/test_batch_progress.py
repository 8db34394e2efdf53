"""What `dtvideo batch --progress` tells a program: one object a line, each clip by its events."""

import json

import pytest

from tests.manifests import fill

MANIFEST = "characters: {hero: {reference: hero.png}}\nclips:\n"


@pytest.fixture
def manifest(tmp_path):
    folder = fill(tmp_path / "batch")
    (folder / "out" / "hero").mkdir(parents=True)
    clips = [f"  {how.split()[0]}: {{driver: dance.mp4, prompt: {how}}}" for how in ("fine", "bad")]
    path = folder / "batch.yaml"
    path.write_text(
        MANIFEST + "\n".join([*clips, "  once: {driver: dance.mp4, prompt: dies once}"])
    )
    return path


def events(told):
    return [json.loads(line) for line in told.err.splitlines()]


def test_every_clip_is_told_as_it_begins_and_ends(manifest, run_batch_tool):
    code, told = run_batch_tool("run", manifest, "--workers", "1", "--progress", "json")
    found = events(told)
    assert code == 6
    clips = [each for each in found if each["event"] == "clip"]
    assert [(each["name"], each["state"], each["tries"], each["done"]) for each in clips] == [
        ("hero/fine", "running", 1, 0),
        ("hero/fine", "done", 1, 1),
        ("hero/bad", "running", 1, 1),
        ("hero/bad", "failed", 1, 2),
        ("hero/once", "running", 1, 2),
        ("hero/once", "running", 2, 2),
        ("hero/once", "done", 2, 3),
    ]
    assert {each["total"] for each in clips} == {3}
    assert {(each["code"], each["message"]) for each in clips if each["state"] == "running"} == {
        (None, "")
    }
    failed = clips[3]
    assert (failed["code"], failed["exit_code"]) == ("V2", 3)
    assert failed["message"] == "error[V2]: clip: is no video"
    assert clips[1]["output"] == str(manifest.parent / "out" / "hero" / "fine.mp4")
    assert (clips[1]["code"], clips[1]["exit_code"], clips[0]["exit_code"]) == (None, 0, None)
    assert [each["left_seconds"] is None for each in clips] == [True, *[False] * 6]
    assert clips[-1]["left_seconds"] == 0


def test_the_last_line_counts_how_the_clips_ended(manifest, run_batch_tool):
    code, told = run_batch_tool("run", manifest, "--progress", "json")
    last = events(told)[-1]
    assert last.pop("text").startswith("1 of 3 clips failed:\nerror[V2]: clip: is no video\n")
    counts = {"waiting": 0, "running": 0, "done": 2, "failed": 1, "cancelled": 0}
    assert last == {"event": "batch", "exit_code": code, **counts}
    assert [each["event"] for each in events(run_batch_tool("status", manifest)[1])] == []


def test_check_and_a_retry_of_nothing_tell_a_program(manifest, run_batch_tool):
    _, told = run_batch_tool("check", manifest, "--progress", "json")
    assert events(told) == [{"event": "notice", "text": "3 clips"}]
    manifest.write_text(manifest.read_text().replace("bad}", "fine}"))
    run_batch_tool("run", manifest)
    code, told = run_batch_tool("retry", manifest, "--progress", "json")
    assert (code, events(told)[0]["text"]) == (0, "no clip failed or was cancelled")
    manifest.write_text("settings: {sed: 1}\n")
    code, told = run_batch_tool("run", manifest, "--progress", "json")
    assert (code, events(told)[-1]["event"]) == (2, "error")


def test_with_none_only_what_failed_is_told(manifest, run_batch_tool):
    code, told = run_batch_tool("run", manifest, "--progress", "none")
    assert code == 6
    assert told.err.startswith("1 of 3 clips failed:\n")
    assert len(told.out.splitlines()) == 2


def test_another_kind_of_progress_is_refused_before_anything_starts(manifest, run_batch_tool):
    code, told = run_batch_tool("run", manifest, "--progress", "loud")
    assert (code, told.out) == (2, "")
    assert told.err.startswith("error[M11]: --progress: 'loud' is unknown")
