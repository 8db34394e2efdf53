"""Batches on a Ray cluster: the same frames, the same care for what dies (row B4)."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from dtvideo import __version__
from dtvideo.errors import ResourceError, UsageError
from pipelines import batch_ray
from pipelines.batch import BatchSettings, run_batch
from pipelines.job import RenderJob
from pipelines.manifest import ClipJob, load_manifest
from pipelines.render import render
from tests.batch_workers import act

ROOT = Path(__file__).parents[2]
ENDS_IN = 120


def is_alive(process):
    """Tell whether a process runs; one that only waits to be buried does not."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.fixture
def cluster_folder(monkeypatch):
    """A folder for Ray's own files, by a name that is short enough for its sockets."""
    with tempfile.TemporaryDirectory(prefix="ray", ignore_cleanup_errors=True) as folder:
        monkeypatch.setenv("RAY_TMPDIR", folder)
        yield folder


def test_b4_without_the_package_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setattr(batch_ray, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"ray is not installed · run: pip install") as caught:
        BatchSettings(ray="local")
    assert (caught.value.code, caught.value.exit_code) == ("M1", 2)


def test_b4_an_address_of_ray_client_is_refused():
    with pytest.raises(UsageError, match="an address of Ray Client"):
        BatchSettings(ray="ray://head:10001")


@pytest.mark.parametrize(
    ("resources", "workers", "size", "options"),
    [
        ({"CPU": 8.0, "GPU": 3.0}, None, 3, {"num_gpus": 1, "num_cpus": 1}),
        ({"CPU": 8.0}, None, 1, {"num_cpus": 2}),
        ({"CPU": 8.0, "GPU": 3.0}, 2, 2, {"num_gpus": 1, "num_cpus": 1}),
    ],
)
def test_an_actor_takes_a_gpu_or_the_processors_of_its_threads(
    tmp_path, resources, workers, size, options
):
    pool = batch_ray.pool_of(resources, workers=workers, serve=act, threads=2, folder=tmp_path)
    assert (pool.size, pool.options) == (size, options)


def test_a_cluster_without_room_for_one_worker_is_refused(tmp_path):
    with pytest.raises(ResourceError, match="has 1 processors · a worker takes 2") as caught:
        batch_ray.pool_of({"CPU": 1.0}, workers=1, serve=act, threads=2, folder=tmp_path)
    assert caught.value.code == "B4"


@pytest.mark.parametrize("address", ["127.0.0.1:1", "127.0.0.1:99999", "[::1]:1"])
def test_b4_an_address_where_nobody_listens_is_told_at_once(tmp_path, address):
    """Ray itself would knock for minutes."""
    start = time.monotonic()
    settings = BatchSettings(1, ray=address)
    with pytest.raises(ResourceError, match="no cluster at ") as caught:
        run_batch(tmp_path / "b.yaml", [], settings, tell=lambda _: None, worker=act)
    assert (caught.value.code, caught.value.exit_code) == ("B4", 7)
    assert time.monotonic() - start < 20


@pytest.mark.parametrize(
    ("version", "held", "told"),
    [
        ("0.0.1", True, r"is installed, the run has 0\.0\.1"),
        (__version__, False, "is not the one that the run writes to"),
    ],
)
def test_b4_a_node_with_another_version_or_another_folder_renders_nothing(
    tmp_path, version, held, told
):
    if held:
        (tmp_path / "lease.json").touch()
    with pytest.raises(RuntimeError, match=told):
        batch_ray.ClipActor(act, threads=1, log=tmp_path / "worker-0.log", version=version)


@pytest.mark.slow
def test_b4_a_run_under_ray_that_is_killed_takes_its_workers_along_and_goes_on(
    real, tmp_path, cluster_folder
):
    words = ["batch", "run", str(real), "--ray", "local", "--workers", "1"]
    call = [sys.executable, "-c", f"import cli; cli.main({words!r})"]
    with subprocess.Popen(call, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline().endswith("one.mp4\n")
        started = psutil.Process(process.pid).children(recursive=True)
        assert any("spawn_main" in " ".join(each.cmdline()) for each in started)
        process.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + ENDS_IN
    while alive := [each for each in started if is_alive(each)]:
        assert time.monotonic() < deadline, alive
        time.sleep(0.2)
    finished = subprocess.run(call, cwd=ROOT, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    for clip in load_manifest(real):
        alone = render(replace(clip.job, output=tmp_path / "alone" / clip.job.target.name))
        told = json.loads(clip.job.beside(".json").read_text())
        again = json.loads(alone.sidecar.read_text())
        assert told["frames"] == again["frames"]
        assert told["environment"] == again["environment"]
    assert sorted(os.listdir(real.parent / "out" / "hero")) == [
        f"{clip}{end}" for clip in ("one", "two") for end in (".json", ".mp4", ".sheet.png")
    ]


@pytest.mark.filterwarnings("ignore")
def test_b4_what_dies_under_ray_costs_its_clip_a_try(tmp_path, cluster_folder):
    clips = [
        ClipJob(
            name,
            1,
            RenderJob(
                reference=tmp_path / "hero.png",
                driver=tmp_path / "dance.mp4",
                output=tmp_path / f"{name}.mp4",
                prompt=prompt,
            ),
        )
        for name, prompt in (("a", "dies once"), ("b", ""), ("c", "bad"))
    ]
    settings = BatchSettings(1, 200.0, retry_seconds=0.1, ray="local")
    records = run_batch(tmp_path / "b.yaml", clips, settings, tell=lambda _: None, worker=act)
    assert [(record.state, record.tries) for record in records] == [
        ("done", 2),
        ("done", 1),
        ("failed", 1),
    ]
