"""Import a package that a detector needs, or say in one line how to get it."""

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any

from poses import requirement
from poses.errors import DetectorError

_ONE_AT_A_TIME = Lock()


def require(module: str, *, detector: str, install: str) -> Any:
    """Import a module of another package.

    Raises: DetectorError M1 with the pip command when it cannot be imported.
    """
    return requirement.require(module, subject=detector, install=install, error=DetectorError)


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
