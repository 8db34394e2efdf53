"""Keep off the terminal what the packages behind a detector write to it."""

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

_ONE_AT_A_TIME = Lock()


@contextmanager
def quiet() -> Iterator[None]:
    """Keep what native code writes to standard error, and Python warnings, from the terminal.

    The file descriptor is the process's own, so keep what is inside short; threads take turns.
    """
    with _ONE_AT_A_TIME:
        yield from _without_stderr()


def _without_stderr() -> Iterator[None]:
    sys.stderr.flush()
    kept = os.dup(2)
    sink = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(sink, 2)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        os.dup2(kept, 2)
        os.close(sink)
        os.close(kept)


class SharedIgnore:
    """A context that ignores warnings of a message for as long as any thread is inside.

    `warnings.catch_warnings` alone would be undone by the thread that leaves first.
    """

    def __init__(self, message: str) -> None:
        self._message = message
        self._lock = Lock()
        self._inside = 0
        self._kept = warnings.catch_warnings()

    def __enter__(self) -> None:
        with self._lock:
            if self._inside == 0:
                self._kept = warnings.catch_warnings()
                self._kept.__enter__()
                warnings.filterwarnings("ignore", self._message)
            self._inside += 1

    def __exit__(self, *details: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                self._kept.__exit__(None, None, None)
