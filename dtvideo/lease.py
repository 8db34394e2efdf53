"""One run per output: a file that its holder keeps locked for as long as it lives.

The lock is the kernel's: it ends with the process, however that ends, so a lease can neither go
stale nor be taken from a living holder. What the file says is for people.
"""

import errno
import fcntl
import json
import os
import platform
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from dtvideo.errors import OutputError, ResourceError
from dtvideo.files import explained_write

WAIT_SECONDS = 0.2
LOOK_SECONDS = 0.05


@contextmanager
def hold_lease(
    path: Path, *, waiting: Callable[[], None] | None = None, subject: Path | None = None
) -> Iterator[None]:
    """Hold the lease file `path`, whose folder is made when missing; it is removed at the end.

    waiting: wait until another holder has let go, instead of refusing, and call this meanwhile.
    subject: what cannot be written, in the words of the user; `path` when None.
    Raises: OutputError F5 naming host, process and start of the run that holds it; ResourceError
    F10 where the file system does not support locks, F3 where it cannot be written.
    """
    subject = subject or path
    descriptor = _acquire(path, waiting, subject)
    try:
        with explained_write(subject):
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, json.dumps(_holder()).encode(), 0)
        yield
    finally:
        with suppress(FileNotFoundError):
            path.unlink()
        os.close(descriptor)


def is_held(path: Path) -> bool:
    """Tell whether a run holds a lease now."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError as error:
        return isinstance(error, BlockingIOError)
    finally:
        os.close(descriptor)
    return False


def _acquire(path: Path, waiting: Callable[[], None] | None, subject: Path) -> int:
    """Return the locked descriptor of a file that still has its name."""
    while True:
        with explained_write(subject):
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
            except FileNotFoundError:  # the holder before has just removed the folder
                continue
        try:
            _lock(descriptor, path)
            if _has_name(descriptor, path):
                return descriptor
        except OutputError:
            os.close(descriptor)
            if waiting is None:
                raise
            waiting()
            time.sleep(WAIT_SECONDS)
            continue
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _lock(descriptor: int, path: Path) -> None:
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(LOOK_SECONDS)  # it may be `is_held` that looks just now
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise OutputError(
            "F5", path.parent, f"is in use by {_read_holder(path)}", "wait, or end that run"
        ) from None
    except OSError as error:
        if error.errno not in (errno.ENOLCK, errno.ENOTSUP):
            raise
        problem = "the file system does not support locks"
        raise ResourceError("F10", path.parent, problem, "write to a local disk") from error


def _has_name(descriptor: int, path: Path) -> bool:
    """Tell whether the locked file is still the one of that name, not one removed meanwhile."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _holder() -> dict[str, object]:
    started = datetime.now(UTC).isoformat(timespec="seconds")
    return {"host": platform.node(), "pid": os.getpid(), "started": started}


def _read_holder(path: Path) -> str:
    try:
        holder = json.loads(path.read_text(encoding="utf-8"))
        return f"process {holder['pid']} on {holder['host']} since {holder['started']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another run"
