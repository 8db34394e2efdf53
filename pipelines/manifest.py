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

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dtvideo.profiles import PROFILES
from pipelines.job import RenderJob
from pipelines.manifest_file import Document, Fault, Location, ManifestError, read_document
from pipelines.manifest_settings import PAIR, Line, Manifest, check, kept_overrides, near
from pipelines.manifest_values import LOST, ValueReader, as_fault, expand, named_fault
from poses.errors import ExplainedError

BATCH_THREADS = 1

__all__ = ["BATCH_THREADS", "ClipJob", "expand", "json_schema", "load_manifest"]


@dataclass(frozen=True)
class ClipJob:
    """One clip of a batch: its name, the line that asks for it, and what to render."""

    name: str
    line: int
    job: RenderJob


@dataclass(frozen=True)
class _Row:
    """A clip before its paths and settings are read.

    values: each setting with the place where it stands; whole: whether none was left out.
    """

    name: str
    location: Location
    template: str
    names: Mapping[str, str | int]
    values: Mapping[str, tuple[Location, Any]]
    whole: bool


def load_manifest(
    path: Path, *, output: Path | None = None, allow_outside: bool = False
) -> list[ClipJob]:
    """Read a manifest and return every clip of it, in order; equal lines count once.

    output: the folder that results stay inside of, the manifest's own by default.
    allow_outside: let inputs lie outside the manifest's folder.
    Raises: MediaError V1 when it cannot be opened; ManifestError with every fault at once: B1 for
    paths, B2 and B3 for what is written, F6 for two clips with one result, F7 for a result that
    is an input, V1 for missing inputs.
    """
    document = read_document(path)
    rows, faults = _rows(document)
    reader = ValueReader(path.resolve().parent, (output or path.parent).resolve(), allow_outside)
    clips = []
    for row in rows:
        job = _job(row, reader, document)
        if job is not None:
            clips.append(ClipJob(row.name, document.line(row.location), job))
    clips, collisions = _without_collisions(clips)
    told = [*document.faults, *faults, *reader.faults(document), *collisions, *_eaten(clips)]
    if not told and not clips:
        told = [Fault(1, "asks for no clip")]
    if told:
        raise ManifestError(path, list(dict.fromkeys(told)))
    return clips


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of a YAML manifest, for editors."""
    return Manifest.model_json_schema()


def _rows(document: Document) -> tuple[list[_Row], list[Fault]]:
    if document.is_lines:
        return _line_rows(document)
    checked = check(Manifest, document.values, document, ())
    if checked.values is None:
        return [], list(checked.faults)
    broken = {place[:length] for place in checked.lost for length in (1, 2)}
    indices = kept_overrides(document, checked.lost)
    faults = [*checked.faults, *_override_faults(checked.values, indices, document)]
    return list(_crossed(checked.values, indices, broken)), faults


def _override_faults(
    manifest: Manifest, indices: Sequence[int], document: Document
) -> Iterator[Fault]:
    """Yield a fault for each override of nothing, or of a pair that has one already."""
    first: dict[tuple[str, str], int] = {}
    for index, each in zip(indices, manifest.overrides, strict=True):
        line = document.line(("overrides", index))
        for kind, name, known in (
            ("character", each.character, manifest.characters),
            ("clip", each.clip, manifest.clips),
        ):
            if name not in known:
                yield Fault(line, f"there is no {kind} {name!r}{near(name, known)}")
        before = first.setdefault((each.character, each.clip), line)
        if document.line(("overrides", index)) != before:
            yield Fault(
                line, f"{each.character}/{each.clip} has an override already, line {before}"
            )


def _crossed(manifest: Manifest, indices: Sequence[int], broken: set[Location]) -> Iterator[_Row]:
    """Yield characters x clips, with the first override of each pair."""
    overrides: dict[tuple[str, str], tuple[Location, Any]] = {}
    for index, each in zip(indices, manifest.overrides, strict=True):
        overrides.setdefault((each.character, each.clip), (("overrides", index), each))
    for character, drawn in manifest.characters.items():
        for clip, danced in manifest.clips.items():
            levels: list[tuple[Location, Any]] = [
                (("settings",), manifest.settings),
                (("characters", character), drawn),
                (("clips", clip), danced),
            ]
            if override := overrides.get((character, clip)):
                if override[1].skip:
                    continue
                levels.append(override)
            values = _nearest(levels)
            yield _Row(
                name=f"{character}/{clip}",
                location=("clips", clip),
                template=manifest.output,
                names={
                    "character": character,
                    "clip": clip,
                    "version": manifest.version,
                    "seed": values.get("seed", ((), 0))[1] or 0,
                },
                values=values,
                whole=not any(place in broken for place, _ in levels),
            )


def _nearest(levels: Sequence[tuple[Location, Any]]) -> dict[str, tuple[Location, Any]]:
    """Return the settings of several levels, the later ones before the earlier."""
    return {
        name: ((*place, name), value)
        for place, level in levels
        for name, value in level.model_dump(exclude_unset=True, exclude=PAIR).items()
    }


def _line_rows(document: Document) -> tuple[list[_Row], list[Fault]]:
    rows: list[_Row] = []
    faults: list[Fault] = []
    for index, written in enumerate(document.values):
        checked = check(Line, written, document, (index,))
        faults += checked.faults
        if checked.values is not None:
            values = _nearest([((index,), checked.values)])
            name, template = values.pop("name")[1], values.pop("output")[1]
            names = {"clip": name, "seed": values.get("seed", ((), 0))[1] or 0}
            rows.append(_Row(name, (index,), template, names, values, not checked.lost))
    return rows, faults


def _job(row: _Row, reader: ValueReader, document: Document) -> RenderJob | None:
    """Return what a row asks for, as far as it can be read; None when that is no job.

    Faults are noted in the reader; what can only follow from a fault that is told is not told.
    """
    read: dict[str, Any] = {"threads": BATCH_THREADS, "resume": True}
    found = {
        name: reader.value(name, value, place)
        for name, (place, value) in row.values.items()
        if value is not None
    }
    read |= {name: value for name, value in found.items() if value is not LOST}
    ending = PROFILES[read["profile"]].ending if read.get("profile") else ".mp4"
    names = {**row.names, "suffix": ending}
    output = reader.output(row.template, names, row.location)
    if output is LOST:
        return None
    whole = row.whole and LOST not in found.values()
    try:
        if "reference" not in read:
            raise named_fault("reference", "is missing", "every character needs a picture")
        return RenderJob(output=output, **read)
    except ExplainedError as error:
        if whole:
            reader.note(row.location, as_fault(error, row.name))
        return None


def _without_collisions(clips: list[ClipJob]) -> tuple[list[ClipJob], list[Fault]]:
    """Drop clips that are asked for twice; refuse different ones with one name or one result.

    Results are one when they, or what lies beside them, would be the same file on any system:
    upper and lower case, and composed and decomposed letters, count as equal.
    """
    first: dict[tuple[str, str], ClipJob] = {}
    kept, faults = [], []
    for clip in clips:
        files = {_same(clip.job.target), _same(clip.job.beside(".json"))}
        keys = [("name", clip.name), *(("file", name) for name in files)]
        others = [other for key in keys if (other := first.get(key))]
        if any(other.job == clip.job for other in others):
            continue
        kept.append(clip)
        if others:
            other = others[0]
            shared = f"writes {clip.job.target.name}, as {other.name} does"
            told = "has a name that is taken" if other.name == clip.name else shared
            faults.append(Fault(clip.line, f"{clip.name}: {told} (line {other.line})", "F6"))
        for key in keys:
            first.setdefault(key, clip)
    return kept, faults


def _same(path: Path) -> str:
    """Return what two names have in common that some system takes for one."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", str(path)).casefold())


def _eaten(clips: Sequence[ClipJob]) -> Iterator[Fault]:
    """Yield a fault for each clip whose result would replace what any clip is made of."""
    inputs = {path.resolve() for clip in clips for path in clip.job.inputs}
    for clip in clips:
        job = clip.job
        for path in (job.target, job.beside(".json"), job.beside(".sheet.png")):
            if path.resolve() in inputs:
                yield Fault(clip.line, f"{clip.name}: writes {path.name}, which is an input", "F7")
