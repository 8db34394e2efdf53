"""One part of a model at a time, through diffusers' and transformers' own loaders."""

import importlib
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from logging import CRITICAL
from pathlib import Path
from typing import Any

import torch

from dtvideo.errors import ModelError, lacks_memory
from dtvideo.models.index import read_json
from dtvideo.models.weights import check_weights, is_half, weight_files

HARMLESS_EXTRAS = ("position_ids",)
"""Endings of names that old files hold and nobody needs."""


def load_component(folder: Path, kind: tuple[str, str], *, dtype: torch.dtype) -> Any:
    """Load one part from its own folder; kind is its library and class, already trusted.

    Only safetensors are read, after a check, and the network is never asked.
    Raises: ModelError M1 when files are missing, M2 and M3 as `check_safetensors`, M5 when
    weights and configuration do not belong together.
    """
    if not folder.is_dir():
        raise ModelError("M1", folder, "is missing", "fetch the model again, whole")
    library, name = kind
    part_class = getattr(importlib.import_module(library), name)
    if hasattr(part_class, "named_parameters"):
        return load_module(part_class, folder, dtype=dtype)
    with explained_loading(folder):
        return part_class.from_pretrained(folder, local_files_only=True)


def load_module(part_class: Any, folder: Path, *, dtype: torch.dtype, **options: Any) -> Any:
    """Load a network of a diffusers or transformers class, every weight of it.

    options: further arguments of the class.
    Raises: as `load_component`.
    """
    _check_config(folder / "config.json", part_class)
    check_weights(folder)
    half = all(is_half(path.name) for path in weight_files(folder))
    with explained_loading(folder):
        module, report = part_class.from_pretrained(
            folder,
            dtype=dtype,
            variant="fp16" if half else None,
            use_safetensors=True,
            local_files_only=True,
            output_loading_info=True,
            **options,
        )
    _check_report(folder, report)
    return module


@contextmanager
def explained_loading(path: Path, remedy: str = "fetch it again") -> Iterator[None]:
    """Keep loaders quiet, and turn what they say about misfits into a ModelError M5.

    What says that memory is used up is passed on as it is: the model is not to blame.
    """
    try:
        with _quiet():
            yield
    except NotImplementedError as error:  # torch: a weight that nothing was loaded into
        problem = "lacks weights that its configuration asks for"
        raise ModelError("M5", path, problem, remedy) from error
    except (OSError, ValueError, RuntimeError, LookupError, TypeError, AttributeError) as error:
        if lacks_memory(error):
            raise
        summary = " ".join(str(error).split())[:300]
        raise ModelError("M5", path, f"cannot be loaded: {summary}", remedy) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Switch off the loaders' bars, notices and warnings, and put back what was set."""
    from diffusers.utils import logging as diffusers_logging
    from transformers.utils import logging as transformers_logging

    both = (diffusers_logging, transformers_logging)
    before = [(logging.is_progress_bar_enabled(), logging.get_verbosity()) for logging in both]
    for logging in both:
        logging.disable_progress_bar()
        logging.set_verbosity(CRITICAL)  # what is an error becomes ours
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        for logging, (had_bars, verbosity) in zip(both, before, strict=True):
            if had_bars:
                logging.enable_progress_bar()
            logging.set_verbosity(verbosity)


def _check_config(path: Path, part_class: Any) -> None:
    if not path.is_file():
        raise ModelError("M1", path.parent, "has no config.json", "fetch the model again, whole")
    found = read_json(path).get("_class_name", part_class.__name__)
    if found != part_class.__name__:
        raise ModelError("M6", path, f"is of the class {found!r}", f"give a {part_class.__name__}")


def _check_report(folder: Path, report: dict[str, Any]) -> None:
    extra = [key for key in report["unexpected_keys"] if not key.endswith(HARMLESS_EXTRAS)]
    for problem, keys in (
        ("lacks", report["missing_keys"]),
        ("has others than its config.json asks for:", extra),
        ("has other shapes than its config.json:", report["mismatched_keys"]),
    ):
        if keys:
            first = ", ".join(sorted(map(str, keys))[:3])
            raise ModelError(
                "M5", folder, f"{problem} {len(keys)} weights: {first}", "give files that match"
            )
