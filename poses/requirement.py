"""Import an optional package, or say in one line how to install it."""

import warnings
from importlib import import_module
from typing import Any

from poses.errors import ExplainedError


def require(module: str, *, subject: str, install: str, error: type[ExplainedError]) -> Any:
    """Import a module of another package.

    subject: what needs it; install: what pip is told.
    Raises: that kind of error, M1, with the pip command when it cannot be imported.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return import_module(module)
    except ImportError as cause:
        problem = f"cannot import {module} ({cause})"
        raise error("M1", subject, problem, f"run: pip install {install}") from cause
