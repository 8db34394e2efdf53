"""Settings of a job from the plain values in a side-car or from another process."""

import os
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from pipelines.character_job import FILE_PAIRS, CharacterJob, refusal
from poses.detectors import split_detector

PATH_SETTINGS = {
    *("reference", "driver", "poses", "output", "reference_pose", "reference_mask"),
    *("c2pa_cert", "c2pa_key"),
}
PICTURE_PATHS = {"pose", "depth"}
"""Paths that only a job of pictures has."""
NAME_OR_PATH = {"model", "controlnet", "depth_controlnet", "vae", "matte"}
DETECTORS = ("detector", "reference_detector")
"""Names that may tell a folder after a colon."""


def settings_from_plain(
    kind: type[CharacterJob], values: Mapping[str, Any], *, beside: Path = Path()
) -> dict[str, Any]:
    """Return the settings for a kind of job from what its `settings` gave.

    beside: the folder that relative paths start from.
    Raises: UsageError M11 for an unknown setting.
    """
    known = {field.name for field in fields(kind)}
    if unknown := sorted(set(values) - known):
        raise refusal("recipe", unknown[0], "use the dtvideo that wrote it")
    read = {name: values[name] for name in values if values[name] is not None}
    for name in (PATH_SETTINGS | PICTURE_PATHS) & read.keys():
        read[name] = beside / read[name]
    for name in ("size", "frames", "background", "person", "reference_person"):
        if isinstance(read.get(name), list):
            read[name] = tuple(read[name])
    for name in NAME_OR_PATH & read.keys():
        read[name] = _from(beside, read[name])
    for name in DETECTORS:
        detector, folder = split_detector(read.get(name, ""))
        if folder:
            read[name] = f"{detector}:{_from(beside, folder)}"
    for name in FILE_PAIRS:
        read[name] = tuple((_from(beside, file), told) for file, told in read.get(name, ()))
    return read


def _from(folder: Path, text: str) -> str:
    """Return a path that begins with a dot as one that starts at a folder; names stay names."""
    return os.path.join(folder, text) if text.startswith(".") else text
