"""Render many clips unattended: one process for each worker, every clip done exactly once.

The run that holds the batch's folder, `<manifest>.batch/`, gives clips to workers and notes how
they end. A worker that dies or hangs costs its clip a try; a clip that fails lets the others go on.
"""

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path

from dtvideo.errors import UsageError
from dtvideo.lease import hold_lease
from pipelines.batch_worker import serve
from pipelines.job_store import STATES, ClipRecord, JobStore
from pipelines.manifest import BATCH_THREADS, ClipJob

STORE = "jobs.sqlite"
MAXIMUM_TRIES = 3
RETRIED = 7  # exit code: the machine could not, another time it may
WORKER_LOST = 7
STALL_SECONDS = 1800.0
POLL_SECONDS = 0.5
GRACE_SECONDS = 20.0

Tell = Callable[[ClipRecord], None]


@dataclass(frozen=True)
class BatchSettings:
    """How a batch is run.

    workers: processes that render at the same time; stall_seconds: a worker that tells nothing
    for so long is ended; retry_seconds: the wait before a second try, doubled for a third.
    Raises: UsageError M11 for a value out of its range.
    """

    workers: int = 1
    stall_seconds: float = STALL_SECONDS
    retry_seconds: float = 2.0

    def __post_init__(self) -> None:
        if not 1 <= self.workers <= 256:
            problem = f"{self.workers} is out of range"
            raise UsageError("M11", "--workers", problem, "give a value from 1 to 256")
        if not 1 <= self.stall_seconds <= 86400:
            problem = f"{self.stall_seconds} is out of range"
            raise UsageError("M11", "--stall", problem, "give seconds from 1 to 86400")


def batch_folder(manifest: Path) -> Path:
    """Return where a batch keeps its states, logs and report."""
    return manifest.with_name(f"{manifest.stem}.batch")


@contextmanager
def open_store(manifest: Path) -> Iterator[JobStore]:
    """Open the states of a batch."""
    store = JobStore(batch_folder(manifest) / STORE)
    try:
        yield store
    finally:
        store.close()


@contextmanager
def open_batch(manifest: Path) -> Iterator[JobStore]:
    """Open the states of a batch that has been run.

    Raises: UsageError M11 when it has not.
    """
    if not (batch_folder(manifest) / STORE).exists():
        raise UsageError("M11", manifest, "has not been run", f"dtvideo batch run {manifest}")
    with open_store(manifest) as store:
        yield store


def run_batch(
    manifest: Path,
    clips: Sequence[ClipJob],
    settings: BatchSettings,
    *,
    states: Sequence[str] = ("done", "failed"),
    names: Sequence[str] = (),
    tell: Tell,
    worker: Callable[..., None] = serve,
) -> list[ClipRecord]:
    """Render every clip that waits, and return what became of all of them.

    states, names: clips in these states wait again, all of them or those named. Results that are
    there, whole and made by the same recipe, are not made again. tell: hears of each clip as it
    ends. worker: what each process runs, as `serve`.
    Raises: OutputError F5 when another run holds the batch; UsageError M11 for an unknown name.
    """
    folder = batch_folder(manifest)
    with hold_lease(folder / "lease.json"), open_store(manifest) as store:
        store.take((clip.name, str(clip.job.target)) for clip in clips)
        for name in names:
            store.get(name)
        store.reset(states, names)
        with ExitStack() as stack:
            run = _Run(store, {clip.name: clip for clip in clips}, settings, folder, tell, worker)
            stack.callback(run.stop)
            run.until_done()
        return store.records()


@dataclass
class _Worker:
    """A worker process and the clip that it renders."""

    number: int
    process: BaseProcess
    connection: Connection
    clip: str = ""
    fence: int = 0
    started: float = 0.0
    heard: float = 0.0


@dataclass
class _Run:
    """One run of a batch, from its first clip to its last."""

    store: JobStore
    clips: dict[str, ClipJob]
    settings: BatchSettings
    folder: Path
    tell: Tell
    serve: Callable[..., None]
    workers: list[_Worker] = field(default_factory=list)
    not_before: dict[str, float] = field(default_factory=dict)

    def until_done(self) -> None:
        """Give out clips until none waits and none runs."""
        while True:
            records = self.store.records()
            waiting = [record.name for record in records if record.state == "waiting"]
            self._end_cancelled(records)
            self._fill(waiting)
            busy = [worker for worker in self.workers if worker.clip]
            if not waiting and not busy:
                return
            channels = [worker.connection for worker in busy]
            for connection in wait(channels, POLL_SECONDS) if channels else ():
                self._hear(next(each for each in busy if each.connection is connection))
            if not channels:
                time.sleep(POLL_SECONDS)
            self._end_stalled()

    def stop(self) -> None:
        """End every worker; what each has finished of its clip is kept."""
        for worker in self.workers:
            if worker.clip:
                self.store.finish(worker.clip, worker.fence, state="waiting")
            worker.connection.close()
            worker.process.terminate()
        for worker in self.workers:
            worker.process.join(GRACE_SECONDS)
            worker.process.kill()
            worker.process.join()
        self.workers.clear()

    def _fill(self, waiting: Sequence[str]) -> None:
        """Give each idle worker a clip whose time has come."""
        now = time.monotonic()
        for name in waiting:
            if self.not_before.get(name, now) > now:
                continue
            worker = self._idle_worker()
            if worker is None:
                return
            fence = self.store.claim(name)
            if fence:
                worker.clip, worker.fence = name, fence
                worker.started = worker.heard = time.monotonic()
                with suppress(BrokenPipeError):  # it has just died; the next look finds that
                    worker.connection.send(self.clips[name].job.settings())

    def _idle_worker(self) -> _Worker | None:
        for worker in self.workers:
            if not worker.clip and worker.process.is_alive():
                return worker
        self.workers = [worker for worker in self.workers if worker.process.is_alive()]
        if len(self.workers) == self.settings.workers:
            return None
        taken = {worker.number for worker in self.workers}
        number = next(n for n in range(self.settings.workers) if n not in taken)
        self.workers.append(self._start(number))
        return self.workers[-1]

    def _start(self, number: int) -> _Worker:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(
            target=self.serve,
            args=(theirs,),
            kwargs={
                "threads": BATCH_THREADS,
                "log": self.folder / f"worker-{number}.log",
                "device": number if self.settings.workers > 1 and has_device(number) else None,
            },
        )
        process.start()
        theirs.close()
        return _Worker(number, process, ours)

    def _hear(self, worker: _Worker) -> None:
        """Take what a worker says, or that it is gone."""
        worker.heard = time.monotonic()
        try:
            kind, *details = worker.connection.recv()
        except (EOFError, OSError):
            self._lose(worker, "died")
            return
        if kind == "done":
            frames, seconds, _ = details
            self._finish(worker, state="done", exit_code=0, frames=frames, seconds=seconds)
        elif kind == "failed":
            self._fail(worker, exit_code=details[0], message=details[1])

    def _lose(self, worker: _Worker, how: str) -> None:
        """Take leave of a worker that died or was ended, and count a try of its clip."""
        worker.process.kill()
        worker.process.join()
        worker.connection.close()
        code = worker.process.exitcode
        log = self.folder / f"worker-{worker.number}.log"
        message = f"error[B6]: {worker.clip}: the worker {how} (exit {code}) · see {log}"
        self.workers.remove(worker)
        self._fail(worker, exit_code=WORKER_LOST, message=message)

    def _fail(self, worker: _Worker, *, exit_code: int, message: str) -> None:
        record = self.store.get(worker.clip)
        if exit_code == RETRIED and record.tries < MAXIMUM_TRIES and record.state == "running":
            pause = self.settings.retry_seconds * 2 ** (record.tries - 1)
            self.not_before[worker.clip] = time.monotonic() + pause
            self.store.finish(worker.clip, worker.fence, state="waiting", message=message)
            worker.clip = ""
            return
        self._finish(worker, state="failed", exit_code=exit_code, message=message)

    def _finish(
        self,
        worker: _Worker,
        *,
        state: str,
        exit_code: int,
        message: str = "",
        frames: int = 0,
        seconds: float = 0.0,
    ) -> None:
        name, worker.clip = worker.clip, ""
        self.store.finish(
            name,
            worker.fence,
            state=state,
            exit_code=exit_code,
            message=message,
            frames=frames,
            seconds=seconds or time.monotonic() - worker.started,
        )
        self.tell(self.store.get(name))

    def _end_cancelled(self, records: Sequence[ClipRecord]) -> None:
        cancelled = {record.name: record for record in records if record.state == "cancelled"}
        for worker in [each for each in self.workers if each.clip in cancelled]:
            worker.process.terminate()
            worker.process.join(GRACE_SECONDS)
            worker.process.kill()
            worker.connection.close()
            self.workers.remove(worker)
            self.tell(cancelled[worker.clip])

    def _end_stalled(self) -> None:
        """End workers that have told nothing for too long, their stacks in the log."""
        deadline = time.monotonic() - self.settings.stall_seconds
        for worker in [each for each in self.workers if each.clip and each.heard < deadline]:
            assert worker.process.pid is not None
            with suppress(ProcessLookupError):
                os.kill(worker.process.pid, signal.SIGUSR1)
            time.sleep(POLL_SECONDS)
            self._lose(worker, f"told nothing for {self.settings.stall_seconds:.0f} s, was ended")


def has_device(number: int) -> bool:
    """Tell whether there is a GPU of that number for a worker of its own."""
    return Path(f"/dev/nvidia{number}").exists()


def table(records: Sequence[ClipRecord]) -> str:
    """Return the clips as lines: state, tries, seconds, name, message."""
    width = max((len(record.name) for record in records), default=4)
    counts = {state: sum(record.state == state for record in records) for state in STATES}
    lines = [
        f"{record.state:<9}  {record.tries} tries  {record.seconds:7.1f} s  "
        f"{record.name:<{width}}  {record.message}".rstrip()
        for record in records
    ]
    total = ", ".join(f"{count} {state}" for state, count in counts.items() if count)
    return "\n".join([*lines, total or "no clips"])
