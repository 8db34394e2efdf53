"""The settings of a training run, kept in its folder, so that no change of them goes unnoticed.

`recipe.json` lies beside a checkpoint and holds the settings that the run was begun with and those
that it had last.
"""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dtvideo.errors import UsageError
from dtvideo.files import write_json
from dtvideo.training.steps import CHECKPOINT, Report
from pipelines.work import read_recipe

RECIPE, BEGUN, LAST = "recipe.json", "begun", "last"


@dataclass(frozen=True)
class RunPart:
    """A part of a run: the folder of its checkpoint, and all that it is made with.

    settings: by name, tables in tables. fixed: the names, dotted in tables, of those without which
    what was learnt is of no use; a table's name stands for all in it.
    """

    folder: Path
    settings: Mapping[str, Any]
    fixed: Collection[str]


def begin_or_go_on(parts: Iterable[RunPart], *, report: Report) -> None:
    """Note what each part of a run is made with; of one that goes on, tell in a line what changed.

    Nothing is noted or told where one of them cannot go on.
    Raises: UsageError B10 when a fixed setting is not that with which the part was begun.
    """
    parts = list(parts)
    notes = [_noted(part.folder) for part in parts]
    for part, note in zip(parts, notes, strict=True):
        if changed := [name for name in _changes(part, note) if _is_fixed(name, part.fixed)]:
            told = "; ".join(_changes(part, note)[name] for name in changed)
            remedy = "give the settings it was begun with, or another folder with --run"
            raise UsageError("B10", part.folder, f"was begun differently: {told}", remedy)
    for part, note in zip(parts, notes, strict=True):
        if changes := _changes(part, note):
            report(f"warning: {part.folder} continues with changes: {'; '.join(changes.values())}")
        now = dict(_flat(part.settings))
        last = {**note.get(LAST, {}), **now}
        write_json(part.folder / RECIPE, {BEGUN: {**last, **note.get(BEGUN, {})}, LAST: last})


def _noted(folder: Path) -> dict[str, dict[str, Any]]:
    """Return what is noted of a part; nothing before its first checkpoint, when all may change."""
    if not (folder / CHECKPOINT).exists():
        return {}
    note = read_recipe(folder / RECIPE)
    return {name: table for name, table in note.items() if isinstance(table, dict)}


def _changes(part: RunPart, note: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Say of each setting that is not as at the beginning, or as it was last, what it was and is.

    What an older version did not note is no change.
    """
    told = {}
    for name, now in _flat(part.settings):
        earlier = [table[name] for table in (note.get(BEGUN, {}), note.get(LAST, {}))
                   if name in table]  # fmt: skip
        if all(value == now for value in earlier):
            continue
        if earlier[-1] in (now, earlier[0]):
            del earlier[1:]
        told[name] = f"{name} was {', then '.join(map(_shown, earlier))}, is {_shown(now)}"
    return told


def _is_fixed(name: str, fixed: Collection[str]) -> bool:
    return any(f"{name}.".startswith(f"{each}.") for each in fixed)


def _shown(value: object) -> str:
    return "none" if value in (None, "") else str(value)


def _flat(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield each setting by its dotted name, as JSON gives it back."""
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", json.loads(json.dumps(value))
