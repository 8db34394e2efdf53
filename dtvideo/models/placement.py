"""Where and how precisely a model computes, and how little of a device it may take."""

from typing import Any

import torch
from accelerate import cpu_offload
from torch import nn

from dtvideo.errors import ResourceError, UsageError

DEVICES = ("auto", "cpu", "cuda", "mps")
DTYPES = ("auto", "float32", "float16", "bfloat16")
MEMORY = ("high", "balanced", "low")
"""How much of an accelerator's memory a model may take, most first."""
WHOLE = ["MultiheadAttention"]
"""Classes whose layers take weights from one another, so that they move together."""


def choose_device(name: str) -> torch.device:
    """Return a device by name; `auto` takes an accelerator when there is one.

    Raises: UsageError M11 for an unknown name; ResourceError M10 when the device is not there.
    """
    _check_name("--device", name, DEVICES)
    there = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if name == "auto":
        return torch.device(next(device for device, is_there in there.items() if is_there))
    if not there[name]:
        problem = f"{name} is not there for torch {torch.__version__}"
        raise ResourceError("M10", "--device", problem, "use --device cpu")
    return torch.device(name)


def choose_dtype(name: str, device: torch.device) -> torch.dtype:
    """Return a number type by name; `auto` is float16 on CUDA and float32 elsewhere.

    Raises: UsageError M11 for an unknown name; ResourceError M10 when the device lacks it.
    """
    _check_name("--dtype", name, DTYPES)
    if name == "auto":
        return torch.float16 if device.type == "cuda" else torch.float32
    if name == "bfloat16" and device.type == "cuda" and not torch.cuda.is_bf16_supported():
        raise ResourceError(
            "M10", "--dtype", "this device has no bfloat16", "use float16 or float32"
        )
    dtype: torch.dtype = getattr(torch, name)
    return dtype


def place(pipeline: Any, device: torch.device, *, memory: str = "high") -> None:
    """Bring a diffusers pipeline to a device; on an accelerator as little of it as `memory` says.

    Below high, large pictures go through the autoencoder in overlapping tiles, on any device.
    Raises: UsageError M11 for an unknown name.
    """
    _check_name("--memory", memory, MEMORY)
    if memory != "high" and hasattr(pipeline.vae, "use_tiling"):
        pipeline.vae.enable_tiling()
    if memory == "high" or device.type == "cpu":
        pipeline.to(device)
    else:
        offload(pipeline, device, memory=memory)


def offload(pipeline: Any, device: torch.device, *, memory: str) -> None:
    """Keep a pipeline in main memory; what works comes to the device for as long as it works.

    memory: balanced moves whole networks, low their single layers, which is much slower. What
    the pipeline excludes, since it works inside another network, stays on the device.
    """
    if memory == "balanced":
        pipeline.enable_model_cpu_offload(device=device)
        return
    for name, part in pipeline.components.items():
        if not isinstance(part, nn.Module):
            continue
        if name in pipeline._exclude_from_cpu_offload:
            part.to(device)
        else:
            own = len(part._parameters) > 0
            cpu_offload(part, device, offload_buffers=own, preload_module_classes=WHOLE)


def _check_name(flag: str, name: str, known: tuple[str, ...]) -> None:
    if name not in known:
        raise UsageError("M11", flag, f"{name!r} is unknown", f"give one of {', '.join(known)}")
