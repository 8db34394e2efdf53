"""Carry a ControlNet to another base model: CN + (Base_new - Base_old).

The rule of the ControlNet authors for the weights that a ControlNet took over from its base
model; those that it adds stay as they are.
"""

import json
from collections.abc import Callable
from contextlib import ExitStack
from math import prod
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dtvideo.errors import ModelError
from dtvideo.files import atomic_path
from dtvideo.models.weights import BITS, check_safetensors, weight_files

OWN = ("controlnet_", "control_", "task_embedding", "transformer_layes.", "spatial_ch_projs.")
"""Beginnings of the names that a ControlNet has and its base model has not."""

OnWeight = Callable[[int, int], None]
"""(weights done, weights to do)."""


def transfer(
    controlnet: Path,
    *,
    old_unet: Path,
    new_unet: Path,
    output: Path,
    on_weight: OnWeight | None = None,
) -> int:
    """Write the weights of a ControlNet for another base; return how many were changed.

    controlnet, old_unet, new_unet: folders of weights with diffusers' names. One weight of each
    is in memory at a time; sums are made in float32, the result has the ControlNet's number type.
    Raises: ModelError M1 to M3 as `check_safetensors`, M5 when the three do not belong together.
    """
    with ExitStack() as stack:
        guide, old, new = (_Weights(folder, stack) for folder in (controlnet, old_unet, new_unet))
        carried = {name for name in guide.shapes if not name.startswith(OWN)}
        for base in (old, new):
            _check_base(guide, base, carried)
        names = sorted(guide.shapes)
        with atomic_path(output) as part, part.open("wb") as file:
            file.write(_header(guide, names))
            for done, name in enumerate(names):
                weight = guide.tensor(name)
                if name in carried:
                    moved = new.tensor(name).float() - old.tensor(name).float()
                    weight = (weight.float() + moved).to(weight.dtype)
                file.write(weight.contiguous().flatten().view(torch.uint8).numpy().data)
                if on_weight is not None:
                    on_weight(done + 1, len(names))
    return len(carried)


class _Weights:
    """The weights of one folder, checked, and read one by one."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        from safetensors import safe_open

        self.folder = folder
        self.shapes: dict[str, tuple[int, ...]] = {}
        self._files: dict[str, Any] = {}
        for path in weight_files(folder):
            shapes = check_safetensors(path)
            opened = stack.enter_context(safe_open(path, framework="pt"))
            self.shapes |= shapes
            self._files |= dict.fromkeys(shapes, opened)

    def tensor(self, name: str) -> Tensor:
        weight: Tensor = self._files[name].get_tensor(name)
        return weight

    def kind(self, name: str) -> str:
        """Return the number type as the file calls it."""
        kind: str = self._files[name].get_slice(name).get_dtype()
        return kind


def _check_base(guide: _Weights, base: _Weights, names: set[str]) -> None:
    for name in sorted(names):
        found, wanted = base.shapes.get(name), guide.shapes[name]
        if found != wanted:
            problem = f"has no {name}" if found is None else f"has {name} of {found}, not {wanted}"
            raise ModelError(
                "M5",
                base.folder,
                f"{problem}, which {guide.folder} took from its base",
                "give the U-Nets of the family that the ControlNet was made for",
            )


def _header(guide: _Weights, names: list[str]) -> bytes:
    """Return the beginning of a safetensors file with the ControlNet's shapes and number types."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name in names:
        shape, kind = guide.shapes[name], guide.kind(name)
        start, end = end, end + prod(shape) * BITS[kind] // 8
        header[name] = {"dtype": kind, "shape": list(shape), "data_offsets": [start, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text
