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


def open_single_file(path: Path) -> ModelIndex:
    """Check a single file and return what its configuration folder says.

    Raises: ModelError M1 when there is no such folder, M2 and M3 as `check_safetensors`, M5 when
    the file is no Stable Diffusion checkpoint; UsageError U2 for the SDXL family.
    """
    _check_names(path)
    return read_index(config_folder(path))


def load_single_file(path: Path, index: ModelIndex, *, dtype: torch.dtype) -> dict[str, Any]:
    """Load vae, text encoder and U-Net from the file, tokenizer and scheduler from the folder.

    index: as `open_single_file` returned it.
    Raises: ModelError M1 when configuration is missing, M5 when weights are.
    """
    from diffusers import StableDiffusionPipeline

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
    return {part: getattr(whole, part) for part in NEEDED}


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
