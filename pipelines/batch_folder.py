"""Where a batch keeps its states, logs and report: a folder for each manifest.

It is `batch.batch/` beside `batch.yaml`; where that is the folder of another manifest, such as
`batch.jsonl`, it is `batch.yaml.batch/`. The folder notes whose it is. Those of older versions do
not: there the clips tell.
"""

import json
import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing, suppress
from pathlib import Path

from dtvideo.errors import OutputError
from dtvideo.files import write_json
from pipelines.manifest_file import read_document
from poses.errors import ExplainedError

STORE, LEASE, NOTE = "jobs.sqlite", "lease.json", "manifest.json"
SUFFIXES = (".yaml", ".yml", ".json", ".jsonl")


def batch_folder(manifest: Path) -> Path:
    """Return where a batch keeps its states, logs and report."""
    folders = [manifest.with_name(f"{name}.batch") for name in (manifest.stem, manifest.name)]
    noted = [folder for folder in folders if _owner(folder) == manifest.name]
    free = [folder for folder in folders if _is_free(folder, manifest)]
    return [*noted, *free, folders[-1]][0]


def take_folder(folder: Path, manifest: Path) -> None:
    """Note whose folder it is; its lease is held.

    Raises: OutputError F7 when another manifest was quicker.
    """
    owner = _owner(folder)
    if owner == manifest.name:
        return
    if owner is not None and manifest.with_name(owner).exists():
        raise OutputError("F7", folder, f"is the folder of {owner}", "rename the manifest")
    write_json(folder / NOTE, {"manifest": manifest.name})


def _owner(folder: Path) -> str | None:
    """Return the name of the manifest that a folder notes; None where it notes none."""
    try:
        noted = json.loads((folder / NOTE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    name = noted.get("manifest") if isinstance(noted, dict) else None
    return name if isinstance(name, str) and name and Path(name).name == name else None


def _is_free(folder: Path, manifest: Path) -> bool:
    """Tell whether a manifest can have a folder that does not note it."""
    if not folder.exists():
        return True
    owner = _owner(folder)
    if owner is not None:
        return not manifest.with_name(owner).exists()
    names = dict.fromkeys([*(f"{folder.stem}{suffix}" for suffix in SUFFIXES), manifest.name])
    manifests = [path for name in names if (path := manifest.with_name(name)).exists()]
    rivals = [path for path in manifests if path.name != manifest.name]
    return not rivals or _most_alike(manifests, _clips_of(folder)).name == manifest.name


def _most_alike(manifests: Iterable[Path], clips: set[str]) -> Path:
    """Return the manifest that shares most clips with a folder; the first one of equals."""
    return max(manifests, key=lambda path: len(clips & _clips_in(path)))


def _clips_of(folder: Path) -> set[str]:
    """Return the names of the clips whose states lie in a folder; it is only read."""
    address = f"{(folder / STORE).absolute().as_uri()}?mode=ro"
    with suppress(sqlite3.Error), closing(sqlite3.connect(address, uri=True)) as connection:
        return {str(row[0]) for row in connection.execute("SELECT name FROM clips")}
    return set()


def _clips_in(manifest: Path) -> set[str]:
    """Return the names of the clips that a manifest asks for, as far as it can be read."""
    try:
        document = read_document(manifest)
    except ExplainedError:
        return set()
    if document.is_lines:
        return {str(line.get("name")) for line in document.values}
    characters, clips = (_keys(document.values, name) for name in ("characters", "clips"))
    return {f"{character}/{clip}" for character in characters for clip in clips}


def _keys(values: object, name: str) -> list[str]:
    """Return the keys of a table in a table; none where one of them is something else."""
    table = values.get(name) if isinstance(values, Mapping) else None
    return list(table) if isinstance(table, Mapping) else []
