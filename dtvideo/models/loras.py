"""Check LoRA files before a loader opens them, and see how much of them it used."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from diffusers.utils import convert_state_dict_to_diffusers, convert_state_dict_to_peft
from diffusers.utils.state_dict_utils import convert_unet_state_dict_to_peft
from peft.utils import get_peft_model_state_dict
from torch import Tensor

from dtvideo.errors import ModelError
from dtvideo.models.weights import Shapes, check_safetensors

HALVES = {
    "lora_down.weight": "lora_up.weight",
    "lora_A.weight": "lora_B.weight",
    "lora.down.weight": "lora.up.weight",
}
"""In kohya's form, in diffusers', and in that of older diffusers."""
OTHER_KINDS = {"hada_": "a LoHa", "lokr_": "a LoKr", "oft_": "an OFT", "boft_": "a BOFT"}
"""Marks in the names of what LyCORIS makes besides LoRAs."""
READS_WORDS = re.compile(r"attn2[._]to_[kv]\b|attn2[._](?:processor\.)?to_[kv][._]")


def check_lora(path: Path, *, text_width: int) -> Shapes:
    """Return the shapes in a LoRA file for a U-Net that reads words of some width.

    Raises: as `check_safetensors`; ModelError M5 for what is no LoRA, lacks one of both halves of
    a layer, or reads words of another width: that of another family.
    """
    shapes = check_safetensors(path)
    first = ", ".join(sorted(shapes)[:3])
    for mark, kind in OTHER_KINDS.items():
        if any(mark in name for name in shapes):
            remedy = "give a plain LoRA, or merge it into the model with the program that made it"
            raise ModelError("M5", path, f"is {kind}, no LoRA, and is not read", remedy)
    if not any("lora" in name for name in shapes):
        problem = f"is not a LoRA: its {len(shapes)} weights begin with {first}"
        raise ModelError("M5", path, problem, "give a LoRA, or a whole model with --model")
    for lacking in _missing_halves(shapes):
        raise ModelError("M5", path, f"lacks {lacking}", "fetch it again")
    found = {
        shape[1]
        for name, shape in shapes.items()
        if READS_WORDS.search(name) and name.endswith(tuple(HALVES)) and len(shape) > 1
    }
    if found and text_width not in found:
        problem = f"reads words of width {min(found)}, the model's have {text_width}"
        raise ModelError("M5", path, problem, "give a LoRA of this model's family")
    return shapes


def unmatched_weights(pipeline: Any, weights: Mapping[str, Tensor], *, adapter: str) -> list[str]:
    """Return which weights of a LoRA no layer of a model took when it was loaded, by their names.

    weights: as in the file; adapter: what the loaded LoRA is called in the model.
    """
    names = {id(value): name for name, value in weights.items()}
    renamed, *_ = pipeline.lora_state_dict(dict(weights), unet_config=pipeline.unet.config)
    lost = []
    for part in dict.fromkeys(name.partition(".")[0] for name in renamed):
        own = {
            name.removeprefix(f"{part}."): value
            for name, value in renamed.items()
            if name.startswith(f"{part}.")
        }
        taken = _taken(getattr(pipeline, part, None), adapter)
        lost += [
            names[id(value)] for name, value in _as_peft(part, own).items() if name not in taken
        ]
    return lost


def _taken(module: Any, adapter: str) -> set[str]:
    """Return the names of an adapter's weights in a module, as peft calls them."""
    if adapter not in getattr(module, "peft_config", {}):
        return set()
    found = get_peft_model_state_dict(module, adapter_name=adapter)
    return {_short(name) for name in found}


def _as_peft(part: str, weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the weights for a part of a model under the names that peft gives them."""
    if part == "unet" and not all("lora_A" in name or "lora_B" in name for name in weights):
        weights = convert_unet_state_dict_to_peft(weights)
    elif part.startswith("text_encoder"):
        weights = convert_state_dict_to_peft(convert_state_dict_to_diffusers(weights))
    return {_short(name): value for name, value in weights.items()}


def _short(name: str) -> str:
    """Return a name without the root of text encoders, which files tell and newer models lack."""
    return name.removeprefix("text_model.")


def _missing_halves(shapes: Shapes) -> Iterator[str]:
    """Yield what a layer lacks of which the other half is there."""
    for down, up in HALVES.items():
        for one, other in ((down, up), (up, down)):
            stems = (name.removesuffix(one) for name in shapes if name.endswith(f".{one}"))
            yield from (f"{stem}{other}" for stem in stems if f"{stem}{other}" not in shapes)
