"""Where the clips of a batch are rendered: places that take one clip after another.

Here a place is a process of this machine; `pipelines.batch_ray` has places on a cluster.
"""

import multiprocessing
import os
import signal
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

Serve = Callable[..., None]


class PlaceLostError(Exception):
    """A place that has ended on its own; the text says how."""


@runtime_checkable
class Place(Protocol):
    """Renders one clip after another and tells how it goes."""

    def is_ready(self) -> bool:
        """Whether a clip can be given to it."""

    def is_alive(self) -> bool:
        """Whether it has not ended."""

    def give(self, settings: dict[str, object]) -> None:
        """Let it render a clip, told as plain settings."""

    def hear(self) -> tuple[Any, ...]:
        """Return what it says next, as `batch_worker.serve` does.

        Raises: PlaceLostError when it is gone.
        """

    def show_stack(self) -> None:
        """Let it write to its log what it is doing."""

    def ask_to_end(self) -> None:
        """Tell it to tidy up and end, and do not wait."""

    def end(self, grace_seconds: float = 0.0) -> str:
        """End it, by force after some seconds, and say how it ended."""


@runtime_checkable
class Pool(Protocol):
    """Opens places, at most `size` of them."""

    @property
    def size(self) -> int:
        """How many places may be open at the same time."""

    def open_place(self, number: int) -> Place:
        """Open a place, numbered from 0 to size - 1."""

    def wait(self, places: Sequence[Place], seconds: float) -> list[Place]:
        """Return the places that have something to say, none after so many seconds."""


@dataclass(frozen=True)
class LocalPlace:
    """A spawned process, at the other end of a pipe."""

    process: BaseProcess
    connection: Connection

    @classmethod
    def start(cls, serve: Serve, **options: Any) -> "LocalPlace":
        """Start a process that runs `serve(connection, **options)`."""
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=serve, args=(theirs,), kwargs=options)
        process.start()
        theirs.close()
        return cls(process, ours)

    def is_ready(self) -> bool:
        """A process takes a clip while it still starts."""
        return True

    def is_alive(self) -> bool:
        """Whether the process runs."""
        return self.process.is_alive()

    def give(self, settings: dict[str, object]) -> None:
        """Send a clip; a process that has just died is found out when it is heard."""
        with suppress(BrokenPipeError):
            self.connection.send(settings)

    def hear(self) -> tuple[Any, ...]:
        """Return the next message.

        Raises: PlaceLostError with the exit code of a process that is gone.
        """
        try:
            message: tuple[Any, ...] = self.connection.recv()
        except (EOFError, OSError):
            raise PlaceLostError(self.end()) from None
        return message

    def show_stack(self) -> None:
        """Ask by the signal that `batch_worker.serve` has a handler for."""
        assert self.process.pid is not None
        with suppress(ProcessLookupError):
            os.kill(self.process.pid, signal.SIGUSR1)

    def ask_to_end(self) -> None:
        """Send SIGTERM."""
        self.process.terminate()

    def end(self, grace_seconds: float = 0.0) -> str:
        """Wait, kill, and return the exit code."""
        self.process.join(grace_seconds)
        self.process.kill()
        self.process.join()
        self.connection.close()
        return f"exit {self.process.exitcode}"


@dataclass(frozen=True)
class LocalPool:
    """Processes of this machine, each with one thread and, where there are several, one GPU.

    serve: what each of them runs, as `batch_worker.serve`; folder: where their logs go.
    """

    size: int
    serve: Serve
    threads: int
    folder: Path

    def open_place(self, number: int) -> LocalPlace:
        """Start a process."""
        return LocalPlace.start(
            self.serve,
            threads=self.threads,
            log=log_of(self.folder, number),
            device=number if self.size > 1 and has_device(number) else None,
        )

    def wait(self, places: Sequence[Place], seconds: float) -> list[Place]:
        """Wait at the pipes."""
        ours = {each.connection: each for each in places if isinstance(each, LocalPlace)}
        return [ours[each] for each in wait(list(ours), seconds) if isinstance(each, Connection)]


def log_of(folder: Path, number: int) -> Path:
    """Return the log of a place."""
    return folder / f"worker-{number}.log"


def has_device(number: int) -> bool:
    """Tell whether there is a GPU of that number for a worker of its own."""
    return Path(f"/dev/nvidia{number}").exists()
