"""How far a batch is, told as lines to a person or as one JSON object a line to a program.

Only the standard library is imported here; the rest on use, so that `--help` answers at once.
"""

import re
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from dtvideo.streams import leave_to_nobody
from pipelines.messages import Messages, amount

if TYPE_CHECKING:
    from pipelines.job_store import ClipRecord


class BatchProgress:
    """Tells of each clip, and how long the others take.

    kind: bar for lines, json for objects, none for what failed alone.
    total: how many clips are rendered.
    Raises: UsageError M11 for another kind.
    """

    def __init__(self, kind: str, total: int = 0) -> None:
        from pipelines.progress import check_kind

        check_kind(kind)
        self.total = total
        self._messages = Messages(kind == "json")
        self._is_silent = kind == "none"
        self._start = time.monotonic()
        self._ended, self._made = 0, 0

    def notice(self, text: str) -> None:
        """Tell something that one should know."""
        if not self._is_silent:
            self._messages.say("notice", text)

    def started(self, record: "ClipRecord") -> None:
        """Tell a program that a clip is begun, or tried once more."""
        if self._messages.as_json:
            self._say_clip(record, f"running {record.name}", left_seconds=self._left())

    def ended(self, record: "ClipRecord") -> None:
        """Tell that a clip is done, has failed or was cancelled; print the path of a result."""
        from pipelines.batch import WAS_THERE

        self._ended += 1
        self._made += record.message != WAS_THERE
        left = self._left()
        place = f"{self._ended}/{self.total}"
        place += f", about {_minutes(left)} left" if left else ""
        text = f"[{place}] {record.state} {record.name} {record.message}".rstrip()
        if not self._is_silent:
            self._say_clip(record, text, left_seconds=left)
        if record.state == "done":
            _print_path(record.output)

    def end(self, records: Sequence["ClipRecord"], again: str, *, exit_code: int) -> None:
        """Tell what failed, clips with the same fault together; a program also how many did not.

        again: the command that renders what failed again.
        """
        from pipelines.batch_report import by_message
        from pipelines.job_store import STATES

        counts = {state: sum(record.state == state for record in records) for state in STATES}
        text = f"{counts['failed']} of {amount(len(records), 'clip')} failed"
        if counts["failed"]:
            faults = by_message(record for record in records if record.state == "failed")
            lines = [f"{message}\n    {', '.join(names)}" for message, names in faults.items()]
            text = "\n".join([f"{text}:", *lines, f"to render only these again: {again}"])
        if counts["failed"] or self._messages.as_json:
            self._messages.say("batch", text, exit_code=exit_code, **counts)

    def _say_clip(self, record: "ClipRecord", text: str, *, left_seconds: float | None) -> None:
        runs = record.state == "running"
        message = "" if runs else record.message  # a clip that runs keeps that of its last try
        code = re.match(r"error\[(\w+)\]", message)
        self._messages.say(
            "clip",
            text,
            name=record.name,
            state=record.state,
            output=record.output,
            tries=record.tries,
            done=self._ended,
            total=self.total,
            left_seconds=left_seconds,
            code=code[1] if code else None,
            exit_code=None if runs else record.exit_code,
            message=message,
        )

    def _left(self) -> float | None:
        """Return in about how many seconds the batch ends; None where that is not known."""
        if not self._made:
            return None
        seconds = (time.monotonic() - self._start) / self._made
        return round(seconds * (self.total - self._ended), 1)


def _print_path(path: str) -> None:
    """Print a result's path; that nobody reads on is no reason to end the batch."""
    try:
        print(path, flush=True)
    except BrokenPipeError:
        leave_to_nobody(sys.stdout.fileno())


def _minutes(seconds: float) -> str:
    hours, minutes = divmod(round(seconds / 60), 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min" if minutes else f"{seconds:.0f} s"
