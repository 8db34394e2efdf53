"""LoRA files, looked at before a loader opens them: whole or not, and for which family."""

import re
from collections.abc import Iterator
from pathlib import Path

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
        problem = f"is no LoRA: its {len(shapes)} weights begin with {first}"
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


def _missing_halves(shapes: Shapes) -> Iterator[str]:
    """Yield what a layer lacks of which the other half is there."""
    for down, up in HALVES.items():
        for one, other in ((down, up), (up, down)):
            stems = (name.removesuffix(one) for name in shapes if name.endswith(f".{one}"))
            yield from (f"{stem}{other}" for stem in stems if f"{stem}{other}" not in shapes)
