"""How far a job is, told to a person, a log file or another program.

A job opens one stage after another and advances it; who listens decides the form:

    bar     a bar with an estimate on a terminal, plain lines anywhere else
    json    one JSON object a line
    none    nothing but errors
"""

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from threading import Event, Thread
from typing import Protocol, TextIO, cast, runtime_checkable

from dtvideo.errors import UsageError

PROGRESS_KINDS = ("bar", "json", "none")

Advance = Callable[[], None]


@runtime_checkable
class Stream(Protocol):
    """Where text goes: a terminal, a file, a string."""

    def write(self, text: str, /) -> int: ...

    def flush(self) -> None: ...

    def isatty(self) -> bool: ...


@runtime_checkable
class Progress(Protocol):
    """What a job tells about itself."""

    def stage(self, name: str, total: int | None) -> AbstractContextManager[Advance]:
        """Open a stage of `total` units; the context gives the function that counts one."""

    def notice(self, text: str) -> None:
        """Tell something that the user should know."""


def create_progress(kind: str, stream: Stream | None = None) -> Progress:
    """Return the reporter of that kind, writing to a stream (standard error by default)."""
    check_kind(kind)
    stream = stream or sys.stderr
    if kind == "none":
        return SilentProgress()
    if kind == "json":
        return JsonProgress(stream)
    return BarProgress(stream) if stream.isatty() else LineProgress(stream)


def check_kind(kind: str) -> None:
    """Refuse what is none of PROGRESS_KINDS, with UsageError M11."""
    if kind not in PROGRESS_KINDS:
        remedy = f"give one of {', '.join(PROGRESS_KINDS)}"
        raise UsageError("M11", "--progress", f"{kind!r} is unknown", remedy)


class SilentProgress:
    """Tells nothing."""

    @contextmanager
    def stage(self, name: str, total: int | None) -> Iterator[Advance]:
        """Count without telling."""
        yield lambda: None

    def notice(self, text: str) -> None:
        """Keep quiet; the side-car holds the notices."""


class LineProgress:
    """Plain lines for logs: at the start and end of a stage, and at a steady beat between."""

    def __init__(self, stream: Stream, seconds_between_lines: float = 15.0) -> None:
        self.stream = stream
        self.seconds_between_lines = seconds_between_lines

    @contextmanager
    def stage(self, name: str, total: int | None) -> Iterator[Advance]:
        """Tell the stage line by line, also while one unit takes long."""
        start = time.monotonic()
        count = 0
        stop = Event()

        def advance() -> None:
            nonlocal count
            count += 1

        def beat() -> None:
            while not stop.wait(self.seconds_between_lines):
                self._write(f"{name}: {_so_far(time.monotonic() - start, count, total)}")

        self._write(f"{name}: {total} to do" if total else f"{name} ...")
        teller = Thread(target=beat, daemon=True)
        teller.start()
        try:
            yield advance
        finally:
            stop.set()
            teller.join()
        done = f"{count} done" if count else "done"
        self._write(f"{name}: {done} in {time.monotonic() - start:.1f} s")

    def notice(self, text: str) -> None:
        """Write the notice as a line."""
        self._write(f"note: {text}")

    def _write(self, text: str) -> None:
        print(text, file=self.stream, flush=True)


class JsonProgress:
    """One JSON object a line: stage, done, total, seconds; or notice."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream

    @contextmanager
    def stage(self, name: str, total: int | None) -> Iterator[Advance]:
        """Write an object at the start, after every unit and at the end."""
        start = time.monotonic()
        count = 0

        def write(event: str) -> None:
            seconds = round(time.monotonic() - start, 3)
            self._write(event=event, stage=name, done=count, total=total, seconds=seconds)

        def advance() -> None:
            nonlocal count
            count += 1
            write("progress")

        write("start")
        yield advance
        write("end")

    def notice(self, text: str) -> None:
        """Write the notice as an object."""
        self._write(event="notice", text=text)

    def _write(self, **values: object) -> None:
        print(json.dumps(values), file=self.stream, flush=True)


class BarProgress:
    """A bar with an estimate of the time left, on a terminal."""

    def __init__(self, stream: Stream) -> None:
        from rich.console import Console

        self.console = Console(file=cast(TextIO, stream))

    @contextmanager
    def stage(self, name: str, total: int | None) -> Iterator[Advance]:
        """Draw a bar while the stage lasts."""
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )

        columns = (
            TextColumn("{task.description:<16}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=self.console) as bars:
            task = bars.add_task(name, total=total)
            yield lambda: bars.advance(task)
            bars.update(task, total=bars.tasks[0].completed)

    def notice(self, text: str) -> None:
        """Print the notice above the bar."""
        self.console.print(f"note: {text}", markup=False, highlight=False, soft_wrap=True)


def _so_far(seconds: float, count: int, total: int | None) -> str:
    if not total:
        return f"{count} in {seconds:.0f} s" if count else f"{seconds:.0f} s so far"
    left = f", about {seconds / count * (total - count):.0f} s left" if count else ""
    return f"{count}/{total}{left}"
