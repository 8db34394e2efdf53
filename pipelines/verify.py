"""Check results against their side-cars: what is there must be what was written."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dtvideo.errors import MediaError
from dtvideo.files import check_input
from pipelines.sidecar import SCHEMA, SCHEMA_VERSION, fingerprint


def read_sidecar(path: Path) -> dict[str, Any]:
    """Read a side-car.

    Raises: MediaError V1 when it cannot be opened, F9 when it is no side-car or a newer one.
    """
    check_input(path)
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        problem = f"is not JSON: {error}"
        raise MediaError("F9", path, problem, "render again with --overwrite") from None
    if not isinstance(told, dict) or told.get("schema") != SCHEMA:
        raise MediaError("F9", path, "is no side-car of dtvideo", "give the .json beside a result")
    if told.get("schema_version") != SCHEMA_VERSION:
        problem = f"has version {told.get('schema_version')}, this is {SCHEMA_VERSION}"
        raise MediaError("F9", path, problem, "use the dtvideo that wrote it")
    return told


def find_faults(sidecar: Path) -> list[str]:
    """Return what is wrong with the outputs that a side-car names; nothing when all is well.

    Raises: as `read_sidecar`.
    """
    told = read_sidecar(sidecar)
    faults = [] if told.get("status") == "done" else [f"the status is {told.get('status')!r}"]
    for output in told.get("outputs", ()):
        path = sidecar.parent / output["path"]
        if not path.is_file():
            faults.append(f"{output['path']} is missing")
        elif not _is_same(path, output):
            faults.append(f"{output['path']} has changed since it was made")
    return faults


def whole_outputs(sidecar: Path) -> list[Path]:
    """Return the outputs that a side-car names and that are as they were written.

    Raises: as `read_sidecar`.
    """
    told = [(sidecar.parent / each["path"], each) for each in read_sidecar(sidecar)["outputs"]]
    return [path for path, output in told if path.is_file() and _is_same(path, output)]


def is_done(sidecar: Path, recipe_hash: str, *, result: Path) -> bool:
    """Tell whether a result is there, whole, and made by the recipe of that hash.

    result: a file of it, for results of several kinds share a side-car.
    """
    try:
        told = read_sidecar(sidecar)
        outputs = {(sidecar.parent / output["path"]).resolve() for output in told["outputs"]}
        same = told.get("recipe_hash") == recipe_hash and result.resolve() in outputs
        return same and not find_faults(sidecar)
    except (MediaError, KeyError):
        return False


def _is_same(path: Path, output: Mapping[str, Any]) -> bool:
    return fingerprint(path) == {key: output[key] for key in ("bytes", "sha256")}
