"""Files that are whole or absent: checked inputs, outputs written beside and renamed."""

import errno
import hashlib
import json
import os
import stat
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from dtvideo.errors import MediaError, OutputError, ResourceError

PARTIAL_PREFIX = ".dtvideo-"
PARTIAL_SUFFIX = ".partial"
MACHINE_FAULTS = {
    errno.ENOSPC: ("the disk is full", "free some space"),
    errno.EDQUOT: ("the disk quota is used up", "free some space"),
    errno.EROFS: ("the disk is read-only", "write somewhere else"),
    errno.EACCES: ("you may not write here", "write somewhere else"),
    errno.EPERM: ("you may not write here", "write somewhere else"),
    errno.EIO: ("the disk reports an error", "write somewhere else"),
    errno.EMFILE: ("too many files are open", "raise the limit with ulimit -n"),
    errno.ENAMETOOLONG: ("the name is too long", "shorten it"),
    errno.ENOTDIR: ("part of the path is a file, not a folder", "write somewhere else"),
    errno.EEXIST: (
        "part of the path is a file or a link that leads nowhere, not a folder",
        "write somewhere else",
    ),
}


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path in the same folder; it becomes `path` only if all goes well.

    The folder is made when it is missing. The temporary name is short, hidden and never looks
    like a frame or a movie; it is gone after any exception.
    Raises: ResourceError F3 when the machine cannot write there (disk full, read-only, ...).
    """
    with explained_write(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = _reserve(path.parent)
        try:
            yield temporary
            _publish(temporary, path)
        finally:
            with suppress(FileNotFoundError):
                temporary.unlink()


@contextmanager
def explained_write(path: Path) -> Iterator[None]:
    """Turn what the machine says about writing `path` into a ResourceError (F3)."""
    try:
        yield
    except OSError as error:
        fault = MACHINE_FAULTS.get(error.errno or 0)
        if fault is None:
            raise
        raise ResourceError("F3", path, *fault) from error


def write_json(path: Path, value: Any) -> None:
    """Write indented UTF-8 JSON, whole or not at all.

    The name of a file may hold bytes that are no UTF-8; such text is written with escapes.
    Raises: ValueError where a number is NaN or infinite; ResourceError F3 as `atomic_path`.
    """
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    if not _is_utf8(text):
        text = json.dumps(value, indent=2, allow_nan=False)
    with atomic_path(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def sha256_file(path: Path) -> str:
    """Return the SHA-256 of a file's bytes in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def file_head(path: Path, count: int = 512) -> bytes:
    """Return the first bytes of a file, to tell what it looks like."""
    with path.open("rb") as file:
        return file.read(count)


def check_output(path: Path, *, overwrite: bool = False, inputs: Iterable[Path] = ()) -> None:
    """Refuse an output that is an input (also through a link), a folder, or there already.

    Raises: OutputError F7.
    """
    check_not_input(path, inputs)
    if path.is_dir():
        raise OutputError("F7", path, "is a folder, not a file", "give a file name in it")
    if os.path.lexists(path) and not overwrite:
        raise OutputError("F7", path, "exists already", "add --overwrite or give another output")


def check_not_input(path: Path, inputs: Iterable[Path]) -> None:
    """Refuse an output that is an input, also through a link.

    Raises: OutputError F7.
    """
    for source in inputs:
        if _same_file(path, source):
            raise OutputError("F7", path, f"is the input {source}", "give another output")


def check_input(path: Path) -> None:
    """Refuse a path that is not a plain file that can be read.

    Raises: MediaError V1, saying what the path is, V17 for an address.
    """
    _refuse_address(path)
    if path.is_symlink() and not path.exists():
        raise MediaError("V1", path, f"is a link to {path.readlink()}, which is missing")
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise MediaError("V1", path, reason.lower(), "check the name") from error
    if not stat.S_ISREG(mode):
        raise MediaError("V1", path, f"is {_kind(mode)}, not a file", "give a file")
    if not os.access(path, os.R_OK):
        raise MediaError("V1", path, "is not readable by you", "change its permissions")


def _refuse_address(path: Path) -> None:
    """Refuse what a person may paste for a file: http://..., concat:... and the like."""
    scheme, colon, rest = str(path).partition(":")
    if colon and scheme.isalpha() and len(scheme) > 1 and not path.exists():
        address = f"{scheme}:/{rest}" if rest.startswith("/") else str(path)  # Path joins slashes
        raise MediaError("V17", address, "is an address, not a file", "download it, give the file")


def _kind(mode: int) -> str:
    kinds = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}
    return kinds.get(stat.S_IFMT(mode), "a device")


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _same_file(path: Path, other: Path) -> bool:
    if path.exists() and other.exists():
        return path.samefile(other)
    return path.resolve() == other.resolve()


def _reserve(folder: Path) -> Path:
    descriptor, name = tempfile.mkstemp(dir=folder, prefix=PARTIAL_PREFIX, suffix=PARTIAL_SUFFIX)
    os.fchmod(descriptor, 0o666 & ~_umask())
    os.close(descriptor)
    return Path(name)


def _umask() -> int:
    """Read the process's file mode mask without changing it."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("Umask:")).split()[1], 8)
    except (OSError, StopIteration):
        return 0o022


def _publish(temporary: Path, path: Path) -> None:
    sync_path(temporary)
    temporary.replace(path)
    sync_path(path.parent)


def sync_path(path: Path) -> None:
    """Wait until a file or a folder's list of names is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
