"""Read a manifest's text, YAML or JSON Lines, as plain values that know their lines.

Manifests come from anywhere: nothing is constructed but text, numbers, lists and tables, and
size, depth and aliases are limited before anything is built.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from dtvideo.errors import UsageError
from dtvideo.files import check_input

MAXIMUM_BYTES = 8 * 2**20
MAXIMUM_DEPTH = 12
MAXIMUM_NODES = 200_000
CORE = "tag:yaml.org,2002:"
SCALARS = ("str", "int", "float", "bool", "null")

Location = tuple[str | int, ...]


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong in a manifest."""

    line: int
    problem: str
    code: str = "B2"


class ManifestError(UsageError):
    """A manifest that cannot be honoured; `details` has one line for each fault."""

    def __init__(self, path: Path, faults: list[Fault]) -> None:
        ordered = sorted(faults, key=lambda fault: fault.line)
        self.faults = tuple(ordered)
        self.details = tuple(
            f"error[{fault.code}]: {path}:{fault.line}: {fault.problem}" for fault in ordered
        )
        count = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
        first = f"line {ordered[0].line}: {ordered[0].problem}"
        told = f"{count}; {first}" if len(faults) > 1 else first
        super().__init__(ordered[0].code, path, told, "nothing was started")


@dataclass
class Document:
    """Plain values, and on which line each of them begins."""

    values: Any
    lines: dict[Location, int] = field(default_factory=dict)

    def line(self, location: Location) -> int:
        """Return the line of a value, or of the nearest one around it."""
        for length in range(len(location), -1, -1):
            if location[:length] in self.lines:
                return self.lines[location[:length]]
        return 1


def read_document(path: Path) -> Document:
    """Read a file by its suffix: .jsonl as JSON Lines, anything else as YAML.

    Raises: MediaError V1 when it cannot be opened; ManifestError B2 with every fault and line.
    """
    check_input(path)
    if path.stat().st_size > MAXIMUM_BYTES:
        problem = f"is larger than {MAXIMUM_BYTES // 2**20} MiB"
        raise UsageError("B2", path, problem, "split it into several manifests")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(
            "B2", path, f"is not UTF-8 at byte {error.start}", "save as UTF-8"
        ) from None
    return _read_lines(text, path) if path.suffix.lower() == ".jsonl" else _read_yaml(text, path)


def _read_lines(text: str, path: Path) -> Document:
    """Read one JSON object a line; every bad line is told."""
    document, faults = Document([]), []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            value = json.loads(line, object_pairs_hook=_without_duplicates)
            if not isinstance(value, dict):
                raise ValueError("is no JSON object")
        except (ValueError, RecursionError) as error:
            faults.append(Fault(number, f"is no JSON object: {error}", "B3"))
            continue
        document.lines[len(document.values),] = number
        document.values.append(value)
    if faults:
        raise ManifestError(path, faults)
    return document


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key, value in pairs:
        if key in values:
            raise ValueError(f"key {key!r} is given twice")
        values[key] = value
    return values


def _read_yaml(text: str, path: Path) -> Document:
    try:
        _check_events(text, path)
        root = yaml.compose(text, yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        raise ManifestError(path, [_yaml_fault(error)]) from None
    except yaml.YAMLError as error:
        raise UsageError("B2", path, f"is not YAML: {error}", "mend it") from None
    document, faults = Document(None), list[Fault]()
    if root is not None:
        document.values = _value(root, (), document, faults)
    if faults:
        raise ManifestError(path, faults)
    return document


def _check_events(text: str, path: Path) -> None:
    """Refuse aliases, deep nesting and masses of nodes before a tree is built of them."""
    depth = 0
    for count, event in enumerate(yaml.parse(text, yaml.SafeLoader)):
        line = event.start_mark.line + 1
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if isinstance(event, yaml.AliasEvent):
            raise ManifestError(path, [Fault(line, "aliases (*name) are not allowed")])
        if depth > MAXIMUM_DEPTH:
            raise ManifestError(path, [Fault(line, f"is nested deeper than {MAXIMUM_DEPTH}")])
        if count > MAXIMUM_NODES:
            raise ManifestError(path, [Fault(line, f"has more than {MAXIMUM_NODES} values")])


def _yaml_fault(error: yaml.MarkedYAMLError) -> Fault:
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    return Fault(line, f"is not YAML: {error.problem} (column {column})")


def _value(node: yaml.Node, location: Location, document: Document, faults: list[Fault]) -> Any:
    """Return a node as a plain value, noting lines; keys are always text."""
    line = node.start_mark.line + 1
    document.lines.setdefault(location, line)
    _check_tag(node, faults)
    if isinstance(node, yaml.MappingNode):
        values: dict[str, Any] = {}
        for key, item in node.value:
            name, at = str(key.value), key.start_mark.line + 1
            if name in values:
                faults.append(Fault(at, f"key {name!r} is given twice"))
            document.lines[(*location, name)] = at
            values[name] = _value(item, (*location, name), document, faults)
        return values
    if isinstance(node, yaml.SequenceNode):
        return [
            _value(item, (*location, index), document, faults)
            for index, item in enumerate(node.value)
        ]
    return _scalar(node, faults)


def _check_tag(node: yaml.Node, faults: list[Fault]) -> None:
    if node.tag.removeprefix(CORE) not in (*SCALARS, "map", "seq", "timestamp"):
        faults.append(Fault(node.start_mark.line + 1, f"tag {node.tag!r} is not allowed"))


def _scalar(node: yaml.Node, faults: list[Fault]) -> Any:
    """Return text, a number, a truth value or None; dates stay text."""
    if node.tag.removeprefix(CORE) not in SCALARS:
        return node.value
    loader = yaml.SafeLoader("")
    try:
        return loader.construct_object(node)
    except ValueError as error:
        faults.append(Fault(node.start_mark.line + 1, f"{node.value!r}: {error}"))
        return None
    finally:
        loader.dispose()
