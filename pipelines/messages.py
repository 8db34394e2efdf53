"""What a command says on standard error besides its progress: errors, warnings, reports.

A person gets lines of text. A program, which asks for `--progress json`, gets one JSON object a
line, so that all of standard error can be read in one way.
"""

import argparse
import json
import logging
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from poses.errors import ExplainedError


@dataclass(frozen=True)
class Messages:
    """Tells a person, or a program."""

    as_json: bool = False

    @classmethod
    def of(cls, arguments: argparse.Namespace) -> "Messages":
        """Return the messages of a command, some of which have no `--progress`."""
        return cls(getattr(arguments, "progress", None) == "json")

    def say(self, event: str, text: str, **values: object) -> None:
        """Write text as it is; or an object with the event, the text and further values."""
        line = json.dumps({"event": event, **values, "text": text}) if self.as_json else text
        print(line, file=sys.stderr, flush=True)

    def error(self, error: "ExplainedError") -> None:
        """Tell an error; its details, where it has some, come before it in text."""
        details = list(getattr(error, "details", ()))
        if not self.as_json:
            print(*details, str(error), sep="\n", file=sys.stderr, flush=True)
            return
        values = {name: getattr(error, name) for name in ("code", "subject", "problem", "remedy")}
        more = {"details": details} if details else {}
        self.say("error", str(error), exit_code=error.exit_code, **values, **more)

    @contextmanager
    def telling_warnings(self) -> Iterator[None]:
        """Tell a program what libraries warn of, too; a person gets that as Python does it."""
        with ExitStack() as stack:
            if self.as_json:
                handler = _Handler(self)
                logging.getLogger().addHandler(handler)
                stack.callback(logging.getLogger().removeHandler, handler)
                stack.enter_context(warnings.catch_warnings())
                warnings.showwarning = lambda message, *_: self.say("warning", str(message))
            yield


class _Handler(logging.Handler):
    """Tells what is logged as a warning or worse."""

    def __init__(self, messages: Messages) -> None:
        super().__init__(logging.WARNING)
        self.messages = messages

    def emit(self, record: logging.LogRecord) -> None:
        """Tell one record."""
        self.messages.say("warning", record.getMessage())


def amount(count: int, noun: str) -> str:
    """Return a number of things in words: 1 clip, 3 clips."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def wants_json(words: Sequence[str]) -> bool:
    """Tell whether a command line asks for JSON, also where the rest of it is wrong."""
    pairs = zip(words, [*words[1:], ""], strict=False)
    return any(
        word == "--progress=json" or (word, value) == ("--progress", "json")
        for word, value in pairs
    )
