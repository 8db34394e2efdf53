"""The pose ControlNet of a model: its own, or one that is named."""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dtvideo.errors import ModelError
from dtvideo.models.components import explained_loading, load_component
from dtvideo.models.index import CLASSES, read_json
from dtvideo.models.sources import find_model
from dtvideo.models.weights import check_safetensors

FITTING = ("in_channels", "cross_attention_dim", "block_out_channels")
UNION_POSE = 0  # among the kinds of picture that a union ControlNet takes


def find_controlnet(name: str | None, *, model: Path) -> Path:
    """Return the folder or file of the named ControlNet, or else the one in the model's folder.

    name: a folder, a .safetensors file or a hub id.
    Raises: ModelError M1 when there is none, M3 for a file of another kind.
    """
    if name is not None:
        return find_model(name).path
    if not (model / "controlnet").is_dir():
        raise ModelError(
            "M1",
            model,
            "has no controlnet folder: a Stable Diffusion checkpoint needs a pose ControlNet",
            "give one with --controlnet, for example lllyasviel/control_v11p_sd15_openpose",
        )
    return model / "controlnet"


def ask_controlnet(
    controlnet: Any,
    latents: Tensor,
    timesteps: Tensor,
    *,
    text: Tensor,
    pose: Tensor,
    added: Mapping[str, Tensor],
) -> tuple[Sequence[Tensor], Tensor]:
    """Return what a pose ControlNet adds to the U-Net's skips and to its middle.

    A union ControlNet is told that what it gets is a pose.
    """
    options: dict[str, Any] = {"controlnet_cond": pose}
    if hasattr(controlnet.config, "num_control_type"):
        kinds = latents.new_zeros(len(latents), controlnet.config.num_control_type)
        kinds[:, UNION_POSE] = 1
        options = {
            "controlnet_cond": [pose],
            "control_type": kinds,
            "control_type_idx": [UNION_POSE],
        }
    down, middle = controlnet(
        latents,
        timesteps,
        encoder_hidden_states=text,
        added_cond_kwargs=dict(added) or None,
        return_dict=False,
        **options,
    )
    return down, middle


def load_controlnet(path: Path, *, unet: Any, dtype: torch.dtype) -> Any:
    """Load a ControlNet from its folder or file for the U-Net that it is to guide.

    Raises: ModelError M1 when something is missing, M2 and M3 for unsafe files, M5 when it does
    not fit the U-Net.
    """
    if path.is_dir():
        controlnet = load_component(path, _kind(path), dtype=dtype)
    else:
        controlnet = _load_file(path, unet=unet, dtype=dtype)
    _check_fit(path, controlnet, unet)
    return controlnet


def _kind(folder: Path) -> tuple[str, str]:
    """Return library and class of the ControlNet in a folder; the plain one where it is silent."""
    config = folder / "config.json"
    named = read_json(config).get("_class_name") if config.is_file() else None
    plain, *others = CLASSES["controlnet"]
    return next((kind for kind in others if kind[1] == named), plain)


def _load_file(path: Path, *, unet: Any, dtype: torch.dtype) -> Any:
    """Load a ControlNet from one file, with original or diffusers names, built as the U-Net is."""
    from diffusers import ControlNetModel

    check_safetensors(path)
    with tempfile.TemporaryDirectory(prefix="dtvideo-") as folder, explained_loading(path):
        with torch.device("meta"):
            ControlNetModel.from_unet(unet, load_weights_from_unet=False).save_config(folder)
        return ControlNetModel.from_single_file(
            str(path), config=folder, dtype=dtype, local_files_only=True
        )


def _check_fit(path: Path, controlnet: Any, unet: Any) -> None:
    for name in FITTING:
        found, wanted = controlnet.config[name], unet.config[name]
        if _plain(found) != _plain(wanted):
            raise ModelError(
                "M5",
                path,
                f"does not fit the model's U-Net: {name} is {found}, not {wanted}",
                "give a ControlNet that was trained for this family",
            )


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, list | tuple) else value
