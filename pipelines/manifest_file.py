"""Read a manifest's text, YAML or JSON Lines, as plain values that know their lines.

Manifests come from anywhere: nothing is constructed but text, lists, tables, and in YAML the words
null, true and false; size, depth and aliases are limited before anything is built. A number in YAML
is the text that was written, 010 or 10:20, which its setting reads as on the command line.
"""

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import yaml

from dtvideo.errors import UsageError
from dtvideo.files import check_input

MAXIMUM_BYTES = 8 * 2**20
MAXIMUM_DEPTH = 12
MAXIMUM_NODES = 200_000
KINDS = tuple(f"tag:yaml.org,2002:{kind}" for kind in ("str", "map", "seq"))
WORDS = {
    **dict.fromkeys(("", "null", "Null", "NULL", "~"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
"""What stands for more than its letters when it has no quotes, as in YAML 1.2."""
ALIAS = "alias"
SPOILT = "\ufffd"
HALVES = "holds half of a character (a surrogate)"
NOTHING_STARTED = "nothing was started"
EMPTY = "leave it out, or put what begins with # in quotes"
LEVELS = ("characters", "clips", "overrides")
"""Tables and a list of tables, each with settings."""

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
        self.faults = tuple(sorted(faults, key=lambda fault: fault.line))
        places = [(each.code, f"{path}:{each.line}", each.problem) for each in self.faults]
        self.details = tuple(str(UsageError(*each)) for each in places if len(places) > 1)
        code, subject, problem = places[0]
        if self.details:
            subject, problem = str(path), f"{len(places)} faults"
        super().__init__(code, subject, problem, NOTHING_STARTED)


@dataclass
class Document:
    """Plain values, on which line each of them begins, and what could not be read.

    lost: where the values are that could not be read. is_lines: whether the values are a list with
    one table for each line of JSON.
    """

    values: Any
    lines: dict[Location, int] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    lost: set[Location] = field(default_factory=set)
    again: dict[Location, dict[str, Any]] = field(default_factory=dict)
    """Settings that are given twice: the later values, by a place of their own."""
    is_lines: bool = False
    is_spoilt: bool = False
    """Whether SPOILT stands in it for what is no text."""

    def lose(self, location: Location, problem: str) -> None:
        """Note that a value could not be read."""
        self.faults.append(Fault(self.line(location), problem))
        self.lost.add(location)

    def line(self, location: Location) -> int:
        """Return the line of a value, or of the nearest one around it."""
        for length in range(len(location), -1, -1):
            if location[:length] in self.lines:
                return self.lines[location[:length]]
        return 1


def read_document(path: Path) -> Document:
    """Read a file by its suffix: .jsonl as JSON Lines, anything else as YAML.

    What can be told apart from the rest is left out and noted in the document's faults.
    Raises: MediaError V1 when it cannot be opened; ManifestError B2 when nothing can be read.
    """
    check_input(path)
    if path.stat().st_size > MAXIMUM_BYTES:
        problem = f"is larger than {MAXIMUM_BYTES // 2**20} MiB"
        raise UsageError("B2", path, problem, "split it into several manifests")
    text, faults = _decoded(path)
    is_lines = path.suffix.lower() == ".jsonl"
    return _read_lines(text, faults) if is_lines else _read_yaml(text, path, faults)


def _decoded(path: Path) -> tuple[str, list[Fault]]:
    """Return a file's text; SPOILT stands for what is no UTF-8, of which the first is told.

    Raises: ManifestError B2 for a text in UTF-16, of which nothing can be read.
    """
    written = path.read_bytes()
    try:
        return written.decode("utf-8-sig"), []
    except UnicodeDecodeError as error:
        line = written[: error.start].count(b"\n") + 1
        problem = f"is not UTF-8 at byte {error.start} · save it as UTF-8"
    faults = [Fault(line, problem)]
    if b"\0" in written:
        raise ManifestError(path, faults)
    return written.decode("utf-8-sig", errors="replace"), faults


def _read_lines(text: str, faults: list[Fault]) -> Document:
    """Read one JSON object a line; every bad line is told."""
    document = Document([], faults=faults, is_lines=True)
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip() or (faults and SPOILT in line):
            continue
        try:
            value = json.loads(line, object_pairs_hook=_without_duplicates)
            if not isinstance(value, dict):
                raise ValueError("only {...} is one")
            json.dumps(value, ensure_ascii=False).encode()
        except (ValueError, RecursionError) as error:
            document.faults.append(Fault(number, f"is no JSON object: {error}", "B3"))
            continue
        document.lines[len(document.values),] = number
        document.values.append(value)
    return document


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key, value in pairs:
        if key in values:
            raise ValueError(f"key {key!r} is given twice")
        values[key] = value
    return values


def _read_yaml(text: str, path: Path, faults: list[Fault]) -> Document:
    unprintable = yaml.reader.Reader.NON_PRINTABLE
    for number, line in enumerate(text.split("\n"), start=1):
        if found := unprintable.search(line):
            problem = f"is not YAML: it holds the character U+{ord(found[0]):04X}"
            faults.append(Fault(number, problem))
    text = unprintable.sub(SPOILT, text)
    try:
        _check_events(text, path, faults)
        root = yaml.compose(text, _Loader)
    except yaml.MarkedYAMLError as error:
        raise ManifestError(path, [*faults, _yaml_fault(error)]) from None
    document = Document(None, faults=faults, is_spoilt=bool(faults))
    document.values = None if root is None else _value(root, (), document)
    if document.values is None:
        raise ManifestError(path, faults or [Fault(1, "is empty · see dtvideo batch init")])
    return document


class _Loader(yaml.SafeLoader):  # type: ignore[misc]
    """Composes nodes, of which every word is text; an alias becomes a word of its own kind."""

    yaml_implicit_resolvers: ClassVar[dict[str, Any]] = {}

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """Return the next node."""
        if not self.check_event(yaml.AliasEvent):
            return super().compose_node(parent, index)
        event = self.get_event()
        return yaml.ScalarNode(ALIAS, event.anchor, event.start_mark, event.end_mark)


def _check_events(text: str, path: Path, faults: list[Fault]) -> None:
    """Refuse deep nesting and masses of nodes before a tree is built of them."""
    depth = 0
    for count, event in enumerate(yaml.parse(text, yaml.SafeLoader)):
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        problem = ""
        if depth > MAXIMUM_DEPTH:
            problem = f"is nested deeper than {MAXIMUM_DEPTH}"
        if count > MAXIMUM_NODES:
            problem = f"has more than {MAXIMUM_NODES} values"
        if problem:
            raise ManifestError(path, [*faults, Fault(event.start_mark.line + 1, problem)])


def _yaml_fault(error: yaml.MarkedYAMLError) -> Fault:
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    return Fault(line, f"is not YAML: {error.problem} (column {column})")


def _value(node: yaml.Node, location: Location, document: Document) -> Any:
    """Return a node as a plain value, noting lines; keys, and names of them, are always text.

    None, with its place noted, for what cannot be read.
    """
    document.lines.setdefault(location, node.start_mark.line + 1)
    problem = _hostile(node)
    if problem:
        document.lose(location, problem)
        return None
    if isinstance(node, yaml.MappingNode):
        return _table(node, location, document)
    if isinstance(node, yaml.SequenceNode):
        return [_value(item, (*location, index), document) for index, item in enumerate(node.value)]
    if document.is_spoilt and SPOILT in node.value:
        document.lost.add(location)
        return None
    if location[:1] == ("overrides",) and location[2:] in (("character",), ("clip",)):
        return node.value  # 0010 is the name that the key 0010 is
    return _scalar(node, location, document)


def _hostile(node: yaml.Node) -> str:
    """Return what is wrong with a node by itself; nothing when all is well."""
    if node.tag == ALIAS:
        return "aliases (*name) are not allowed"
    if node.tag not in KINDS:
        return f"tag {node.tag!r} is not allowed"
    return HALVES if isinstance(node, yaml.ScalarNode) and _has_halves(node.value) else ""


def _has_halves(text: str) -> bool:
    return re.search("[\ud800-\udfff]", text) is not None


def _table(node: yaml.MappingNode, location: Location, document: Document) -> dict[str, Any]:
    """Return a table; what cannot be read is left out, or it would be missed twice."""
    values: dict[str, Any] = {}
    for key, item in node.value:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode) or key.tag == ALIAS:
            document.faults.append(Fault(line, "a key is no plain word"))
            continue
        name = key.value
        if _has_halves(name):
            document.faults.append(Fault(line, HALVES))
            continue
        if document.is_spoilt and SPOILT in name:
            continue
        place, table = (*location, name), values
        if before := document.lines.get(place):
            document.faults.append(Fault(line, f"key {name!r} is given twice (line {before})"))
            place, table = _again(place, line, values, document)
        document.lines[place] = line
        value = _value(item, place, document)
        if place not in document.lost:
            table[str(place[-1])] = value
    return values


def _again(
    place: Location, line: int, values: dict[str, Any], document: Document
) -> tuple[Location, dict[str, Any]]:
    """Return where a second value of a key is kept, so that it is told what is wrong in it, too.

    That is beside the first for a character or a clip, apart for a setting, and else nowhere.
    """
    *around, name = place
    if around in (["characters"], ["clips"]):
        return (*around, f"{name} (line {line})"), values
    apart = (*around[:-1], f"{around[-1] if around else ''} (line {line})")
    is_setting = around == ["settings"] or (len(around) == 2 and around[0] in LEVELS)
    return (*apart, name), document.again.setdefault(apart, {}) if is_setting else {}


def _scalar(node: yaml.ScalarNode, location: Location, document: Document) -> Any:
    """Return the text as it is written, or one of the WORDS without quotes."""
    if node.style:  # in quotes, or a block
        return node.value
    if location and not node.value:
        document.lose(location, f"{location[-1]} is empty · {EMPTY}")
        return None
    return WORDS.get(node.value, node.value)
