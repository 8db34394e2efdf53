"""How `dtvideo batch run` ends: 0 when all is done, 6 for failures, 130 and 143 when it was cut."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.batch import BatchSettings, open_batch, open_store, run_batch
from tests.batch_workers import act
from tests.manifests import fill

ROOT = Path(__file__).parents[2]
MANIFEST = """
characters: {hero: {reference: hero.png}}
clips:
  one: {driver: dance.mp4, prompt: %s}
  two: {driver: dance.mp4, prompt: fine}
"""
PROGRAM = """
import sys
from functools import partial

import cli
from pipelines import batch
from tests.batch_workers import act

if __name__ == "__main__":
    batch.run_batch = partial(batch.run_batch, worker=act)
    cli.main(["batch", "run", sys.argv[1], "--workers", "2"])
"""


@pytest.fixture
def batch(tmp_path):
    """Write the manifest of two clips; the first one's prompt says how its worker acts."""
    folder = fill(tmp_path / "batch")

    def write(prompt):
        (folder / "out" / "hero").mkdir(parents=True)
        manifest = folder / "batch.yaml"
        manifest.write_text(MANIFEST % prompt)
        return manifest

    return write


def cancel(manifest, name):
    with open_store(manifest) as store:
        store.take([(clip, f"{clip}.mp4") for clip in ("hero/one", "hero/two")])
        assert store.cancel([name]) == [name]


@pytest.mark.parametrize(("prompt", "code"), [("fine", 0), ("bad", 6)])
def test_a_batch_ends_with_6_when_clips_failed(batch, run_batch_tool, prompt, code):
    manifest = batch(prompt)
    assert run_batch_tool("run", manifest)[0] == code
    assert run_batch_tool("status", manifest)[0] == code


def test_b7_how_many_work_and_how_long_one_may_be_silent_are_the_user_s_to_say(
    batch, run_batch_tool, monkeypatch
):
    asked = []

    def listening(manifest, clips, settings, **options):
        asked.append(settings)
        return run_batch(manifest, clips, settings, worker=act, **options)

    monkeypatch.setattr("pipelines.batch.run_batch", listening)
    run_batch_tool("run", batch("fine"), "--workers", "3", "--stall", "77")
    assert asked == [BatchSettings(3, 77.0)]


def test_b9_clips_are_cancelled_by_name_or_all_and_none_where_a_name_is_wrong(
    batch, run_batch_tool
):
    manifest = batch("fine")
    with open_store(manifest) as store:
        store.take([(name, f"{name}.mp4") for name in ("hero/one", "hero/two")])
    code, told = run_batch_tool("cancel", manifest, "hero/one", "hero/zebra")
    assert (code, told.out) == (2, "")
    assert "hero/zebra: is no clip of this batch" in told.err
    code, told = run_batch_tool("cancel", manifest, "hero/one")
    assert (code, told.out) == (0, "hero/one\n")
    assert run_batch_tool("cancel", manifest)[1].out == "hero/two\n"
    assert run_batch_tool("run", manifest)[0] == 130


def test_b9_that_there_is_nothing_to_cancel_is_told(batch, run_batch_tool):
    manifest = batch("fine")
    run_batch_tool("run", manifest)
    told = "hero/two is done: there is nothing to cancel\n"
    assert run_batch_tool("cancel", manifest, "hero/two") == (0, ("", told))
    assert run_batch_tool("cancel", manifest) == (0, ("", "no clip waits or runs\n"))


@pytest.mark.parametrize("what", ["status", "cancel", "report"])
def test_a_manifest_that_is_not_there_is_told(tmp_path, run_batch_tool, what):
    code, told = run_batch_tool(what, tmp_path / "none.yaml")
    assert (code, told.out) == (3, "")
    assert told.err.startswith(f"error[V1]: {tmp_path}/none.yaml: no such file")


def test_b9_a_batch_with_cancelled_clips_ends_as_interrupted_until_they_are_retried(
    batch, run_batch_tool
):
    manifest = batch("fine")
    cancel(manifest, "hero/one")
    code, told = run_batch_tool("run", manifest)
    assert code == 130
    assert "cancelled, until `dtvideo batch retry`: hero/one" in told.err
    assert run_batch_tool("retry", manifest)[0] == 0


def test_failures_count_more_than_cancelled_clips(batch, run_batch_tool):
    manifest = batch("bad")
    cancel(manifest, "hero/two")
    assert run_batch_tool("run", manifest)[0] == 6


@pytest.mark.parametrize(("by", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_f2_a_batch_that_is_interrupted_says_so_and_its_clips_wait_again(batch, tmp_path, by, code):
    manifest = batch("hangs")
    script = tmp_path / "program.py"
    script.write_text(PROGRAM)
    with subprocess.Popen(
        [sys.executable, str(script), str(manifest)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout.readline().endswith("two.mp4\n")
        process.send_signal(by)
        told = process.communicate(timeout=60)[1]
    assert process.returncode == code
    assert ("the same command goes on" in told) == (by == signal.SIGINT)
    with open_batch(manifest) as store:
        assert {record.name: record.state for record in store.records()} == {
            "hero/one": "waiting",
            "hero/two": "done",
        }
