"""Turn what a manifest says into values of a job, inside the folders that it may use.

Each value is read once, wherever it counts, so that it is told once when it cannot be.
"""

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from dtvideo.errors import UsageError
from dtvideo.files import check_input
from dtvideo.models.presets import presets
from dtvideo.models.sources import TOON, is_hub_id
from pipelines.detectors import detector_files
from pipelines.job import RenderJob
from pipelines.manifest_file import Document, Fault, Location
from pipelines.manifest_settings import PAIRS, PARSERS
from pipelines.plain_settings import DETECTORS, PATH_SETTINGS
from poses.detectors import split_detector
from poses.errors import ExplainedError

TEMPLATE = re.compile(r"\{([a-z_]+)(?::0(\d))?\}")
RESERVED = re.compile(r"(?i)(con|prn|aux|nul|com[\d¹²³]|lpt[\d¹²³])\s*(\..*)?")
IMPOSSIBLE = re.compile(r'[<>:"|?*\\\x00-\x1f\x7f]')
LONGEST_NAME = 240
"""Bytes; systems end at 255, and what lies beside a result has longer names."""
LOST: Any = object()
"""Stands for a value that cannot be read, which has been told."""
OF_ITS_OWN = "M11"
"""The code of a value that cannot be, whatever the others are."""

NAMED: Mapping[str, Callable[[str], bool]] = {
    "model": lambda text: text == TOON or text in presets() or is_hub_id(text),
    "controlnet": is_hub_id,
    "vae": is_hub_id,
    "matte": lambda text: re.fullmatch(r"[A-Za-z0-9][\w-]*", text) is not None,
}
"""Settings that hold a name or a path, and what has the form of a name."""


@dataclass(frozen=True)
class ValueReader:
    """Reads values, and keeps a fault for each place where one cannot be read.

    root: where paths start, and stay inside unless `allow_outside`; results: where results stay.
    """

    root: Path
    results: Path
    allow_outside: bool
    _read: dict[Location, Any] = field(default_factory=dict)
    _faults: list[tuple[Location, Fault]] = field(default_factory=list)

    def faults(self, document: Document) -> list[Fault]:
        """Return what was wrong, with its lines."""
        return [replace(fault, line=document.line(place)) for place, fault in self._faults]

    def note(self, place: Location, fault: Fault) -> None:
        """Add a fault."""
        self._faults.append((place, fault))

    def value(self, name: str, value: Any, place: Location) -> Any:
        """Return a setting as `RenderJob` takes it, or LOST; a path also when it is told."""
        if place not in self._read:
            if name in PAIRS:
                self._read[place] = self._pairs(name, value, place)
                return self._read[place]
            try:
                self._read[place] = self._value(name, value)
            except ExplainedError as error:
                self.note(place, as_fault(error, ".".join(map(str, place))))
                is_path = name in PATH_SETTINGS
                self._read[place] = self.root / value.replace("\0", "") if is_path else LOST
        return self._read[place]

    def output(
        self,
        template: str,
        names: Mapping[str, str | int],
        place: Location,
        *,
        template_place: Location = ("output",),
    ) -> Any:
        """Return where a result goes, or LOST.

        place: of the clip; template_place: of the template.
        """
        try:
            text = expand(template, names)
        except ExplainedError as error:
            self.note(template_place, as_fault(error, "output"))
            return LOST
        try:
            return self._output(text)
        except ExplainedError as error:
            self.note(place, as_fault(error, error.subject))
            return LOST

    def _pairs(self, name: str, values: Sequence[str], place: Location) -> Any:
        """Return files with a number or a word each, or LOST where one of them is wrong."""
        pairs = []
        for index, text in enumerate(values):
            try:
                file, told = PAIRS[name](text)
                pairs.append((str(self._input(file)), told))
                _check_alone(name, tuple(pairs[-1:]))
            except ExplainedError as error:
                self.note((*place, index), as_fault(error, ".".join(map(str, place))))
                pairs.append(LOST)
        return LOST if LOST in pairs else tuple(pairs)

    def _value(self, name: str, value: Any) -> Any:
        if name in PATH_SETTINGS:
            return self._input(value, is_file=name != "poses")
        read = value
        if name in PARSERS:
            read = PARSERS[name](str(value))
        elif name in DETECTORS:
            read = self._detector(value)
        elif name in NAMED:
            read = self._name_or_path(value, NAMED[name])
        _check_alone(name, read)
        return read

    def _input(self, text: str, *, is_file: bool = False) -> Path:
        path = _inside(text, self.root, confined=not self.allow_outside)
        if not path.exists():
            raise named_fault(text, "is missing", "paths start at the manifest's folder", code="V1")
        if is_file:
            check_input(path)
        return path

    def _name_or_path(self, text: str, is_name: Callable[[str], bool]) -> str:
        """Return the path of what lies in the manifest's folder, else a name as it is."""
        if text == TOON or (is_name(text) and not (self.root / text).exists()):
            return text
        return str(self._input(text))

    def _detector(self, text: str) -> str:
        """Return a pose back end's name; a folder of weights in it starts at the manifest's."""
        kind, folder = split_detector(text)
        read = f"{kind}:{self._input(folder)}" if folder else text
        if folder:
            detector_files(read)
        return read

    def _output(self, text: str) -> Path:
        parts = [repr(part) for part in Path(text).parts if _is_impossible(part)]
        if parts:
            told = "is no file name" if len(parts) == 1 else "are no file names"
            problem = f"{', '.join(parts)} {told} on every system"
            raise named_fault(text, problem, "rename the character or the clip")
        return _inside(text, self.results, confined=True)


def _is_impossible(part: str) -> bool:
    """Tell whether some system cannot have a file or folder of that name."""
    is_none = RESERVED.fullmatch(part) or IMPOSSIBLE.search(part) or part[-1] in ". "
    return bool(is_none) or len(part.encode()) > LONGEST_NAME


def expand(template: str, names: Mapping[str, str | int]) -> str:
    """Fill `{name}` and `{name:03}` into a template; nothing else in braces is possible.

    Raises: UsageError B1 naming what is not known, or a name that would change folders.
    """

    def fill(match: re.Match[str]) -> str:
        name, width = match[1], int(match[2] or 0)
        value = str(names[name])
        if "/" in value or "\\" in value or not value.strip(" ."):
            raise named_fault(template, f"{name} {value!r} is no file name", "rename it")
        return value.zfill(width)

    problems, remedies = [], []
    unknown = dict.fromkeys(match[1] for match in TEMPLATE.finditer(template))
    wrong = [f"{{{name}}}" for name in unknown if name not in names]
    if wrong:
        problems.append(f"{', '.join(wrong)} {'is' if len(wrong) == 1 else 'are'} unknown")
        remedies.append(f"use {', '.join(f'{{{each}}}' for each in names)}")
    if re.search(r"[{}]", TEMPLATE.sub("", template)):
        problems.append("has braces that are no {name}")
        remedies.append("write {name} or {name:03}")
    if problems:
        raise named_fault(template, " and ".join(problems), ", ".join(remedies))
    return TEMPLATE.sub(fill, template)


def alike(name: str) -> str:
    """Return what two names have in common that some system takes for one."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())


def named_fault(subject: str, problem: str, remedy: str, *, code: str = "B1") -> UsageError:
    """Return the error of something that a manifest names."""
    return UsageError(code, subject, problem, remedy)


def as_fault(error: ExplainedError, where: str) -> Fault:
    """Return an error as the fault of a place, whose line is not known yet."""
    subject = "" if error.subject == where else f"{error.subject}: "
    remedy = f" · {error.remedy}" if error.remedy else ""
    return Fault(0, f"{where}: {subject}{error.problem}{remedy}", error.code)


def _check_alone(name: str, value: Any) -> None:
    """Refuse a value that no job could have, whatever its other settings are.

    Raises: UsageError M11.
    """
    try:
        RenderJob(reference=Path("a.png"), driver=Path("a.mp4"), **{name: value})
    except UsageError as error:
        if error.code == OF_ITS_OWN and error.subject != "-o":
            raise


def _inside(text: str, root: Path, *, confined: bool) -> Path:
    """Return a path below a folder.

    Raises: UsageError B1 when it leaves that folder, also through a link.
    """
    if "\x00" in text:
        raise named_fault(text, "holds a NUL character", "rename it")
    if confined and (text.startswith(("/", "~", "\\")) or re.match(r"[A-Za-z]:", text)):
        raise named_fault(text, "is not relative", f"write it from {root}")
    path = root / text
    if confined and not path.resolve().is_relative_to(root):
        raise named_fault(text, f"leads out of {root}", "move it inside, or see --allow-outside")
    return path
