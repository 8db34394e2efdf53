"""Where a model lies: in the package, in a folder, in one file, or in the hub's local cache.

The network is never asked.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from dtvideo.errors import ModelError
from dtvideo.models.index import FILE
from dtvideo.models.weights import SUFFIX, refuse_pickle

TOON = "toon"
Kind = Literal["toon", "folder", "file", "hub"]


@dataclass(frozen=True)
class ModelSource:
    """A model that was found: what kind of source it is, and its folder or file."""

    name: str
    kind: Kind
    path: Path


def toon_folder() -> Path:
    """Return the folder of the built-in model.

    Raises: ModelError M1 when its weights are not there.
    """
    folder = Path(__file__).parents[1] / "toon" / "weights"
    if not (folder / FILE).is_file():
        raise ModelError(
            "M1",
            TOON,
            f"the built-in weights are not in {folder}",
            "reinstall dtvideo: they come with it",
        )
    return folder


def find_model(name: str) -> ModelSource:
    """Find a model by name: `toon`, a folder, a .safetensors file, or a hub id in the local cache.

    A folder that is called toon can be given as `./toon`.
    Raises: ModelError M1 when there is none, M3 when the file is of an unsafe or unknown kind.
    """
    if name == TOON:
        return ModelSource(name, "toon", toon_folder())
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
            f"give {TOON}, a diffusers folder, a {SUFFIX} file or a hub id such as owner/name",
        )
    return ModelSource(name, "hub", cached_snapshot(name))


def is_hub_id(name: str) -> bool:
    """Tell whether a name has the form owner/name and cannot be meant as a file."""
    words = re.fullmatch(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", name)
    return words is not None and not name.lower().endswith(SUFFIX)


def cached_snapshot(name: str) -> Path:
    """Return the folder of a hub model that was fetched before.

    Raises: ModelError M1 saying where it was looked for and how to fetch it.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.constants import HF_HUB_CACHE
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    cache = Path(os.environ.get("HF_HUB_CACHE", HF_HUB_CACHE))
    try:
        return Path(snapshot_download(name, cache_dir=cache, local_files_only=True))
    except (LocalEntryNotFoundError, HFValidationError) as error:
        raise ModelError(
            "M1",
            name,
            f"is neither a folder here nor in the hub's cache ({cache}); it was not looked for "
            "on the network",
            f"fetch it once with: hf download {name}",
        ) from error
