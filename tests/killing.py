"""Kill a job at chosen moments and start it again: `killed_at(WHAT, POINTS)`.

It is done in a process of its own, `python -m tests.killing WHAT POINTS`. WHAT is a JSON object,
the settings of a `RenderJob`, or the path of a batch's manifest. POINTS is a JSON list of moments
[victim, count]:

    render   a render ends before its file operation of that number
    worker   the worker of a batch does, and the run that started it goes on
    driver   the run ends at that moment of its worker, and is started again
    states   the run ends before it writes to its data base for the count-th time

Every moment has its own fork and begins without results. The answer is one JSON list a point: the
exit status of each run (9: killed), the hashes of the frames, and the names of what is left.
"""

import json
import multiprocessing
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from shutil import rmtree
from typing import Any

from dtvideo.lease import hold_lease
from pipelines import batch
from pipelines.batch_folder import batch_folder
from pipelines.batch_worker import serve
from pipelines.job import job_from_plain
from pipelines.job_store import JobStore
from pipelines.manifest import load_manifest
from pipelines.render import render

ROOT = Path(__file__).parents[1]
FILE_OPERATIONS = ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "shutil.rmtree")
WRITES = ("BEGIN", "INSERT", "UPDATE", "DELETE", "COMMIT")


def killed_at(what: str, points: Sequence[tuple[str, int]]) -> list[Any]:
    """Return what `main` tells of each point."""
    finished = subprocess.run(
        [sys.executable, "-m", "tests.killing", what, json.dumps(points)],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    return [json.loads(line) for line in finished.stdout.splitlines()]


def die_at(count: int, *, under: Path, victim: Callable[[], int] = os.getpid) -> None:
    """Kill a process, this one by default, just before the `count`th file operation in a folder."""
    left = count

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal left
        if event in FILE_OPERATIONS and str(arguments[0]).startswith(str(under)):
            left -= 1
            if left == 0:
                os.kill(victim(), signal.SIGKILL)

    sys.addaudithook(watch)


def die_writing(count: int) -> None:
    """Kill this process just before the `count`th statement that writes states."""
    left, connect = count, JobStore._open

    def watch(statement: str) -> None:
        nonlocal left
        left -= statement.lstrip().startswith(WRITES)
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def connected(store: JobStore) -> None:
        connect(store)
        connection: sqlite3.Connection = store._connection
        connection.set_trace_callback(watch)

    JobStore._open = connected  # type: ignore[method-assign]


def in_fork(work: Callable[[], object]) -> int:
    """Call a function in a fork and return its exit status; 9 means killed."""
    child = os.fork()
    if child == 0:
        try:
            work()
        except BaseException as error:
            print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)
    return os.waitpid(child, 0)[1]


def run_batch(manifest: Path, victim: str, count: int) -> None:
    """Render a batch with one worker, whose first one ends itself or the run at a moment."""
    marker = manifest.with_suffix(".dying")

    def dying(connection: Any, **options: Any) -> None:
        if victim in ("worker", "driver") and not marker.exists():
            marker.touch()
            whom = os.getppid if victim == "driver" else os.getpid
            die_at(count, under=manifest.parent / "out", victim=whom)
        serve(connection, **options)

    if victim == "states":
        die_writing(count)
    fork = multiprocessing.get_context("fork")
    multiprocessing.get_context = lambda kind=None: fork  # type: ignore[assignment]
    settings = batch.BatchSettings(1, retry_seconds=0.01)
    records = batch.run_batch(
        manifest, load_manifest(manifest), settings, tell=lambda record: None, worker=dying
    )
    assert {record.state for record in records} == {"done"}, records


def killed_batch(manifest: Path, victim: str, count: int) -> tuple[list[int], dict[str, list[str]]]:
    """Kill a batch at a moment, go on, and return exit statuses and frames by result."""
    for folder in (manifest.parent / "out", batch_folder(manifest)):
        rmtree(folder, ignore_errors=True)
    manifest.with_suffix(".dying").unlink(missing_ok=True)
    statuses = [in_fork(lambda: run_batch(manifest, victim, count))]
    with hold_lease(batch_folder(manifest) / "lease.json", waiting=lambda: None):
        pass  # a fork shares the lock of the run that is gone, until it ends as well
    if victim != "worker":
        statuses.append(in_fork(lambda: run_batch(manifest, "nobody", 0)))
    return statuses, frames_under(manifest.parent / "out")


def killed_render(call: dict[str, Any], count: int) -> tuple[list[int], dict[str, list[str]]]:
    """Kill a render at a moment, go on, and return exit statuses and frames."""
    job = job_from_plain(call)
    for path in (job.target, job.beside(".json"), job.beside(".sheet.png")):
        path.unlink(missing_ok=True)

    def killed() -> None:
        die_at(count, under=job.target.parent)
        render(job)

    statuses = [in_fork(killed), in_fork(lambda: render(job))]
    return statuses, frames_under(job.target.parent)


def frames_under(folder: Path) -> dict[str, list[str]]:
    """Return the hashes that each side-car in a folder tells, and the names of all files."""
    told: dict[str, list[str]] = {
        str(path.relative_to(folder)): json.loads(path.read_text())["frames"]["sha256_of_rgb"]
        for path in sorted(folder.rglob("*.json"))
    }
    return {**told, "files": sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))}


def main(what: str, points: str) -> None:
    """Kill, go on and tell, point by point."""
    for victim, count in json.loads(points):
        if victim == "render":
            found = killed_render(json.loads(what), count)
        else:
            found = killed_batch(Path(what), victim, count)
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
