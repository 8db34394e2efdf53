"""Standard streams that may be closed, or lose their reader, while work goes on."""

import io
import os
import select
import sys
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


def open_standard_streams() -> None:
    """Put the null device where a standard stream is closed (`2>&-`).

    Else the next file that is opened, a result, would get its number and what is told there.
    Paths are printed byte for byte, and work goes on where nobody reads standard error any more.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="surrogateescape")
    if sys.__stderr__ is not None and sys.stderr is sys.__stderr__:
        sys.stderr = _lasting(sys.__stderr__)


def leave_to_nobody(number: int) -> None:
    """Point a file descriptor at the null device."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, number)
    os.close(null)


def has_no_reader(number: int) -> bool:
    """Tell whether a file descriptor is a pipe or a socket whose other end is closed."""
    poll = select.poll()
    poll.register(number, 0)
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))


class _Lasting(io.FileIO):
    """A file that takes what is written also when its reader has gone."""

    def write(self, data: "ReadableBuffer", /) -> int:
        """Write, or leave this and all that follows to nobody."""
        try:
            return super().write(data)
        except BrokenPipeError:
            leave_to_nobody(self.fileno())
            return memoryview(data).nbytes


def _lasting(stream: TextIO) -> TextIO:
    """Return a text stream to the same place that no reader who leaves can break."""
    raw = _Lasting(stream.fileno(), "w", closefd=False)
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=stream.encoding,
        errors=stream.errors,
        line_buffering=True,
    )
