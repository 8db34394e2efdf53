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

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dtvideo.frame_names import frame_path, is_sequence
from dtvideo.profiles import PROFILES
from pipelines.job import RenderJob
from pipelines.manifest_draft import draft, find_job_faults, is_placed
from pipelines.manifest_file import Document, Fault, Location, ManifestError, read_document
from pipelines.manifest_settings import PAIR, STAND_IN, Line, Manifest, Settings, check, near
from pipelines.manifest_values import LOST, ValueReader, alike, as_fault, expand, named_fault

BATCH_THREADS = 1
WHOLLY = "*"
NEEDED = {"profile": "{suffix", "seed": "{seed"}
"""Settings that a template may need."""

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

    values: each setting with the place where it stands; lost: settings that cannot be known, among
    them `output` where the template is; is_clip: else there are only values to be read.
    """

    name: str
    location: Location
    template: str
    names: Mapping[str, str | int]
    values: Mapping[str, tuple[Location, Any]]
    lost: frozenset[str] = frozenset()
    is_clip: bool = True


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
    faults = [*checked.faults, *_override_faults(checked.values, checked.lost, document)]
    rows = list(_crossed(checked.values, _by_level(checked.lost)))
    for place, written in document.again.items():
        settings = {name: value for name, value in written.items() if name not in PAIR}
        twice = check(Settings, settings, document, place)
        faults += twice.faults
        if twice.values is not None:
            rows.append(_only_values([(place, twice.values)]))
    return rows, faults


def _override_faults(
    manifest: Manifest, lost: frozenset[Location], document: Document
) -> Iterator[Fault]:
    """Yield a fault for each override of nothing, or of a pair that has one already."""
    first: dict[tuple[str, str], int] = {}
    for index, each in enumerate(manifest.overrides):
        line = document.line(("overrides", index))
        for kind, name, known in (
            ("character", each.character, manifest.characters),
            ("clip", each.clip, manifest.clips),
        ):
            if name not in known and STAND_IN not in (name, *known):
                yield Fault(line, f"there is no {kind} {name!r}{near(name, known)}")
        if STAND_IN in (each.character, each.clip):
            continue
        before = first.setdefault((each.character, each.clip), index)
        if index != before:
            told = f"has an override already, line {document.line(('overrides', before))}"
            yield Fault(line, f"{each.character}/{each.clip} {told}")


def _crossed(manifest: Manifest, lost: Mapping[Location, set[str]]) -> Iterator[_Row]:
    """Yield characters x clips, with the first override of each pair; then the values of all."""
    overrides: dict[tuple[str, str], int] = {}
    for index, each in enumerate(manifest.overrides):
        overrides.setdefault((each.character, each.clip), index)
    for character, drawn in manifest.characters.items():
        for clip, danced in manifest.clips.items():
            levels: list[tuple[Location, Any]] = [
                (("settings",), manifest.settings),
                (("characters", character), drawn),
                (("clips", clip), danced),
            ]
            number = overrides.get((character, clip))
            if number is not None:
                levels.append((("overrides", number), manifest.overrides[number]))
            if number is None or not manifest.overrides[number].skip:
                yield _pair(manifest, character, clip, levels, lost)
    for index, each in enumerate(manifest.overrides):
        if not each.skip:
            yield _only_values([(("overrides", index), each)])


def _pair(
    manifest: Manifest,
    character: str,
    clip: str,
    levels: Sequence[tuple[Location, Any]],
    lost: Mapping[Location, set[str]],
) -> _Row:
    """Return the row of a character in a clip; where one of them is a stand-in, only values."""
    if (("characters",) in lost and character == STAND_IN) or (
        ("clips",) in lost and clip == STAND_IN
    ):
        return _only_values(levels)
    values = _nearest(levels)
    seed = values.get("seed", ((), 0))[1] or 0
    return _Row(
        name=f"{character}/{clip}",
        location=("clips", clip),
        template=manifest.output,
        names={"character": character, "clip": clip, "version": manifest.version, "seed": seed},
        values=values,
        lost=_lost_settings(levels, lost) | ({"output"} if ("output",) in lost else set()),
    )


def _only_values(levels: Sequence[tuple[Location, Any]]) -> _Row:
    """Return a row of which only the values are read, for it belongs to no clip that is known."""
    return _Row("", levels[-1][0], "", {}, _nearest(levels), is_clip=False)


def _by_level(lost: Iterable[Location]) -> dict[Location, set[str]]:
    """Return which settings are lost of each level, such as a character, or that it is WHOLLY."""
    found: dict[Location, set[str]] = {}
    for place in lost:
        found.setdefault(place, set()).add(WHOLLY)
        for size in (1, 2):
            if len(place) > size:
                found.setdefault(place[:size], set()).add(str(place[size]))
    return found


def _lost_settings(
    levels: Sequence[tuple[Location, Any]], lost: Mapping[Location, set[str]]
) -> frozenset[str]:
    """Return which settings of several levels cannot be known, for the nearest is lost."""
    found: set[str] = set()
    for place, level in levels:
        found -= level.model_fields_set
        here = lost.get(place, set())
        found |= Settings.model_fields.keys() if WHOLLY in here else here
    return frozenset(found)


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
            levels = [((index,), checked.values)]
            values = _nearest(levels)
            name, template = values.pop("name")[1], values.pop("output")[1]
            names = {"clip": name, "seed": values.get("seed", ((), 0))[1] or 0}
            lost = _lost_settings(levels, _by_level(checked.lost))
            rows.append(
                _Row(name, (index,), template, names, values, lost, is_clip="name" not in lost)
            )
    return rows, faults


def _job(row: _Row, reader: ValueReader, document: Document) -> RenderJob | None:
    """Return what a row asks for, as a draft where something of it cannot be read.

    Faults are noted in the reader; what can only follow from a fault that is told is not told.
    """
    found = {
        name: reader.value(name, value, place)
        for name, (place, value) in row.values.items()
        if value is not None
    }
    if not row.is_clip:
        return None
    lost = {*row.lost, *(name for name, value in found.items() if value is LOST)}
    read: dict[str, Any] = {"threads": BATCH_THREADS, "resume": True}
    read |= {name: value for name, value in found.items() if name not in lost}
    output = _output(row, reader, read, lost)
    if output is LOST:
        lost.add("output")
    else:
        read["output"] = output
    if "reference" not in read and "reference" not in lost:
        missing = named_fault("reference", "is missing", "every character needs a picture")
        reader.note(row.location, as_fault(missing, row.name))
        lost.add("reference")
    sketch = draft(read, lost)
    errors = find_job_faults(sketch)
    for error in errors:
        reader.note(row.location, as_fault(error, row.name))
    return sketch if lost or errors else RenderJob(**read)


def _output(row: _Row, reader: ValueReader, read: Mapping[str, Any], lost: set[str]) -> Any:
    """Return where the result of a row goes, or LOST."""
    needed = {"output"} | {name for name, word in NEEDED.items() if word in row.template}
    if needed & lost:
        return LOST
    ending = PROFILES[read["profile"]].ending if read.get("profile") else ".mp4"
    return reader.output(
        row.template,
        {**row.names, "suffix": ending},
        row.location,
        template_place=(*(row.location if "character" not in row.names else ()), "output"),
    )


def _without_collisions(clips: list[ClipJob]) -> tuple[list[ClipJob], list[Fault]]:
    """Drop clips that are asked for twice; refuse different ones with one name or one result.

    Results are one when they, or what lies beside them, would be the same file on any system:
    upper and lower case, and composed and decomposed letters, count as equal.
    """
    first: dict[tuple[str, str], ClipJob] = {}
    kept, faults = [], []
    for clip in filter(lambda clip: is_placed(clip.job), clips):
        keys = [("name", clip.name), *(("file", name) for name in _files(clip.job))]
        others = [other for key in keys if (other := first.get(key))]
        if any(vars(other.job) == vars(clip.job) for other in others):
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


def _files(job: RenderJob) -> set[str]:
    """Return what a result may share with no other: its place, its side-car, its first frame.

    Frames of another kind of picture count as the same, for a sequence owns these as well.
    """
    target = job.target
    files = {target, job.beside(".json")}
    if is_sequence(target):
        files.add(frame_path(target, 0).with_suffix(""))
    return {alike(str(path)) for path in files}


def _eaten(clips: Sequence[ClipJob]) -> Iterator[Fault]:
    """Yield a fault for each clip whose result would replace what any clip is made of."""
    inputs = {path.resolve() for clip in clips for path in clip.job.inputs}
    for clip in clips:
        job = clip.job
        for path in (job.target, job.beside(".json"), job.beside(".sheet.png")):
            if path.resolve() in inputs:
                yield Fault(clip.line, f"{clip.name}: writes {path.name}, which is an input", "F7")
