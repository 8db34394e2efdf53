"""A worker of a batch: a process of its own that renders one clip after another.

It is told jobs and tells progress through a pipe, and ends when the process that started it does,
however that ends. Nothing heavy is imported before the thread count is set.
"""

import faulthandler
import multiprocessing
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Thread
from typing import Any

BEAT_SECONDS = 0.5
FEWER = "run fewer workers, or give the clip cache_memory"
TERMINATED = 143
BUG = 1


def serve(connection: Connection, *, threads: int, log: Path, device: str | None) -> None:
    """Render jobs, given as plain settings, until the pipe closes.

    device: the only GPU that this worker sees, by number or name. Answers ("beat", stage) on the
    way and ("done", frames, seconds, done_before) or ("failed", exit_code, message) at the end.
    """
    _end_with_parent()
    os.environ["OMP_NUM_THREADS"] = str(threads)
    if device is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = device
    _log_to(log)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))
    from pipelines.kept import Kept

    kept = Kept()
    while True:
        try:
            settings = connection.recv()
        except EOFError:
            return
        connection.send(_answer(settings, connection, kept))


def _answer(settings: dict[str, Any], connection: Connection, kept: Any) -> tuple[Any, ...]:
    """Render one job and say how it ended."""
    from dtvideo.errors import explained
    from pipelines.job import job_from_plain
    from pipelines.render import render

    try:
        result = render(job_from_plain(settings), PipeProgress(connection), kept=kept)
    except Exception as error:
        if known := explained(error, when_memory_lacks=FEWER):
            return "failed", known.exit_code, str(known)
        traceback.print_exc(file=sys.stderr)
        sys.stderr.flush()
        return "failed", BUG, f"error[X1]: {type(error).__name__}: {error} · a bug; see the log"
    return "done", result.frames, result.seconds, result.done_before


class PipeProgress:
    """Tells the other end of a pipe that the work goes on."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._last = 0.0

    @contextmanager
    def stage(self, name: str, total: int | None) -> Iterator[Callable[[], None]]:
        """Tell the stage, and each unit of it unless they come fast."""
        self.connection.send(("beat", name))

        def advance() -> None:
            now = time.monotonic()
            if now - self._last > BEAT_SECONDS:
                self._last = now
                self.connection.send(("beat", name))

        yield advance

    def notice(self, text: str) -> None:
        """Keep quiet; the side-car holds the notices."""


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(TERMINATED)

    Thread(target=watch, daemon=True).start()


def _log_to(path: Path) -> None:
    """Send what this process and its libraries say to a file; stacks of crashes too."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.close(descriptor)
    faulthandler.enable()
    faulthandler.register(signal.SIGUSR1, all_threads=True)
