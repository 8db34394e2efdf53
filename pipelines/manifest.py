"""The manifest of a batch: characters x clips x settings, checked whole before anything starts.

    output: "out/{character}/{clip}.v{version:03}.mp4"
    version: 1
    settings: {seed: 7}
    characters:
      hero: {reference: characters/hero.png, prompt: a knight}
    clips:
      dance: {driver: clips/dance.mp4, frames: 0-47}
    overrides:
      - {character: hero, clip: dance, seed: 8}

Settings are those of `RenderJob`; nearer ones win: settings, character, clip, override. JSON Lines
has one clip a line instead: a name and the same settings.
"""

import difflib
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from dtvideo.errors import UsageError
from dtvideo.models.presets import presets
from dtvideo.models.sources import TOON, is_hub_id
from dtvideo.profiles import PROFILES
from pipelines import job as settings_of
from pipelines.job import PATH_SETTINGS, RenderJob
from pipelines.manifest_file import Document, Fault, Location, ManifestError, read_document
from poses.errors import ExplainedError

DEFAULT_OUTPUT = "out/{character}/{clip}{suffix}"
TEMPLATE = re.compile(r"\{([a-z_]+)(?::0(\d))?\}")
RESERVED = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?")
IMPOSSIBLE = re.compile(r'[<>:"|?*\\\x00-\x1f]')
LONGEST_NAME = 240
"""Bytes; systems end at 255, and what lies beside a result has longer names."""
BATCH_THREADS = 1

PARSERS: Mapping[str, Callable[[str], Any]] = {
    "size": settings_of.parse_size,
    "frames": settings_of.parse_frames,
    "rate": settings_of.parse_rate,
    "background": settings_of.parse_background,
    "cache_memory": settings_of.parse_bytes,
    "person": settings_of.parse_person,
    "reference_person": settings_of.parse_person,
}
"""Settings that are written as on the command line."""
NAMED: Mapping[str, Callable[[str], bool]] = {
    "model": lambda text: text == TOON or text in presets() or is_hub_id(text),
    "controlnet": is_hub_id,
    "vae": is_hub_id,
    "matte": lambda text: re.fullmatch(r"[A-Za-z0-9][\w-]*", text) is not None,
}
"""Settings that hold a name or a path, and what has the form of a name."""
PAIRS: Mapping[str, Callable[[str], tuple[str, Any]]] = {
    "loras": settings_of.parse_lora,
    "embeddings": settings_of.parse_embedding,
    "ip_adapters": settings_of.parse_ip_adapter,
}
"""Settings that hold files, each with a number or a word, written as on the command line."""
PAIR = {"character", "clip", "skip"}
NOT_IN_A_MANIFEST = {"output", "overwrite", "resume"}


def _settings_model() -> type[BaseModel]:
    """Return a model whose fields are the settings of `RenderJob`, all of them optional."""
    hints = get_type_hints(RenderJob)
    written: dict[str, Any] = {name: str | int | float for name in PARSERS}
    written |= dict.fromkeys(PATH_SETTINGS, str) | dict.fromkeys(PAIRS, list[str])
    fields: dict[str, Any] = {
        name: (written.get(name, kind) | None, None)
        for name, kind in hints.items()
        if name not in NOT_IN_A_MANIFEST
    }
    strict = ConfigDict(extra="forbid", protected_namespaces=())
    told = "Settings of a character, a clip or all of a batch: those of `RenderJob`, all optional."
    return create_model("Settings", __config__=strict, __doc__=told, **fields)


Settings = _settings_model()
Override: Any = create_model(
    "Override",
    __base__=Settings,
    __doc__="Settings of one character in one clip, or that there is no such clip.",
    character=(str, ...),
    clip=(str, ...),
    skip=(bool, False),
)
Line = create_model(
    "Line",
    __base__=Settings,
    __doc__="A clip of a JSON Lines manifest: its name, its output and its settings.",
    name=(str, ...),
    output=(str, ...),
)


class Manifest(BaseModel):
    """What a YAML manifest holds."""

    model_config = ConfigDict(extra="forbid")

    characters: dict[str, Settings] = Field(min_length=1)  # type: ignore[valid-type]
    clips: dict[str, Settings] = Field(min_length=1)  # type: ignore[valid-type]
    output: str = DEFAULT_OUTPUT
    version: int = Field(1, ge=0, le=999_999)
    settings: Settings = Settings()  # type: ignore[valid-type]
    overrides: list[Override] = []


@dataclass(frozen=True)
class ClipJob:
    """One clip of a batch: its name, the line that asks for it, and what to render."""

    name: str
    line: int
    job: RenderJob


@dataclass(frozen=True)
class _Row:
    """A clip before its paths and settings are read."""

    name: str
    location: Location
    template: str
    names: Mapping[str, str | int]
    values: Mapping[str, Any]


def load_manifest(
    path: Path, *, output: Path | None = None, allow_outside: bool = False
) -> list[ClipJob]:
    """Read a manifest and return every clip of it, in order; equal lines count once.

    output: the folder that results stay inside of, the manifest's own by default.
    allow_outside: let inputs lie outside the manifest's folder.
    Raises: MediaError V1 when it cannot be opened; ManifestError with every fault at once: B1 for
    paths, B2 and B3 for what is written, F6 for two clips with one result, V1 for missing inputs.
    """
    document = read_document(path)
    rows, faults = _rows(document, path)
    reader = _Reader(path.resolve().parent, (output or path.parent).resolve(), allow_outside)
    clips: list[ClipJob] = []
    for row in rows:
        line = document.line(row.location)
        try:
            clips.append(ClipJob(row.name, line, reader.job(row)))
        except ExplainedError as error:
            problem = f"{row.name}: {error.subject}: {error.problem}"
            remedy = f" · {error.remedy}" if error.remedy else ""
            faults.append(Fault(line, problem + remedy, error.code))
    clips, collisions = without_collisions(clips)
    if faults or collisions:
        raise ManifestError(path, [*faults, *collisions])
    return clips


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of a YAML manifest, for editors."""
    return Manifest.model_json_schema()


def _rows(document: Document, path: Path) -> tuple[list[_Row], list[Fault]]:
    if isinstance(document.values, list):
        return _line_rows(document)
    try:
        manifest = Manifest.model_validate(document.values)
    except ValidationError as error:
        raise ManifestError(path, _faults(error, document, ())) from None
    faults = [
        Fault(
            document.line(("overrides", index)), f"there is no {kind} {name!r}{_near(name, known)}"
        )
        for index, each in enumerate(manifest.overrides)
        for kind, name, known in (
            ("character", each.character, manifest.characters),
            ("clip", each.clip, manifest.clips),
        )
        if name not in known
    ]
    return list(_crossed(manifest)), faults


def _crossed(manifest: Manifest) -> Iterator[_Row]:
    """Yield characters x clips, with the override of each pair."""
    overrides = {(each.character, each.clip): each for each in manifest.overrides}
    for character, drawn in manifest.characters.items():
        for clip, danced in manifest.clips.items():
            override = overrides.get((character, clip))
            if override is not None and override.skip:
                continue
            values: dict[str, Any] = {}
            for level in (manifest.settings, drawn, danced, override):
                values |= level.model_dump(exclude_unset=True, exclude=PAIR) if level else {}
            yield _Row(
                name=f"{character}/{clip}",
                location=("clips", clip),
                template=manifest.output,
                names={
                    "character": character,
                    "clip": clip,
                    "version": manifest.version,
                    "seed": values.get("seed") or 0,
                },
                values=values,
            )


def _line_rows(document: Document) -> tuple[list[_Row], list[Fault]]:
    rows, faults = [], []
    for index, values in enumerate(document.values):
        try:
            line = Line.model_validate(values)
        except ValidationError as error:
            faults += _faults(error, document, (index,))
            continue
        given = line.model_dump(exclude_unset=True)
        name, template = given.pop("name"), given.pop("output")
        names = {"clip": name, "seed": given.get("seed") or 0}
        rows.append(_Row(name, (index,), template, names, given))
    return rows, faults


def _faults(error: ValidationError, document: Document, before: Location) -> list[Fault]:
    faults = []
    for found in error.errors():
        location = (*before, *found["loc"])
        where = ".".join(map(str, found["loc"]))
        problem = f"{where}: {found['msg']}"
        if found["type"] == "extra_forbidden":
            key = str(found["loc"][-1])
            problem = f"{where}: is no setting{_near(key, _known_keys(found['loc']))}"
        faults.append(Fault(document.line(location), problem))
    return faults


def _known_keys(location: tuple[str | int, ...]) -> list[str]:
    """Return the keys that could stand in place of an unknown one."""
    if len(location) == 1:
        return [*Manifest.model_fields, *Line.model_fields]
    return [*Override.model_fields]


def _near(word: str, known: Any) -> str:
    near = difflib.get_close_matches(word, list(known), n=1)
    return f" · did you mean {near[0]!r}?" if near else ""


@dataclass(frozen=True)
class _Reader:
    """Turns rows into jobs, inside the folders that they may use."""

    root: Path
    results: Path
    allow_outside: bool

    def job(self, row: _Row) -> RenderJob:
        values = {name: value for name, value in row.values.items() if value is not None}
        read: dict[str, Any] = {"threads": BATCH_THREADS, "resume": True}
        for name, value in values.items():
            if name in PATH_SETTINGS:
                read[name] = self._input(value)
            elif name in PARSERS:
                read[name] = PARSERS[name](str(value))
            elif name in NAMED:
                read[name] = self._name_or_path(value, NAMED[name])
            elif name in PAIRS:
                pairs = map(PAIRS[name], value)
                read[name] = tuple((str(self._input(file)), told) for file, told in pairs)
            else:
                read[name] = value
        if "reference" not in read:
            raise _fault("reference", "is missing", "every character needs a picture")
        ending = PROFILES[read["profile"]].ending if read.get("profile") in PROFILES else ".mp4"
        read["output"] = self._output(expand(row.template, {**row.names, "suffix": ending}))
        return RenderJob(**read)

    def _input(self, text: str) -> Path:
        path = _inside(text, self.root, confined=not self.allow_outside)
        if not path.exists():
            raise _fault(text, "is missing", "paths start at the manifest's folder", code="V1")
        return path

    def _name_or_path(self, text: str, is_name: Callable[[str], bool]) -> str:
        """Return the path of what lies in the manifest's folder, else a name as it is."""
        if text == TOON or (is_name(text) and not (self.root / text).exists()):
            return text
        return str(self._input(text))

    def _output(self, text: str) -> Path:
        for part in Path(text).parts:
            impossible = RESERVED.fullmatch(part) or IMPOSSIBLE.search(part) or part[-1] in ". "
            if impossible or len(part.encode()) > LONGEST_NAME:
                problem = f"{part!r} is no file name on every system"
                raise _fault(text, problem, "rename the character or the clip")
        return _inside(text, self.results, confined=True)


def expand(template: str, names: Mapping[str, str | int]) -> str:
    """Fill `{name}` and `{name:03}` into a template; nothing else in braces is possible.

    Raises: UsageError B1 naming what is not known, or a name that would change folders.
    """

    def fill(match: re.Match[str]) -> str:
        name, width = match[1], int(match[2] or 0)
        if name not in names:
            known = ", ".join(f"{{{each}}}" for each in names)
            raise _fault(template, f"{{{name}}} is unknown", f"use {known}")
        value = str(names[name])
        if "/" in value or "\\" in value or value in (".", ".."):
            raise _fault(template, f"{name} {value!r} is no file name", "rename it")
        return value.zfill(width)

    if re.search(r"[{}]", TEMPLATE.sub("", template)):
        raise _fault(template, "has braces that are no {name}", "write {name} or {name:03}")
    return TEMPLATE.sub(fill, template)


def _inside(text: str, root: Path, *, confined: bool) -> Path:
    """Return a path below a folder.

    Raises: UsageError B1 when it leaves that folder, also through a link.
    """
    if "\x00" in text:
        raise _fault(text, "holds a NUL character", "rename it")
    if confined and (text.startswith(("/", "~", "\\")) or re.match(r"[A-Za-z]:", text)):
        raise _fault(text, "is not relative", f"write it from {root}")
    path = root / text
    if confined and not path.resolve().is_relative_to(root):
        raise _fault(text, f"leads out of {root}", "move it inside, or see --allow-outside")
    return path


def without_collisions(clips: list[ClipJob]) -> tuple[list[ClipJob], list[Fault]]:
    """Drop clips that are asked for twice; refuse different ones with one result.

    Results are one when they, or what lies beside them, would be the same file on any system:
    upper and lower case, and composed and decomposed letters, count as equal.
    """
    first: dict[str, ClipJob] = {}
    faults = []
    for clip in clips:
        key = unicodedata.normalize("NFKC", str(clip.job.beside(".json"))).casefold()
        other = first.setdefault(key, clip)
        if other.job != clip.job:
            problem = f"{clip.name}: writes {clip.job.target.name}, as {other.name} does"
            faults.append(Fault(clip.line, f"{problem} (line {other.line})", "F6"))
    return list(first.values()), faults


def _fault(subject: str, problem: str, remedy: str, *, code: str = "B1") -> UsageError:
    return UsageError(code, subject, problem, remedy)
