"""Where and how precisely a model computes."""

import torch

from dtvideo.errors import ResourceError, UsageError

DEVICES = ("auto", "cpu", "cuda", "mps")
DTYPES = ("auto", "float32", "float16", "bfloat16")


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


def _check_name(flag: str, name: str, known: tuple[str, ...]) -> None:
    if name not in known:
        raise UsageError("M11", flag, f"{name!r} is unknown", f"give one of {', '.join(known)}")
