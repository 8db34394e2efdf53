"""What a result is made of, as one hash, and how two such recipes differ, in words.

settings   those of the job that change frames
resolved   what they came to with the model and the reference at hand
contents   the hash of every input, by its role
model      class, scheduler, precision and the hashes of the weights
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pipelines.character_job import FILE_PAIRS
from pipelines.messages import amount
from pipelines.plain_settings import DETECTORS
from poses.detectors import split_detector

INPUT_PATHS = (
    *("reference", "driver", "poses", "pose", "depth", "reference_pose", "reference_mask"),
)
MODEL_NAMES = ("model", "controlnet", "depth_controlnet", "vae")
SECRETS = ("c2pa_cert", "c2pa_key")
"""Who signs is in the signature; where the key lies is nobody's business."""
NOT_IN_THE_FRAMES = (
    *(*INPUT_PATHS, *MODEL_NAMES, *SECRETS, "output", "overwrite", "cache", "resume", "threads"),
    *("max_frames", "max_pixels", "skip_existing", "locked"),
)
"""Settings that change no frame, or that are in a recipe's hash by what they lead to."""
OF_THEIR_OWN = ("threads", "signed")
"""What is resolved from no setting that is compared; the rest follows from settings and model."""
UNKNOWN = "settings, inputs or model were others; an older dtvideo did not note which"
HASH_LENGTH = 64


def recipe_parts(
    recipe: Mapping[str, object],
    inputs: Iterable[Mapping[str, object]],
    model: Mapping[str, object],
) -> dict[str, object]:
    """Return what decides about the frames, wherever inputs and model lie."""
    job = recipe["job"]
    assert isinstance(job, dict)
    settings = {key: value for key, value in job.items() if key not in NOT_IN_THE_FRAMES}
    settings |= {name: [told for _, told in job.get(name, ())] for name in FILE_PAIRS}
    settings |= {name: split_detector(job[name])[0] for name in DETECTORS if job.get(name)}
    settings["matte"] = Path(job["matte"]).name if job.get("matte") else None
    return {
        "settings": settings,
        "resolved": recipe["resolved"],
        "contents": [(entry["role"], entry["sha256"]) for entry in inputs],
        "model": {key: value for key, value in model.items() if key != "name"},
    }


def recipe_hash(
    recipe: Mapping[str, object],
    inputs: Iterable[Mapping[str, object]],
    model: Mapping[str, object],
) -> str:
    """Return one hash over settings, contents of the inputs and model, wherever these lie."""
    parts = [*recipe_parts(recipe, inputs, model).values()]
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def recipe_details(
    recipe: Mapping[str, object],
    inputs: Iterable[Mapping[str, object]],
    model: Mapping[str, object],
) -> dict[str, Any]:
    """Return what the hash is made of, and the names of inputs and model, as plain values."""
    inputs = list(inputs)
    parts = recipe_parts(recipe, inputs, model)
    parts["files"] = {entry["role"]: entry["path"] for entry in inputs}
    parts["name"] = model["name"]
    details: dict[str, Any] = json.loads(json.dumps(parts, default=str))
    return details


def explain(before: Mapping[str, Any] | None, now: Mapping[str, Any]) -> list[str]:
    """Say in what two recipes of different hashes differ, from their details.

    before: None where they were not noted.
    """
    if before is None:
        return [UNKNOWN]
    old, new = (
        {name: each["resolved"].get(name) for name in OF_THEIR_OWN} for each in (before, now)
    )
    told = (
        *differences(before["settings"], now["settings"]),
        *_inputs(before, now),
        *_model(before, now),
        *differences(old, new),
    )
    first = {line.split(" was ")[0]: line for line in reversed(told)}
    named = [line for line in told if line in first.values()]
    return named or differences(before["resolved"], now["resolved"]) or [UNKNOWN]


def differences(before: Mapping[str, object], now: Mapping[str, object]) -> list[str]:
    """Say what differs between two tables, item by item."""
    told = []
    for name in sorted({*before, *now}):
        old, new = before.get(name), now.get(name)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            told += differences(old, new)
        elif old != new and _is_hash(old) and _is_hash(new):
            told.append(f"{name} has other contents")
        elif old != new:
            told.append(f"{name} was {old}, is {new}")
    return told


def _inputs(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    """Yield the inputs of which the contents differ, by their names."""
    old, new = dict(before["contents"]), dict(now["contents"])
    for role in sorted(role for role in {*old, *new} if old.get(role) != new.get(role)):
        was, found = (each["files"].get(role) for each in (before, now))
        same = was == found
        yield f"{role} {found} has other contents" if same else f"{role} was {was}, is {found}"


def _model(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    """Yield in what the models differ: their names, else what they are and which weights."""
    if before["model"] == now["model"]:
        return
    if before["name"] != now["name"]:
        yield f"model was {before['name']}, is {now['name']}"
        return
    old, new = before["model"].get("sha256", {}), now["model"].get("sha256", {})
    files = sorted(name for name in {*old, *new} if old.get(name) != new.get(name))
    if files:
        yield f"{amount(len(files), 'weight file')} of {now['name']} changed, first {files[0]}"
    old, new = ({**each["model"], "sha256": None} for each in (before, now))
    yield from differences(old, new)


def _is_hash(value: object) -> bool:
    """Tell whether a value is a SHA-256 in hexadecimal."""
    return (
        isinstance(value, str) and len(value) == HASH_LENGTH and not value.strip("0123456789abcdef")
    )
