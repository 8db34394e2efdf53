"""Where the clips of a batch are rendered: places that take one clip after another.

Here a place is a process of this machine; `pipelines.batch_ray` has places on a cluster.
"""

import multiprocessing
import os
import re
import signal
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import takewhile
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
    """Opens places, at most `size` of them; as text it says what renders."""

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
    """Processes of this machine, each with one GPU where there are any, by turns if too few.

    serve: what each of them runs, as `batch_worker.serve`; folder: where their logs go.
    devices: GPUs, as CUDA_VISIBLE_DEVICES names them.
    """

    size: int
    serve: Serve
    threads: int
    folder: Path
    devices: Sequence[str] = ()

    def __str__(self) -> str:
        """Say what renders, and how to have more of it."""
        if self.devices:
            used = self.devices[: self.size]
            name = "GPU" if len(used) == 1 else "GPUs"
            return f"{_count(self.size, 'worker')} on {name} {', '.join(used)}"
        threads = (
            f"{_count(self.size, 'worker')} on the processor, {_count(self.threads, 'thread')}"
        )
        more = f"; --workers up to {processors() // self.threads} is of use"
        idle = processors() >= (self.size + 1) * self.threads
        return f"{threads} each{more if idle else ''}"

    def open_place(self, number: int) -> LocalPlace:
        """Start a process."""
        return LocalPlace.start(
            self.serve,
            threads=self.threads,
            log=log_of(self.folder, number),
            device=self.devices[number % len(self.devices)] if self.devices else None,
        )

    def wait(self, places: Sequence[Place], seconds: float) -> list[Place]:
        """Wait at the pipes."""
        ours = {each.connection: each for each in places if isinstance(each, LocalPlace)}
        return [ours[each] for each in wait(list(ours), seconds) if isinstance(each, Connection)]


def log_of(folder: Path, number: int) -> Path:
    """Return the log of a place."""
    return folder / f"worker-{number}.log"


def visible_devices(
    environment: Mapping[str, str] = os.environ, nodes: Path = Path("/dev")
) -> tuple[str, ...]:
    """Return the GPUs that a process started here may use, as CUDA_VISIBLE_DEVICES names them.

    As for CUDA, that variable counts where it is set, up to the first entry that names no GPU;
    else every GPU of the machine counts, and they are numbered from 0.
    """
    named = environment.get("CUDA_VISIBLE_DEVICES")
    if named is None:
        count = len([node for node in nodes.glob("nvidia*") if node.name[6:].isdigit()])
        return tuple(map(str, range(count)))
    entries = (entry.strip() for entry in named.split(","))
    return tuple(takewhile(lambda entry: re.fullmatch(r"\d+|(GPU|MIG)-.+", entry), entries))


def processors() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"
