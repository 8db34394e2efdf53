"""The error family of dtvideo and the exit code of each branch.

ExplainedError (poses.errors)
├── PoseError            exit 3   poses
└── DtvideoError         exit 1
    ├── UsageError       exit 2   a flag, a setting or a manifest
    ├── MediaError       exit 3   a picture, a video, a sound
    ├── ModelError       exit 4   weights or their configuration
    ├── QualityError     exit 5   the result is not finite, blank or frozen
    ├── ResourceError    exit 7   disk, memory or device
    └── OutputError      exit 8   the output exists or another run holds it
"""

import errno
import os

from poses.errors import ExplainedError


class DtvideoError(ExplainedError):
    """Root of the errors that dtvideo raises on purpose."""


class UsageError(DtvideoError):
    """A flag, a setting or a manifest that cannot be honoured."""

    exit_code = 2


class MediaError(DtvideoError):
    """A picture, video or sound that cannot be read or written."""

    exit_code = 3


class ModelError(DtvideoError):
    """Weights that are missing, damaged, unsafe or do not fit."""

    exit_code = 4


class QualityError(DtvideoError):
    """A result that must not be published: not finite, blank or frozen."""

    exit_code = 5


class ResourceError(DtvideoError):
    """The machine cannot do it now: disk, memory or device."""

    exit_code = 7


class OutputError(DtvideoError):
    """The output is there already, is an input, or is held by another run."""

    exit_code = 8


def explained(error: Exception, *, when_memory_lacks: str) -> ExplainedError | None:
    """Return an error as one of ours; None for one whose cause we do not know: a bug.

    when_memory_lacks: what to do then.
    """
    if isinstance(error, ExplainedError):
        return error
    if lacks_memory(error):
        return ResourceError("F4", "memory", "there is too little", when_memory_lacks)
    if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
        name = os.fsdecode(error.filename or "a name")
        remedy = "give a shorter one; that of a result by -o"
        return UsageError("F11", f"{name[:40]}...", "is too long a name for this disk", remedy)
    return None


def lacks_memory(error: BaseException) -> bool:
    """Tell whether an error says that memory is used up, the machine's or a GPU's."""
    told = str(error).lower()
    words = ("out of memory", "can't allocate memory")
    by_torch = isinstance(error, RuntimeError) and any(word in told for word in words)
    by_system = isinstance(error, OSError) and error.errno == errno.ENOMEM
    return by_torch or by_system or isinstance(error, MemoryError)
