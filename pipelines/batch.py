"""Render many clips unattended: workers here or on a cluster, every clip done exactly once.

The run that holds the folder of the batch gives clips to workers and notes how they end. A worker
that dies or hangs costs its clip a try; a clip that fails lets the others go on.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dtvideo.errors import ResourceError, UsageError
from dtvideo.files import check_input
from dtvideo.lease import hold_lease, is_held
from pipelines.batch_folder import LEASE, STORE, batch_folder, take_folder
from pipelines.batch_pool import (
    LocalPool,
    Place,
    PlaceLostError,
    Pool,
    Serve,
    log_of,
    visible_devices,
)
from pipelines.batch_ray import check_ray, open_ray_pool
from pipelines.batch_worker import serve
from pipelines.job_store import STATES, ClipRecord, JobStore
from pipelines.manifest import BATCH_THREADS, ClipJob

MAXIMUM_TRIES = 3
RETRIED = 7  # exit code: the machine could not, another time it may
WORKER_LOST = 7
STALL_SECONDS = 1800.0
POLL_SECONDS = 0.5
GRACE_SECONDS = 20.0
WAS_THERE = "was there, whole"

Tell = Callable[[ClipRecord], None]


@dataclass(frozen=True)
class BatchSettings:
    """How a batch is run.

    workers: how many render at the same time; when None one for each GPU, one without any.
    stall_seconds: a worker that tells nothing for so long is ended; retry_seconds: the wait before
    a second try, doubled for a third. ray: the address of a Ray cluster, `local` for one that is
    started here; none when None.
    Raises: UsageError M11 for a value out of its range, M1 or B4 when Ray is not to be had.
    """

    workers: int | None = None
    stall_seconds: float = STALL_SECONDS
    retry_seconds: float = 2.0
    ray: str | None = None

    def __post_init__(self) -> None:
        if self.workers is not None and not 1 <= self.workers <= 256:
            problem = f"{self.workers} is out of range"
            raise UsageError("M11", "--workers", problem, "give a value from 1 to 256")
        if not 1 <= self.stall_seconds <= 86400:
            problem = f"{self.stall_seconds} is out of range"
            raise UsageError("M11", "--stall", problem, "give seconds from 1 to 86400")
        if self.ray is not None:
            check_ray(self.ray)


def is_at_work(manifest: Path) -> bool:
    """Tell whether a run of a batch is under way."""
    return is_held(batch_folder(manifest) / LEASE)


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

    Raises: UsageError M11 when it has not, MediaError V1 when there is no such manifest.
    """
    if not (batch_folder(manifest) / STORE).exists():
        check_input(manifest)
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
    tell_start: Tell = lambda record: None,
    begin: Callable[[Pool], None] = lambda pool: None,
    worker: Serve = serve,
) -> list[ClipRecord]:
    """Render every clip that waits, and return what became of all of them.

    states, names: clips in these states wait again, all of them or those named, and then only those
    named are rendered. Results that are there, whole and made by the same recipe, are not made
    again. tell, tell_start: hear of each clip as it ends and as it is begun; begin: hears what will
    render them. worker: what each process runs, as `serve`.
    Raises: OutputError F5 when another run holds the batch; UsageError M11 for an unknown name;
    ResourceError B4 when no Ray cluster is there or it cannot run a worker.
    """
    folder = batch_folder(manifest)
    with ExitStack() as stack:
        stack.enter_context(hold_lease(folder / LEASE))
        take_folder(folder, manifest)
        store = stack.enter_context(open_store(manifest))
        store.take((clip.name, str(clip.job.target)) for clip in clips)
        for name in names:
            store.get(name)
        store.reset(states, names)
        with _open_pool(settings, clips, worker, folder) as pool:
            begin(pool)
            by_name = {clip.name: clip for clip in clips}
            run = _Run(store, by_name, settings, folder, tell, pool, tell_start=tell_start)
            run.only = frozenset(names)
            try:
                run.until_done()
            finally:
                run.stop()
        return store.records()


@contextmanager
def _open_pool(
    settings: BatchSettings, clips: Sequence[ClipJob], serve: Serve, folder: Path
) -> Iterator[Pool]:
    """Open the places of a run: on this machine, or on a cluster."""
    threads = max((clip.job.threads or BATCH_THREADS for clip in clips), default=BATCH_THREADS)
    if settings.ray is None:
        on_gpu = any(clip.job.device in ("auto", "cuda") for clip in clips)
        devices = visible_devices() if on_gpu else ()
        size = settings.workers or len(devices) or 1
        yield LocalPool(size, serve, threads, folder, devices)
        return
    with open_ray_pool(
        settings.ray, workers=settings.workers, serve=serve, threads=threads, folder=folder
    ) as pool:
        yield pool


@dataclass
class _Worker:
    """A worker and the clip that it renders."""

    number: int
    place: Place
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
    pool: Pool
    workers: list[_Worker] = field(default_factory=list)
    not_before: dict[str, float] = field(default_factory=dict)
    tell_start: Tell = lambda record: None
    only: frozenset[str] = frozenset()
    """Names of the clips that are rendered; all of them when there are none."""

    def until_done(self) -> None:
        """Give out clips until none waits and none runs."""
        while True:
            records = self.store.records()
            waiting = [
                record.name
                for record in records
                if record.state == "waiting" and (not self.only or record.name in self.only)
            ]
            self._end_cancelled(records)
            self._fill(waiting)
            busy = [worker for worker in self.workers if worker.clip]
            if not waiting and not busy:
                return
            places = [worker.place for worker in busy]
            for place in self.pool.wait(places, POLL_SECONDS) if places else ():
                self._hear(next(each for each in busy if each.place is place))
            if not places:
                time.sleep(POLL_SECONDS)
            self._end_stalled()

    def stop(self) -> None:
        """End every worker, then note what waits again; what a clip has of frames is kept.

        Whatever goes wrong with one of them, the others end too.
        """
        with ExitStack() as stack:
            stack.callback(self.workers.clear)
            for worker in self.workers:
                stack.callback(self._let_wait, worker)
            for worker in self.workers:
                stack.callback(worker.place.end, GRACE_SECONDS)
            for worker in self.workers:
                worker.place.ask_to_end()

    def _let_wait(self, worker: _Worker) -> None:
        """Note that the clip of a worker waits; what is left running does when a run begins."""
        if worker.clip:
            with suppress(ResourceError):
                self.store.finish(worker.clip, worker.fence, state="waiting")

    def _fill(self, waiting: Sequence[str]) -> None:
        """Give each idle worker a clip whose time has come."""
        now = time.monotonic()
        due = [name for name in waiting if self.not_before.get(name, now) <= now]
        for count, name in enumerate(due):
            worker = self._idle_worker(wanted=len(due) - count)
            if worker is None:
                return
            fence = self.store.claim(name)
            if fence:
                worker.clip, worker.fence = name, fence
                worker.started = worker.heard = time.monotonic()
                worker.place.give(self.clips[name].job.settings())
                self.tell_start(self.store.get(name))

    def _idle_worker(self, *, wanted: int) -> _Worker | None:
        """Return a worker that can take a clip; open one when there may be more of them."""
        self.workers = [worker for worker in self.workers if worker.clip or worker.place.is_alive()]
        idle = [worker for worker in self.workers if not worker.clip]
        ready = next((worker for worker in idle if worker.place.is_ready()), None)
        if ready or len(idle) >= wanted or len(self.workers) == self.pool.size:
            return ready
        taken = {worker.number for worker in self.workers}
        number = next(n for n in range(self.pool.size) if n not in taken)
        self.workers.append(_Worker(number, self.pool.open_place(number)))
        return self.workers[-1] if self.workers[-1].place.is_ready() else None

    def _hear(self, worker: _Worker) -> None:
        """Take what a worker says, or that it is gone."""
        worker.heard = time.monotonic()
        try:
            kind, *details = worker.place.hear()
        except PlaceLostError as lost:
            self._lose(worker, f"died ({lost})")
            return
        if kind == "done":
            self._done(worker, *details)
        elif kind == "failed":
            self._fail(worker, exit_code=details[0], message=details[1])

    def _done(self, worker: _Worker, frames: int, seconds: float, done_before: bool) -> None:
        """Note a result; of one that was there, what making it took stays known."""
        known = self.store.get(worker.clip)
        told: dict[str, Any] = {"frames": frames, "seconds": seconds}
        if done_before:
            told["message"] = WAS_THERE
            if known.exit_code == 0:
                told |= {"seconds": known.seconds, "finished": known.finished}
        self._finish(worker, state="done", exit_code=0, **told)

    def _lose(self, worker: _Worker, how: str) -> None:
        """Take leave of a worker that has ended, and count a try of its clip."""
        log = log_of(self.folder, worker.number)
        message = f"error[B6]: {worker.clip}: the worker {how} · see {log}"
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
        finished: float | None = None,
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
            finished=finished,
        )
        self.tell(self.store.get(name))

    def _end_cancelled(self, records: Sequence[ClipRecord]) -> None:
        cancelled = {record.name: record for record in records if record.state == "cancelled"}
        for worker in [each for each in self.workers if each.clip in cancelled]:
            worker.place.ask_to_end()
            worker.place.end(GRACE_SECONDS)
            self.workers.remove(worker)
            self.tell(cancelled[worker.clip])

    def _end_stalled(self) -> None:
        """End workers that have told nothing for too long, their stacks in the log."""
        deadline = time.monotonic() - self.settings.stall_seconds
        for worker in [each for each in self.workers if each.clip and each.heard < deadline]:
            worker.place.show_stack()
            time.sleep(POLL_SECONDS)
            told = worker.place.end()
            self._lose(
                worker, f"told nothing for {self.settings.stall_seconds:.0f} s, was ended ({told})"
            )


def table(records: Sequence[ClipRecord]) -> str:
    """Return the clips as lines: state, tries, seconds, name, message."""
    width = max((len(record.name) for record in records), default=4)
    counts = {state: sum(record.state == state for record in records) for state in STATES}
    lines = [
        f"{record.state:<9}  {record.tries} {'try  ' if record.tries == 1 else 'tries'}  "
        f"{_seconds(record):>9}  {record.name:<{width}}  {record.message}".rstrip()
        for record in records
    ]
    total = ", ".join(f"{count} {state}" for state, count in counts.items() if count)
    return "\n".join([*lines, total or "no clips"])


def _seconds(record: ClipRecord) -> str:
    """Return what a clip that has ended took."""
    return f"{record.seconds:.1f} s" if record.state in ("done", "failed") else ""
