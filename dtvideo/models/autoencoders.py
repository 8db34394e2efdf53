"""An autoencoder in place of a model's own: a better one, one for half precision, a tiny one."""

import tempfile
from pathlib import Path
from typing import Any

import torch

from dtvideo.errors import ModelError
from dtvideo.models.components import explained_loading, load_component
from dtvideo.models.index import read_json
from dtvideo.models.weights import check_safetensors

KINDS = {name: ("diffusers", name) for name in ("AutoencoderKL", "AutoencoderTiny")}


def load_autoencoder(path: Path, *, own: Any, dtype: torch.dtype) -> Any:
    """Load an autoencoder from a folder, or from one file built as the model's own is.

    Raises: ModelError M1 to M3 as `check_safetensors`, M5 when it makes other latents than the
    model's own, M6 for a class that is not known.
    """
    found = _load_file(path, own, dtype) if path.is_file() else _load_folder(path, dtype)
    wanted, has = own.config.latent_channels, found.config.latent_channels
    if wanted != has:
        raise ModelError(
            "M5", path, f"has {has} latent channels, the model {wanted}", "give one of its family"
        )
    return found


def _load_folder(folder: Path, dtype: torch.dtype) -> Any:
    config = folder / "config.json"
    if not config.is_file():
        raise ModelError("M1", folder, "has no config.json", "give the folder of an autoencoder")
    name = str(read_json(config).get("_class_name"))
    if name not in KINDS:
        raise ModelError("M6", config, f"is of the class {name!r}", f"known are {', '.join(KINDS)}")
    return load_component(folder, KINDS[name], dtype=dtype)


def _load_file(path: Path, own: Any, dtype: torch.dtype) -> Any:
    check_safetensors(path)
    with tempfile.TemporaryDirectory(prefix="dtvideo-") as folder, explained_loading(path):
        own.save_config(folder)
        return type(own).from_single_file(
            str(path), config=folder, dtype=dtype, local_files_only=True
        )
