"""Checkpoints of a training run: weights, averages, optimiser and step in one safetensors file."""

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from dtvideo.errors import ModelError
from dtvideo.files import atomic_path


@dataclass
class TrainingState:
    """Everything that a run needs to go on as if it had never stopped.

    `average` holds the exponential moving average of every parameter, by name.
    """

    module: nn.Module
    optimiser: torch.optim.Optimizer
    average: dict[str, Tensor]
    step: int = 0


def save_checkpoint(state: TrainingState, path: Path) -> None:
    """Write a training state; the file appears whole or not at all."""
    tensors = {f"module.{name}": value for name, value in state.module.state_dict().items()}
    tensors |= {f"average.{name}": value for name, value in state.average.items()}
    for index, slots in state.optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser.{index}.{slot}": value for slot, value in slots.items()}
    tensors = {name: value.detach().contiguous().clone() for name, value in tensors.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary:
        save_file(tensors, temporary, metadata={"step": json.dumps(state.step)})


def load_checkpoint(state: TrainingState, path: Path) -> None:
    """Fill a training state of the same architecture and optimiser from a file.

    Raises: ModelError when the file is damaged or belongs to another architecture.
    """
    groups, step = _read(path)
    _fill(state.module, groups["module"], path)
    for name, value in groups["average"].items():
        state.average[name].copy_(value)
    slots: dict[int, dict[str, Tensor]] = {}
    for name, value in groups["optimiser"].items():
        index, slot = name.split(".", 1)
        slots.setdefault(int(index), {})[slot] = value
    state.optimiser.load_state_dict({**state.optimiser.state_dict(), "state": slots})
    state.step = step


def load_average(module: nn.Module, path: Path) -> int:
    """Load the averaged weights of a checkpoint into a module; return the step they are from.

    Raises: ModelError when the file is damaged or belongs to another architecture.
    """
    groups, step = _read(path)
    _fill(module, groups["module"] | groups["average"], path)
    return step


def _fill(module: nn.Module, weights: dict[str, Tensor], path: Path) -> None:
    try:
        module.load_state_dict(weights)
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()
        problem = f"does not fit this model: {reason}"
        raise ModelError("M5", path, problem, "start afresh in another folder") from None


def _read(path: Path) -> tuple[dict[str, dict[str, Tensor]], int]:
    groups: dict[str, dict[str, Tensor]] = {"module": {}, "average": {}, "optimiser": {}}
    try:
        with safe_open(path, framework="pt") as file:
            step = int(file.metadata()["step"])
            for key in file.keys():
                group, name = key.split(".", 1)
                groups[group][name] = file.get_tensor(key)
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        remedy = "use one that is whole, or remove it and start afresh"
        raise ModelError("M2", path, f"is no checkpoint ({error})", remedy) from None
    return groups, step
