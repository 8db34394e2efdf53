"""A whole Stable Diffusion 1.5 checkpoint in one .safetensors file, with the original names.

Such a file holds weights alone. How the networks are built, and the tokenizer, are read from a
folder beside it, or from the hub's local cache.
"""

from pathlib import Path
from typing import Any

import torch

from dtvideo.errors import ModelError
from dtvideo.models.components import explained_loading, load_component
from dtvideo.models.index import FILE, NEEDED, ModelIndex, read_index, refuse_xl
from dtvideo.models.sources import cached_snapshot
from dtvideo.models.weights import check_safetensors

CONFIG_HUB_ID = "stable-diffusion-v1-5/stable-diffusion-v1-5"
UNET_PREFIX = "model.diffusion_model."
XL_PREFIX = "conditioner.embedders.1."


def config_folder(path: Path) -> Path:
    """Return the folder that says how the networks of a single file are built.

    It is the folder beside the file with the file's name without suffix, or the hub's cached
    copy of Stable Diffusion 1.5. Raises: ModelError M1 when there is neither.
    """
    beside = path.with_suffix("")
    if (beside / FILE).is_file():
        return beside
    try:
        return cached_snapshot(CONFIG_HUB_ID)
    except ModelError as error:
        raise ModelError(
            "M1",
            path,
            "holds weights alone; the folder with configuration and tokenizer is missing: looked "
            f"for {beside}/{FILE} and for {CONFIG_HUB_ID} in the hub's cache",
            f"put a diffusers folder of Stable Diffusion 1.5 (its weights are not needed) at "
            f"{beside}",
        ) from error


def load_single_file(path: Path, index: ModelIndex, *, dtype: torch.dtype) -> dict[str, Any]:
    """Load vae, text encoder and U-Net from the file, tokenizer and scheduler from the folder.

    index: of the folder that `config_folder` found.
    Raises: ModelError M2 and M3 as `check_safetensors`, M5 when the file is no such checkpoint;
    UsageError U2 for the SDXL family.
    """
    from diffusers import StableDiffusionPipeline

    _check_names(path)
    words = {
        part: load_component(index.folder / part, index.parts[part], dtype=dtype)
        for part in ("tokenizer", "scheduler")
    }
    unused = dict.fromkeys(("safety_checker", "feature_extractor", "image_encoder"))
    with explained_loading(path):
        whole = StableDiffusionPipeline.from_single_file(
            str(path),
            config=str(index.folder),
            dtype=dtype,
            local_files_only=True,
            requires_safety_checker=False,
            **words,
            **unused,
        )
    parts = {part: getattr(whole, part) for part in NEEDED}
    _check_filled(path, parts)
    return parts


def single_file_index(path: Path) -> ModelIndex:
    """Return what the configuration folder of a single file says."""
    return read_index(config_folder(path))


def _check_names(path: Path) -> None:
    names = check_safetensors(path)
    if any(name.startswith(XL_PREFIX) for name in names):
        refuse_xl(path)
    if not any(name.startswith(UNET_PREFIX) for name in names):
        first = ", ".join(sorted(names)[:3])
        raise ModelError(
            "M5",
            path,
            f"is no whole checkpoint: it has no {UNET_PREFIX}...; first names: {first}",
            "a LoRA goes to --lora, a ControlNet to --controlnet",
        )


def _check_filled(path: Path, parts: dict[str, Any]) -> None:
    for part in ("vae", "text_encoder", "unet"):
        empty = [name for name, value in parts[part].named_parameters() if value.is_meta]
        if empty:
            first = ", ".join(empty[:3])
            raise ModelError("M5", path, f"lacks {len(empty)} weights of the {part}: {first}")
