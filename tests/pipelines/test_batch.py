import argparse
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from threading import Thread

import pytest

from dtvideo.errors import OutputError, ResourceError, UsageError
from dtvideo.lease import hold_lease
from pipelines import batch_pool
from pipelines.batch import (
    BatchSettings,
    open_batch,
    open_store,
    run_batch,
    table,
)
from pipelines.batch_commands import add_batch
from pipelines.batch_folder import batch_folder
from pipelines.batch_pool import LocalPool, visible_devices
from pipelines.batch_report import write_report
from pipelines.job import RenderJob
from pipelines.job_store import JobStore
from pipelines.manifest import ClipJob, load_manifest
from pipelines.render import render
from pipelines.verify import find_faults
from tests.batch_workers import act

ROOT = Path(__file__).parents[2]


@pytest.fixture
def manifest(tmp_path):
    return tmp_path / "batch.yaml"


def clip(manifest, name, prompt=""):
    folder = manifest.parent
    job = RenderJob(
        reference=folder / "hero.png",
        driver=folder / "dance.mp4",
        output=folder / f"{name}.mp4",
        prompt=prompt,
    )
    return ClipJob(name, 1, job)


def run(manifest, clips, **options):
    """Run clips with workers that only act; return states by name, and what was told."""
    told = []
    settings = BatchSettings(
        options.pop("workers", 2),
        options.pop("stall", 30.0),
        retry_seconds=options.pop("retry_seconds", 0.1),
    )
    records = run_batch(
        manifest,
        clips,
        settings,
        tell=lambda record: told.append(record.name),
        worker=act,
        **options,
    )
    return {record.name: record for record in records}, told


def tries(manifest, name):
    return len((manifest.parent / f"{name}.tried").read_text())


def test_every_clip_is_done_once(manifest):
    clips = [clip(manifest, f"c{number}") for number in range(12)]
    records, told = run(manifest, clips)
    assert {record.state for record in records.values()} == {"done"}
    assert sorted(told) == sorted(records)
    assert [tries(manifest, name) for name in records] == [1] * 12
    assert (records["c3"].frames, records["c3"].exit_code) == (4, 0)


def test_a_bad_clip_is_not_tried_again_and_the_others_go_on(manifest):
    clips = [clip(manifest, "a", "bad"), clip(manifest, "b"), clip(manifest, "c")]
    records, _ = run(manifest, clips, workers=1)
    assert [record.state for record in records.values()] == ["failed", "done", "done"]
    assert tries(manifest, "a") == 1
    assert records["a"].exit_code == 3
    assert "is no video" in records["a"].message


@pytest.mark.parametrize(
    ("prompt", "told"),
    [("full", "is full"), ("dies", "error[B6]: a: the worker died (exit -9) · see ")],
)
def test_f3_f4_b6_what_the_machine_did_is_tried_three_times(manifest, prompt, told):
    records, _ = run(manifest, [clip(manifest, "a", prompt), clip(manifest, "b")])
    assert (records["a"].state, records["a"].tries) == ("failed", 3)
    assert records["a"].exit_code == 7
    assert told in records["a"].message
    assert records["b"].state == "done"


def test_f3_b6_each_further_try_waits_twice_as_long_for_the_machine(manifest):
    run(manifest, [clip(manifest, "a", "full")], retry_seconds=0.4)
    times = [float(line) for line in (manifest.parent / "a.times").read_text().split()]
    first, second = (later - earlier for earlier, later in pairwise(times))
    assert first >= 0.4
    assert second >= 0.8


def test_only_the_named_clips_are_rendered_whatever_else_waits(manifest):
    """As `batch retry CLIP` does after a night that was interrupted."""
    clips = [clip(manifest, "a", "bad"), clip(manifest, "b")]
    run(manifest, clips[:1])
    records, told = run(manifest, clips, states=("failed",), names=("a",))
    assert told == ["a"]
    assert (records["a"].state, records["b"].state) == ("failed", "waiting")
    assert not (manifest.parent / "b.tried").exists()


def test_f3_workers_end_where_states_cannot_be_noted_any_more(manifest, monkeypatch):
    monkeypatch.setattr(JobStore, "finish", full)
    with pytest.raises(ResourceError, match="full"):
        run(manifest, [clip(manifest, "a"), clip(manifest, "b")])
    assert multiprocessing.active_children() == []


def full(*arguments, **options):
    raise ResourceError("F3", "jobs.sqlite", "the disk is full", "make room")


def test_b6_a_clip_whose_worker_died_once_is_done_by_the_next(manifest):
    records, _ = run(manifest, [clip(manifest, "a", "dies once")])
    assert (records["a"].state, records["a"].tries) == ("done", 2)


def test_b7_a_worker_that_tells_nothing_is_ended_and_its_stack_kept(manifest):
    clips = [clip(manifest, "a", "hangs"), clip(manifest, "b")]
    start = time.monotonic()
    records, _ = run(manifest, clips, stall=1.0, workers=1)
    assert time.monotonic() - start < 30
    assert (records["a"].state, records["a"].tries, records["a"].exit_code) == ("failed", 3, 7)
    assert "told nothing for 1 s, was ended (exit -9)" in records["a"].message
    assert "in _answer" in (batch_folder(manifest) / "worker-0.log").read_text()
    assert records["b"].state == "done"


def test_b7_a_worker_that_tells_something_may_take_as_long_as_it_likes(manifest):
    """Four seconds in all, half a second between its words."""
    records, _ = run(manifest, [clip(manifest, "a", "beats")], stall=2.5)
    assert (records["a"].state, records["a"].tries) == ("done", 1)


@pytest.mark.parametrize(
    ("named", "nodes", "devices"),
    [
        (None, ["nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm"], ("0", "1")),
        (None, ["nvidia3"], ("0",)),  # the only one that a container was given
        (None, [], ()),
        ("", ["nvidia0"], ()),
        ("2, 0", ["nvidia0"], ("2", "0")),
        ("1,-1,2", [], ("1",)),
        ("GPU-8932f937,MIG-6e7ef5b3", [], ("GPU-8932f937", "MIG-6e7ef5b3")),
        ("NoDevFiles", ["nvidia0"], ()),
    ],
)
def test_the_gpus_are_those_that_cuda_would_see(tmp_path, named, nodes, devices):
    for node in nodes:
        (tmp_path / node).touch()
    environment = {} if named is None else {"CUDA_VISIBLE_DEVICES": named}
    assert visible_devices(environment, tmp_path) == devices


@pytest.mark.parametrize(
    ("device", "workers", "told", "given"),
    [
        ("auto", None, "2 workers on GPUs 5, GPU-ab", ["5", "GPU-ab"]),
        ("auto", 1, "1 worker on GPU 5", ["5"]),
        ("auto", 3, "3 workers on GPUs 5, GPU-ab", ["5", "GPU-ab", "5"]),
        ("cpu", None, "1 worker on the processor, 1 thread each", ["None"]),
    ],
)
def test_each_gpu_has_a_worker_that_sees_no_other(
    manifest, monkeypatch, device, workers, told, given
):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5,GPU-ab")
    clips = [clip(manifest, name) for name in "abcd"]
    clips = [replace(each, job=replace(each.job, device=device)) for each in clips]
    heard = []
    run(manifest, clips, workers=workers, begin=lambda pool: heard.append(str(pool)))
    assert [text.split("; --workers")[0] for text in heard] == [told]
    files = sorted(batch_folder(manifest).glob("worker-*.device"))
    assert [file.read_text() for file in files] == given


def test_more_workers_are_recommended_while_processors_are_idle(tmp_path, monkeypatch):
    monkeypatch.setattr(batch_pool, "processors", lambda: 8)
    assert str(LocalPool(3, act, 2, tmp_path)) == (
        "3 workers on the processor, 2 threads each; --workers up to 4 is of use"
    )
    assert str(LocalPool(4, act, 2, tmp_path)) == "4 workers on the processor, 2 threads each"


def test_a_result_that_was_there_keeps_what_making_it_took(manifest):
    clips = [clip(manifest, "a", "there"), clip(manifest, "b")]
    first, _ = run(manifest, clips)
    again, told = run(manifest, clips)
    assert (first["a"].seconds, first["a"].message) == (0.5, "")
    assert (again["a"].seconds, again["a"].message) == (0.5, "was there, whole")
    assert again["a"].finished == first["a"].finished
    assert again["b"].finished > first["b"].finished
    assert told == ["a", "b"] or told == ["b", "a"]


def test_failed_clips_can_be_tried_again_alone(manifest):
    run(manifest, [clip(manifest, "a", "bad"), clip(manifest, "b")])
    clips = [clip(manifest, "a"), clip(manifest, "b")]
    records, told = run(manifest, clips, states=("failed", "cancelled"))
    assert {record.state for record in records.values()} == {"done"}
    assert told == ["a"]
    assert tries(manifest, "b") == 1


def test_a_name_that_is_unknown_is_refused(manifest):
    with pytest.raises(UsageError, match="zebra: is no clip of this batch"):
        run(manifest, [clip(manifest, "a")], names=("zebra",))


def test_b9_a_cancelled_clip_ends_and_stays_cancelled_until_it_is_retried(manifest):
    clips = [clip(manifest, "a", "hangs"), clip(manifest, "b")]
    told = []

    def cancel(record):
        told.append(record.name)
        with open_batch(manifest) as store:
            store.cancel(["a"])

    start = time.monotonic()
    records = run_batch(manifest, clips, BatchSettings(2), tell=cancel, worker=act)
    assert time.monotonic() - start < 50  # the worker hangs for 60
    assert [record.state for record in records] == ["cancelled", "done"]
    assert sorted(told) == ["a", "b"]
    again, _ = run(manifest, [clip(manifest, "a"), clip(manifest, "b")])
    assert again["a"].state == "cancelled"
    retried, _ = run(manifest, [clip(manifest, "a"), clip(manifest, "b")], states=("cancelled",))
    assert retried["a"].state == "done"


@pytest.mark.slow
def test_b9_a_render_that_is_cancelled_midway_goes_on_from_there_when_retried(real):
    (first, _) = load_manifest(real)
    clips = [replace(first, job=replace(first.job, steps=300))]
    frames = first.job.beside(".work") / "frames"

    def cancel_midway():
        while not (frames / "000001.png").exists():
            time.sleep(0.01)
        with open_batch(real) as store:
            store.cancel()

    watch = Thread(target=cancel_midway)
    watch.start()
    (record,) = run_batch(real, clips, BatchSettings(), tell=lambda _: None)
    watch.join()
    assert record.state == "cancelled"
    assert (frames / "000001.png").exists()
    (record,) = run_batch(real, clips, BatchSettings(), states=("cancelled",), tell=lambda _: None)
    assert record.state == "done"
    alone = render(replace(clips[0].job, output=real.parent / "alone.mp4"))
    expected = json.loads(alone.sidecar.read_text())["frames"]["sha256_of_rgb"]
    assert hashes(real) == {"one": expected}


def test_f5_a_second_run_of_a_batch_is_refused(manifest):
    with hold_lease(batch_folder(manifest) / "lease.json"), pytest.raises(OutputError) as caught:
        run(manifest, [clip(manifest, "a")])
    assert (caught.value.code, caught.value.exit_code) == ("F5", 8)


def test_f8_a_clock_that_jumps_back_changes_nothing(manifest, monkeypatch):
    hours = iter(range(100, 0, -1))
    monkeypatch.setattr("pipelines.job_store.time.time", lambda: 3600.0 * next(hours))
    records, _ = run(manifest, [clip(manifest, name) for name in "abc"], workers=1)
    assert {record.state for record in records.values()} == {"done"}
    assert records["a"].finished > records["c"].finished
    assert "3 done" in write_report(manifest).read_text()


def test_clips_that_left_the_manifest_are_forgotten(manifest):
    run(manifest, [clip(manifest, "a"), clip(manifest, "b")])
    records, _ = run(manifest, [clip(manifest, "b"), clip(manifest, "c")])
    assert list(records) == ["b", "c"]


def test_the_report_shows_failures_and_how_to_go_on(manifest):
    run(manifest, [clip(manifest, "a<b>", "bad"), clip(manifest, "c")])
    text = write_report(manifest).read_text()
    assert "a&lt;b&gt;" in text
    assert "is no video" in text
    assert f"dtvideo batch retry {manifest}" in text
    assert "<svg" in text


def test_the_status_says_when_nothing_goes_on(manifest, capsys):
    parser = argparse.ArgumentParser()
    add_batch(parser)

    def told():
        arguments = parser.parse_args(["status", str(manifest)])
        return arguments.command(arguments), capsys.readouterr()

    with open_store(manifest) as store:
        store.take([("a", "a.mp4"), ("b", "b.mp4")])
        store.claim("a")
    code, streams = told()
    assert code == 0
    assert streams.out.splitlines()[-1] == "1 waiting, 1 running"
    assert streams.err == f"no run is at work · dtvideo batch run {manifest} goes on\n"
    with hold_lease(batch_folder(manifest) / "lease.json"):
        assert told()[1].err == ""
    run(manifest, [clip(manifest, "a")])
    assert told()[1].err == ""


def test_the_table_counts_states(manifest):
    records, _ = run(manifest, [clip(manifest, "a", "bad"), clip(manifest, "c")])
    assert table(list(records.values())).endswith("1 done, 1 failed")


@pytest.mark.parametrize(("workers", "stall"), [(0, 10.0), (300, 10.0), (1, 0.0)])
def test_settings_out_of_range_are_refused(workers, stall):
    with pytest.raises(UsageError, match="out of range"):
        BatchSettings(workers, stall)


def command(*words):
    return [sys.executable, "-c", f"import cli; cli.main({list(map(str, words))!r})"]


def hashes(manifest):
    return {
        path.stem: json.loads(path.read_text())["frames"]["sha256_of_rgb"]
        for path in sorted((manifest.parent / "out" / "hero").glob("*.json"))
    }


def test_a_batch_renders_the_frames_that_animate_renders(real, tmp_path):
    clips = load_manifest(real)[:1]
    (record,) = run_batch(real, clips, BatchSettings(), tell=lambda _: None)
    assert record.state == "done", record.message
    alone = render(replace(clips[0].job, output=tmp_path / "one.mp4"))
    told = json.loads(alone.sidecar.read_text())["frames"]["sha256_of_rgb"]
    assert hashes(real) == {"one": told}
    assert find_faults(clips[0].job.beside(".json")) == []


def test_f2_a_batch_goes_on_when_nobody_reads_its_results(real):
    words = command("batch", "run", real)
    with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        process.stdout.close()
        assert process.wait(300) == 0
    assert sorted(hashes(real)) == ["one", "two"]


@pytest.mark.slow
def test_f1_a_batch_that_is_killed_goes_on_and_ends_as_one_that_was_not(real):
    words = command("batch", "run", real)
    with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline().endswith("one.mp4\n")
        process.send_signal(signal.SIGKILL)
    finished = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    out = real.parent / "out" / "hero"
    assert finished.stdout.split() == [str(out / "one.mp4"), str(out / "two.mp4")]
    names = [f"{clip}{end}" for clip in ("one", "two") for end in (".json", ".mp4", ".sheet.png")]
    assert sorted(os.listdir(out)) == names
    killed = hashes(real)
    again = subprocess.run(
        command(
            "batch", "run", real, "--overwrite", "--workers", "2", "--output", real.parent / "x"
        ),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert again.returncode == 0, again.stderr
    undisturbed = {
        path.stem: json.loads(path.read_text())["frames"]["sha256_of_rgb"]
        for path in (real.parent / "x" / "out" / "hero").glob("*.json")
    }
    assert killed == undisturbed
    assert len({tuple(frames) for frames in killed.values()}) == 2
