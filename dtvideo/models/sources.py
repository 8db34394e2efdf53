"""Where a model is found: in the package, a folder, one file, or the hub's local cache.

The network is never asked.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from dtvideo.errors import ModelError
from dtvideo.models.index import FILE
from dtvideo.models.presets import Preset, presets
from dtvideo.models.weights import SUFFIX, refuse_pickle

TOON = "toon"
WEIGHTS = Path(__file__).parents[1] / "toon" / "weights"
Kind = Literal["toon", "folder", "file", "hub", "preset"]


@dataclass(frozen=True)
class ModelSource:
    """A model that was found: what kind of source it is, and its folder or file.

    preset: what belongs to the model besides, when it was asked for by a preset's name.
    """

    name: str
    kind: Kind
    path: Path
    preset: Preset | None = None


def is_toon(name: str) -> bool:
    """Tell whether a name or a folder means the built-in model."""
    return name == TOON or Path(name).expanduser().resolve() == WEIGHTS.resolve()


def toon_folder() -> Path:
    """Return the folder of the built-in model.

    Raises: ModelError M1 when its weights are not there.
    """
    if not (WEIGHTS / FILE).is_file():
        raise ModelError(
            "M1",
            TOON,
            f"the built-in weights are not in {WEIGHTS}",
            "reinstall dtvideo, which includes them",
        )
    return WEIGHTS


def find_model(name: str) -> ModelSource:
    """Find a model by name: `toon`, a preset, a folder, a .safetensors file, or a fetched hub id.

    A folder that is called like the built-in model or a preset can be given as `./toon`.
    Raises: ModelError M1 when there is none, M3 when the file is of an unsafe or unknown kind.
    """
    if name == TOON:
        return ModelSource(name, "toon", toon_folder())
    if preset := presets().get(name):
        return ModelSource(name, "preset", cached_snapshot(preset.model, asked=name), preset)
    path = Path(name).expanduser()
    if path.is_dir():
        return ModelSource(name, "folder", path)
    if path.is_file():
        refuse_pickle(path)
        if path.suffix.lower() != SUFFIX:
            raise ModelError("M3", path, f"is not a {SUFFIX} file", f"give a folder or a {SUFFIX}")
        return ModelSource(name, "file", path)
    if not is_hub_id(name):
        raise ModelError(
            "M1",
            name,
            f"no such file or folder (looked in {Path.cwd()})",
            f"give {TOON}, {', '.join(presets())}, a diffusers folder, a {SUFFIX} file or a hub id "
            "such as owner/name",
        )
    return ModelSource(name, "hub", cached_snapshot(name))


def is_hub_id(name: str) -> bool:
    """Tell whether a name has the form owner/name and cannot be meant as a file."""
    words = re.fullmatch(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", name)
    return words is not None and not name.lower().endswith(SUFFIX)


def hub_cache() -> Path:
    """Return the folder of the hub's local cache (HF_HUB_CACHE)."""
    from huggingface_hub.constants import HF_HUB_CACHE

    return Path(os.environ.get("HF_HUB_CACHE", HF_HUB_CACHE))


def cached_snapshot(hub_id: str, *, asked: str | None = None) -> Path:
    """Return the folder of a hub model that was fetched before.

    asked: the name that a person gave, when it is another.
    Raises: ModelError M1 saying where it was looked for and how to fetch it.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(hub_id, cache_dir=hub_cache(), local_files_only=True))
    except (LocalEntryNotFoundError, HFValidationError) as error:
        what = "is neither a folder here nor" if asked is None else f"needs {hub_id}, which is not"
        raise ModelError(
            "M1",
            asked or hub_id,
            f"{what} in the hub's cache ({hub_cache()}); it was not looked for on the network",
            f"fetch it once with: dtvideo models fetch {asked or hub_id}",
        ) from error


def is_cached(hub_id: str) -> bool:
    """Tell whether a hub model was fetched before."""
    try:
        cached_snapshot(hub_id)
    except ModelError:
        return False
    return True


def part_folder(source: ModelSource, part: str) -> Path:
    """Return the folder of one part of a model; its own folder when it is that part alone.

    Raises: ModelError M1 when there is no such folder.
    """
    if (source.path / part / "config.json").is_file():
        return source.path / part
    if (source.path / "config.json").is_file() and not (source.path / FILE).is_file():
        return source.path
    raise ModelError(
        "M1",
        source.name,
        f"has no folder {part} with a config.json",
        "give a model or a part of one in diffusers' layout",
    )
