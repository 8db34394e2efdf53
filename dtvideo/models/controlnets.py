"""The ControlNets of a model, for poses and for depth: its own, or those that are named."""

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
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
UNION_KINDS = {"controlnet": 0, "depth_controlnet": 1}
"""Numbers of what a ControlNet is told, among the kinds of picture that a union one takes."""
EXAMPLES = {
    "controlnet": "a pose ControlNet: lllyasviel/control_v11p_sd15_openpose",
    "depth_controlnet": "a depth ControlNet: lllyasviel/control_v11f1p_sd15_depth",
}


@dataclass(frozen=True, eq=False)
class Guide:
    """A ControlNet, what it is called among the parts of a model, and the picture it sees."""

    controlnet: Any
    part: str
    picture: Tensor


def find_controlnet(name: str | None, *, model: Path, part: str = "controlnet") -> Path:
    """Return the folder or file of the named ControlNet, or else the one in the model's folder.

    name: a folder, a .safetensors file or a hub id. part: of the model, the one that sees poses
    (`controlnet`) or depth (`depth_controlnet`).
    Raises: ModelError M1 when there is none, M3 for a file of another kind.
    """
    if name is not None:
        return find_model(name).path
    if not (model / part).is_dir():
        what, _, example = EXAMPLES[part].partition(": ")
        problem = f"has no {part} folder: a Stable Diffusion checkpoint needs {what}"
        flag = f"--{part.replace('_', '-')}"
        remedy = f"give one with {flag}, for example {example}, or a model that has its own"
        raise ModelError("M1", model, problem, remedy)
    return model / part


def ask_controlnets(
    guides: Iterable[Guide],
    latents: Tensor,
    timesteps: Tensor,
    *,
    text: Tensor,
    added: Mapping[str, Tensor],
) -> tuple[Sequence[Tensor] | None, Tensor | None]:
    """Return what ControlNets together add to the U-Net's skips and middle; None without any."""
    down: Sequence[Tensor] | None = None
    middle: Tensor | None = None
    for guide in guides:
        more, centre = _ask(guide, latents, timesteps, text=text, added=added)
        down = more if down is None else [one + two for one, two in zip(down, more, strict=True)]
        middle = centre if middle is None else middle + centre
    return down, middle


def _ask(
    guide: Guide,
    latents: Tensor,
    timesteps: Tensor,
    *,
    text: Tensor,
    added: Mapping[str, Tensor],
) -> tuple[Sequence[Tensor], Tensor]:
    """Ask one ControlNet; one picture serves all rows, and a union one is told of what kind."""
    picture = guide.picture.expand(len(latents), -1, -1, -1)
    options: dict[str, Any] = {"controlnet_cond": picture}
    if hasattr(guide.controlnet.config, "num_control_type"):
        kind = UNION_KINDS[guide.part]
        kinds = latents.new_zeros(len(latents), guide.controlnet.config.num_control_type)
        kinds[:, kind] = 1
        options = {
            "controlnet_cond": [picture],
            "control_type": kinds,
            "control_type_idx": [kind],
        }
    down, middle = guide.controlnet(
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
