"""Places of a batch on a Ray cluster: one actor for each GPU, or for each share of processors.

An actor starts the very same worker process that a batch on one machine starts, and relays what
it says; so the frames are the same, a crash takes only that process, and it ends with its actor,
which ends with the run. The run gives out clips and notes states; the cluster sees no data base.
"""

import os
import signal
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from threading import current_thread, main_thread
from typing import Any

from dtvideo import __version__
from dtvideo.errors import ResourceError, UsageError
from pipelines.batch_pool import LocalPlace, Place, PlaceLostError, Serve, log_of

LOCAL = "local"
OBJECT_BYTES = 100 * 2**20
"""Of shared memory for messages, on one machine; they are a few bytes each."""
GONE = "gone"
LEASE = "lease.json"
CALLS_AT_ONCE = 2
CONNECT_SECONDS = 10.0


class ClipActor:
    """What runs on a node of the cluster: a worker process, and the one who relays its words."""

    def __init__(self, serve: Serve, *, threads: int, log: Path, version: str) -> None:
        if version != __version__:
            raise RuntimeError(f"dtvideo {__version__} is installed, the run has {version}")
        if not (log.parent / LEASE).exists():
            raise RuntimeError(f"the folder {log.parent} is not the one that the run writes to")
        os.environ["OMP_NUM_THREADS"] = str(threads)  # Ray's own would reach the process
        self.place = LocalPlace.start(serve, threads=threads, log=log, device=None)

    def ready(self) -> bool:
        """Answer once the actor has been placed and the process started."""
        return True

    def render(self, settings: dict[str, object]) -> Iterator[tuple[Any, ...]]:
        """Give a clip to the process and yield what it says, until it ends."""
        self.place.give(settings)
        while True:
            try:
                message = self.place.hear()
            except PlaceLostError as lost:
                yield GONE, str(lost)
                return
            yield message
            if message[0] in ("done", "failed"):
                return

    def show_stack(self) -> None:
        """Let the process write its stack to its log."""
        self.place.show_stack()

    def end(self, grace_seconds: float) -> str:
        """End the process as gently as there is time for."""
        self.place.ask_to_end()
        return self.place.end(grace_seconds)


@dataclass
class RayPlace:
    """An actor, seen from the run."""

    actor: Any
    number: int
    started: Any
    answers: Any = None
    ending: Any = None
    lost: bool = False

    def is_ready(self) -> bool:
        """Whether the cluster has found room for it.

        Raises: ResourceError B4 when a node that it was placed on cannot run it.
        """
        import ray

        if not ray.wait([self.started], timeout=0)[0]:
            return False
        try:
            return bool(ray.get(self.started))
        except ray.exceptions.RayError as error:
            self.end()
            if "creation task" not in str(error):  # the node was lost; another one may be found
                return False
            problem = f"worker {self.number} cannot start: {_last_line(error)}"
            remedy = "every node needs this dtvideo, and this folder by the same path"
            raise ResourceError("B4", "--ray", problem, remedy) from error

    def is_alive(self) -> bool:
        """Whether nothing is known of its end."""
        return not self.lost

    def give(self, settings: dict[str, object]) -> None:
        """Let the actor render a clip."""
        self.answers = self.actor.render.remote(settings)

    def hear(self) -> tuple[Any, ...]:
        """Return the next message.

        Raises: PlaceLostError when the actor, its node or its process is gone.
        """
        import ray

        try:
            message: tuple[Any, ...] = ray.get(next(self.answers))
        except (ray.exceptions.RayError, StopIteration) as error:
            self.end()
            raise PlaceLostError(_last_line(error)) from error
        if message[0] == GONE:
            self.end()
            raise PlaceLostError(message[1])
        return message

    def show_stack(self) -> None:
        """Pass it on; the actor answers this while it renders."""
        self.actor.show_stack.remote()

    def ask_to_end(self, grace_seconds: float = 20.0) -> None:
        """Pass it on, and do not wait."""
        self.ending = self.actor.end.remote(grace_seconds)

    def end(self, grace_seconds: float = 0.0) -> str:
        """Wait for a process that was asked to end, then end the actor."""
        import ray

        if self.ending is not None:
            ray.wait([self.ending], timeout=grace_seconds)
        ray.kill(self.actor)
        self.lost = True
        return "actor ended"


@dataclass(frozen=True)
class RayPool:
    """Actors of a cluster; `options` say what each of them takes of it."""

    size: int
    serve: Serve
    threads: int
    folder: Path
    options: dict[str, Any]

    def __str__(self) -> str:
        """Say what renders."""
        taken = "a GPU" if "num_gpus" in self.options else f"{self.threads} of its processors"
        return f"up to {self.size} actors on the Ray cluster, each with {taken}"

    def open_place(self, number: int) -> RayPlace:
        """Ask the cluster for an actor; it may be long until there is room for it."""
        import ray

        actor = (
            ray.remote(ClipActor)
            .options(max_restarts=0, max_concurrency=CALLS_AT_ONCE, **self.options)
            .remote(
                self.serve,
                threads=self.threads,
                log=log_of(self.folder.resolve(), number),
                version=__version__,
            )
        )
        return RayPlace(actor, number, actor.ready.remote())

    def wait(self, places: Sequence[Place], seconds: float) -> list[Place]:
        """Wait for the actors' answers."""
        import ray

        ours = {each.answers: each for each in places if isinstance(each, RayPlace)}
        ready, _ = ray.wait(list(ours), num_returns=1, timeout=seconds, fetch_local=False)
        return [ours[each] for each in ready]


@contextmanager
def open_ray_pool(
    address: str, *, workers: int | None, serve: Serve, threads: int, folder: Path
) -> Iterator[RayPool]:
    """Join the cluster at an address, or start one on this machine (`local`), and leave it again.

    workers: actors; when None one for each GPU of the cluster, without any one.
    Raises: ResourceError B4 when no cluster answers or it has no room for a single actor.
    """
    import ray

    own = not ray.is_initialized()
    if own:
        _join(address, processors=(workers or 1) * threads)
    try:
        yield pool_of(
            ray.cluster_resources(),
            workers=workers,
            serve=serve,
            threads=threads,
            folder=folder,
        )
    finally:
        if own:
            ray.shutdown()


def check_ray(address: str) -> None:
    """Refuse what cannot be had, before anything starts.

    Raises: UsageError M1 when the package is missing, B4 for an address of Ray Client.
    """
    if find_spec("ray") is None:
        problem = "the package ray is not installed"
        raise UsageError("M1", "--ray", problem, "run: pip install 'dtvideo[ray]'")
    if address.startswith("ray://"):
        problem = f"{address} is an address of Ray Client, which cannot tell progress"
        remedy = "run on a node of the cluster and give its HOST:PORT, or auto"
        raise UsageError("B4", "--ray", problem, remedy)


def _join(address: str, *, processors: int) -> None:
    """Join or start a cluster; it learns nothing of its use, and our signals stay ours."""
    _check_answers(address)
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    import ray

    kept = signal.getsignal(signal.SIGTERM)
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": "error"}
    if address == LOCAL:
        options |= {
            "num_cpus": processors,
            "include_dashboard": False,
            "object_store_memory": OBJECT_BYTES,
        }
    try:
        ray.init(address, **options)
    except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        problem = f"no cluster at {address}: {_last_line(error)}"
        raise ResourceError("B4", "--ray", problem, "see ray status") from error
    finally:
        if current_thread() is main_thread():
            signal.signal(signal.SIGTERM, kept)


def _check_answers(address: str) -> None:
    """Refuse a HOST:PORT where nobody listens, at which Ray itself would knock for minutes.

    Raises: ResourceError B4.
    """
    host, _, port = address.rpartition(":")
    if not (host and port.isdecimal()):
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), CONNECT_SECONDS).close()
    except (OSError, OverflowError) as error:
        problem = f"no cluster at {address}: {error}"
        raise ResourceError("B4", "--ray", problem, "see ray status") from error


def pool_of(
    resources: dict[str, float],
    *,
    workers: int | None,
    serve: Serve,
    threads: int,
    folder: Path,
) -> RayPool:
    """Return a pool that takes a GPU an actor where the cluster has any, else processors."""
    gpus = int(resources.get("GPU", 0))
    options: dict[str, Any] = {"num_gpus": 1, "num_cpus": 1} if gpus else {"num_cpus": threads}
    if resources.get("CPU", 0) < options["num_cpus"]:
        problem = f"the cluster has {resources.get('CPU', 0):g} processors"
        raise ResourceError("B4", "--ray", problem, f"a worker takes {options['num_cpus']}")
    return RayPool(workers or gpus or 1, serve, threads, folder, options)


def _last_line(error: BaseException) -> str:
    """Return the last line of an error, which says why, in short."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[-1] if lines else type(error).__name__)[:300]
