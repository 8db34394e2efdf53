"""Check results against their side-cars: what is there must be what was written."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dtvideo.errors import MediaError
from dtvideo.files import check_input
from pipelines.sidecar import SCHEMA, SCHEMA_VERSION, fingerprint

BESIDE = "give the .json beside a result"


def read_sidecar(path: Path) -> dict[str, Any]:
    """Read a side-car.

    Raises: MediaError V1 when it cannot be opened, F9 when it is not a side-car or a newer one.
    """
    check_input(path)
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        if path.suffix.lower() != ".json":
            raise MediaError("F9", path, "is not a side-car", BESIDE) from None
        problem = f"is not JSON: {error}"
        raise MediaError("F9", path, problem, "render again with --overwrite") from None
    if not isinstance(told, dict) or told.get("schema") != SCHEMA:
        raise MediaError("F9", path, "is not a side-car of dtvideo", BESIDE)
    if told.get("schema_version") != SCHEMA_VERSION:
        problem = f"has version {told.get('schema_version')}, this is {SCHEMA_VERSION}"
        raise MediaError("F9", path, problem, "use the dtvideo that wrote it")
    return told


def find_faults(sidecar: Path) -> list[str]:
    """Return what is wrong with the outputs that a side-car names; nothing when all is well.

    Raises: as `read_sidecar`, and MediaError F9 when it names them in no way that is known.
    """
    told = read_sidecar(sidecar)
    faults = [] if told.get("status") == "done" else [f"the status is {told.get('status')!r}"]
    for output in _outputs(told, sidecar):
        path = sidecar.parent / output["path"]
        if not path.is_file():
            faults.append(f"{output['path']} is missing")
        elif not _is_same(path, output):
            faults.append(f"{output['path']} has changed since it was made")
    return faults


def whole_outputs(sidecar: Path) -> list[Path]:
    """Return the outputs that a side-car names and that are as they were written.

    Raises: as `find_faults`.
    """
    outputs = _outputs(read_sidecar(sidecar), sidecar)
    named = [(sidecar.parent / output["path"], output) for output in outputs]
    return [path for path, output in named if path.is_file() and _is_same(path, output)]


def verify(sidecar: Path) -> tuple[int, list[str]]:
    """Return how many files a side-car names, and a line for each fault; it raises none."""
    try:
        told = [
            str(MediaError("F9", sidecar, fault, "render it again"))
            for fault in find_faults(sidecar)
        ]
        return len(_outputs(read_sidecar(sidecar), sidecar)), told
    except MediaError as error:
        return 0, [str(error)]


def is_done(sidecar: Path, recipe_hash: str, *, result: Path) -> bool:
    """Tell whether a result is there, whole, and made by the recipe of that hash.

    result: a file of it, for results of several kinds share a side-car.
    """
    try:
        told = read_sidecar(sidecar)
        named = _outputs(told, sidecar)
        outputs = {(sidecar.parent / output["path"]).resolve() for output in named}
        same = told.get("recipe_hash") == recipe_hash and result.resolve() in outputs
        return same and not find_faults(sidecar)
    except MediaError:
        return False


def _is_same(path: Path, output: Mapping[str, Any]) -> bool:
    return fingerprint(path) == {key: output[key] for key in ("bytes", "sha256")}


def _outputs(told: Mapping[str, Any], sidecar: Path) -> list[dict[str, Any]]:
    """Return the files that a side-car names: each with its path, bytes and hash.

    Raises: MediaError F9 when they are written otherwise.
    """
    outputs = told.get("outputs")
    if not isinstance(outputs, list) or not all(map(_is_output, outputs)):
        problem = "names its files in no known way"
        raise MediaError("F9", sidecar, problem, "render again with --overwrite")
    return outputs


def _is_output(value: Any) -> bool:
    """Tell whether a value names a file as a side-car does."""
    if not isinstance(value, dict) or not {"bytes", "sha256"} <= value.keys():
        return False
    path = value.get("path")
    return isinstance(path, str) and "\0" not in path
