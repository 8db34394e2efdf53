"""A whole Stable Diffusion 1.5 or SDXL checkpoint in one .safetensors file, with original names.

Such a file holds weights alone. How the networks are built, and the tokenizers, are read from a
folder beside it, where there is one; else they are those of the family's first model, which the
package knows.
"""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import torch

from dtvideo.errors import ModelError
from dtvideo.models.clip_words import clip_tokenizer
from dtvideo.models.components import explained_loading, load_component
from dtvideo.models.index import FILE, NEEDED, Family, ModelIndex, read_index
from dtvideo.models.weights import check_safetensors

LAYOUTS = Path(__file__).with_name("layouts")
UNET_PREFIX = "model.diffusion_model."
XL_PREFIX = "conditioner.embedders.1."
SCHEDULER_MARKS: Mapping[str, Mapping[str, Any]] = {
    "v_pred": {"prediction_type": "v_prediction"},
    "ztsnr": {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing"},
}
"""Weights of no network, by whose names a file says what its sampler must do."""


def config_folder(path: Path, family: Family = "sd15") -> Path:
    """Return the folder that says how the networks of a single file are built.

    It is the folder beside the file with the file's name without suffix, or the package's own.
    """
    beside = path.with_suffix("")
    return beside if (beside / FILE).is_file() else LAYOUTS / family


def open_single_file(path: Path) -> ModelIndex:
    """Check a single file and return what its configuration folder says.

    Raises: ModelError M1 to M3 as `check_safetensors`, M5 when the file is no Stable Diffusion
    checkpoint or of another family than the folder beside it.
    """
    family = _family(path, check_safetensors(path))
    index = read_index(config_folder(path, family))
    if index.family != family:
        raise ModelError(
            "M5",
            path,
            f"is of the {family} family, the configuration in {index.folder} of {index.family}",
            "put the configuration of the file's own model there, or nothing",
        )
    return index


def load_single_file(path: Path, index: ModelIndex, *, dtype: torch.dtype) -> dict[str, Any]:
    """Load the networks from the file, tokenizers and scheduler from the folder.

    index: as `open_single_file` returned it. A file that marks itself as trained for
    v-prediction or zero terminal SNR gets a scheduler that does so.
    Raises: ModelError M1 when configuration is missing, M5 when weights are.
    """
    import diffusers

    is_xl = index.family == "sdxl"
    kind = diffusers.StableDiffusionXLPipeline if is_xl else diffusers.StableDiffusionPipeline
    needed = NEEDED[index.family]
    given = {
        part: _load_given(index, part, dtype=dtype)
        for part in needed
        if part == "scheduler" or part.startswith("tokenizer")
    }
    given["scheduler"] = _marked_scheduler(given["scheduler"], check_safetensors(path))
    unused = dict.fromkeys(("feature_extractor", "image_encoder"))
    quirks: dict[str, Any] = (
        {"add_watermarker": False}
        if is_xl
        else {"safety_checker": None, "requires_safety_checker": False}
    )
    with explained_loading(path):
        whole = kind.from_single_file(
            str(path),
            config=str(index.folder),
            dtype=dtype,
            local_files_only=True,
            **given,
            **unused,
            **quirks,
        )
    return {part: getattr(whole, part) for part in needed}


def _load_given(index: ModelIndex, part: str, *, dtype: torch.dtype) -> Any:
    """Return a part that the file does not hold; the package's folders have no tokenizers."""
    if index.folder.parent == LAYOUTS and part.startswith("tokenizer"):
        return clip_tokenizer(part)
    return load_component(index.folder / part, index.parts[part], dtype=dtype)


def _marked_scheduler(scheduler: Any, names: Collection[str]) -> Any:
    """Return a scheduler as the file's own marks ask for; the same one without a mark."""
    changes: dict[str, Any] = {}
    for mark, settings in SCHEDULER_MARKS.items():
        if mark in names:
            changes |= {key: value for key, value in settings.items() if key in scheduler.config}
    return type(scheduler).from_config(scheduler.config, **changes) if changes else scheduler


def _family(path: Path, names: Collection[str]) -> Family:
    if not any(name.startswith(UNET_PREFIX) for name in names):
        first = ", ".join(sorted(names)[:3])
        raise ModelError(
            "M5",
            path,
            f"is no whole checkpoint: it has no {UNET_PREFIX}...; first names: {first}",
            "a LoRA goes to --lora, a ControlNet to --controlnet",
        )
    return "sdxl" if any(name.startswith(XL_PREFIX) for name in names) else "sd15"
