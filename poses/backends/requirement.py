"""Import a package that a detector needs, or say in one line how to get it."""

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from poses.errors import DetectorError


def require(module: str, *, detector: str, install: str) -> Any:
    """Import a module of another package.

    Raises: DetectorError M1 with the pip command when it cannot be imported.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return import_module(module)
    except ImportError as error:
        raise DetectorError(
            "M1", detector, f"cannot import {module} ({error})", f"run: pip install {install}"
        ) from error


@contextmanager
def quiet() -> Iterator[None]:
    """Keep what native code writes to standard error, and Python warnings, from the terminal.

    The file descriptor is the process's own, so keep what is inside short.
    """
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
