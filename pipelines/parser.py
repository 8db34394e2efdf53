"""A parser of command lines whose complaints are our one-line errors.

Only the standard library is imported here; the rest on use, so that `--help` answers at once.
"""

import argparse
import difflib
import re
from collections.abc import Sequence
from itertools import takewhile
from os.path import exists
from pathlib import Path
from typing import Any, NoReturn


def usage_error(*details: str) -> Exception:
    """Return the UsageError of code, subject, problem and remedy."""
    from dtvideo.errors import UsageError

    return UsageError(*details)


def file_name(text: str) -> Path:
    """Read a path; nothing at all, as a variable that is not set gives, is none."""
    if not text:
        raise argparse.ArgumentTypeError("the name is empty")
    return Path(text)


class Version(argparse.Action):
    """Print the version and leave."""

    def __call__(self, parser: argparse.ArgumentParser, *details: object) -> NoReturn:
        """Print the version on standard output."""
        from dtvideo import __version__

        print(f"dtvideo {__version__}")
        parser.exit()


class Parser(argparse.ArgumentParser):
    """An argument parser whose complaints are our one-line errors.

    No flag may be shortened, and no path be empty.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(allow_abbrev=False, **options)
        self.register("type", Path, file_name)

    def error(self, message: str) -> NoReturn:
        """Raise UsageError instead of printing the usage."""
        remedy = f"see {self.prog} --help"
        if message.endswith("expected one argument"):
            remedy = "give a value; one that begins with a dash as --flag=VALUE"
        raise usage_error("U1", self.prog, message, remedy)

    def parse_all(self, words: Sequence[str]) -> argparse.Namespace:
        """Parse every word; an unknown flag is refused with the nearest known one.

        So are a file's name that looks like a flag, a flag where only names stand, and a word too
        many.
        """
        before = list(takewhile(lambda word: word != "--", words))
        tool = self._tool(before)
        for word in before:
            if re.match("-[^-].", word) and exists(word):
                problem = f"{word!r} begins with a dash, as flags do"
                raise usage_error("U1", self.prog, problem, f"write ./{word}")
        for word in words[len(before) + 1 :]:
            if word.partition("=")[0] in tool._option_string_actions and not exists(word):
                problem = f"{word!r} stands behind --, where every word is a name"
                raise usage_error("U1", tool.prog, problem, f"write {word} before the --")
        arguments, unknown = self.parse_known_args(words)
        if unknown and not unknown[0].startswith("-"):
            is_named = "-o" in tool._option_string_actions
            remedy = "the result is named by -o" if is_named else f"see {tool.prog} --help"
            raise usage_error("U1", tool.prog, f"{unknown[0]!r} is one word too many", remedy)
        if unknown:
            flag = unknown[0].partition("=")[0]
            near = difflib.get_close_matches(flag, tool._option_string_actions, n=1)
            remedy = f"did you mean {near[0]}?" if near else f"see {tool.prog} --help"
            raise usage_error("U1", tool.prog, f"{unknown[0]!r} is not understood", remedy)
        return arguments

    def _tool(self, words: Sequence[str]) -> argparse.ArgumentParser:
        """Return the parser of the tool that words name, such as that of `batch run`."""
        found: argparse.ArgumentParser = self
        for word in words:
            if found._subparsers is not None:
                found = dict(found._subparsers._group_actions[0].choices or {}).get(word, found)
        return found
