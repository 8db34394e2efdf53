"""Weight files, looked at before anything opens them: safetensors only, and whole.

A safetensors file is 8 bytes (the length of the header, little-endian), the header (JSON), and
the tensors' bytes without a gap. https://huggingface.co/docs/safetensors describes it.
"""

import json
from collections.abc import Mapping, Set
from itertools import pairwise
from math import prod
from pathlib import Path
from typing import Any, NoReturn

from dtvideo.errors import ModelError

SUFFIX = ".safetensors"
PICKLE_SUFFIXES = (".ckpt", ".pth", ".pt", ".pt2", ".bin", ".pkl", ".pickle")
MAX_HEADER_BYTES = 100_000_000
BITS: Mapping[str, int] = {
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E4M3", "F8_E4M3FNUZ", "F8_E5M2", "F8_E5M2FNUZ"), 8),
    **dict.fromkeys(("I16", "F16", "BF16"), 16),
    **dict.fromkeys(("I32", "F32"), 32),
    **dict.fromkeys(("I64", "F64", "C64"), 64),
}
"""Bits of one number, for every type that torch can take from such a file."""
PICKLE_STARTS = (b"PK\x03\x04", *(bytes((0x80, protocol)) for protocol in range(6)))

Shapes = Mapping[str, tuple[int, ...]]


def check_safetensors(path: Path) -> Shapes:
    """Check a weight file without loading it, and return the shape of every tensor by name.

    Raises: ModelError M1 when it is not there, M3 when it is a pickle (by its name or, whatever
    its name, by its first bytes), M2 when it is damaged: cut off, a header too large or not
    JSON, a type that is unknown, tensors that overlap or do not fill the file.
    """
    if not path.is_file():
        raise ModelError("M1", path, "no such weight file", "check the path")
    refuse_pickle(path)
    header, room = _read_header(path)
    header.pop("__metadata__", None)
    spans = []
    shapes = {}
    for name, entry in header.items():
        shapes[name], start, end = _read_entry(path, name, entry)
        spans.append((start, end))
    _check_spans(path, sorted(spans), room)
    return shapes


def weight_files(folder: Path) -> list[Path]:
    """Return the weight files of one part of a model: whole ones, or else half-precision ones.

    Raises: ModelError M1 when there is none, M3 when there are only pickles.
    """
    files = sorted(path for path in folder.glob("*.safetensors") if path.is_file())
    if not files:
        for path in sorted(folder.glob("*")):
            refuse_pickle(path)
        raise ModelError("M1", folder, "has no .safetensors file", "fetch the model again, whole")
    whole = [path for path in files if not is_half(path.name)]
    return whole or files


def is_half(name: str) -> bool:
    """Tell whether weights, or an index of them, are half-precision ones by their name."""
    return ".fp16." in name or ".fp16-" in name  # the latter for one of several files


def check_weights(folder: Path) -> None:
    """Check every weight file of one part of a model (see `check_safetensors`)."""
    files = weight_files(folder)
    for path in files:
        check_safetensors(path)
    for index in folder.glob("*.safetensors.index*.json"):
        if is_half(index.name) == is_half(files[0].name):  # another one is not asked
            _check_shards(index, {path.name for path in files})


def pickles(folder: Path) -> list[Path]:
    """Return the files of a model and of its parts that their names say to be pickles."""
    files = [*folder.glob("*"), *folder.glob("*/*")]
    return sorted(path for path in files if path.suffix.lower() in PICKLE_SUFFIXES)


def refuse_pickle(path: Path) -> None:
    """Refuse a file that its name says to be a pickle; it is not opened.

    Raises: ModelError M3.
    """
    if path.suffix.lower() in PICKLE_SUFFIXES:
        _raise_pickle(path, f"{path.suffix} can run any code when it is opened")


def _read_header(path: Path) -> tuple[dict[str, Any], int]:
    """Return the header and how many bytes come after it."""
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        brace = file.read(1)
        if brace != b"{" or length > MAX_HEADER_BYTES:
            _refuse_start(path, length)
        if size < 8 + length:
            _raise_damaged(path, f"is cut off: {size} bytes, its header alone needs {8 + length}")
        text = brace + file.read(length - 1)
    try:
        header = json.loads(text, object_pairs_hook=_without_twins)
    except (ValueError, RecursionError) as error:
        _raise_damaged(path, f"its header is not JSON: {str(error)[:120]}")
    return header, size - 8 - length


def _refuse_start(path: Path, length: int) -> NoReturn:
    with path.open("rb") as file:
        start = file.read(9)
    if start.startswith(PICKLE_STARTS):
        _raise_pickle(path, "is a pickle under another name: it can run any code when opened")
    if len(start) < 9:
        _raise_damaged(path, f"is cut off: {len(start)} bytes")
    if length > MAX_HEADER_BYTES:
        _raise_damaged(path, f"its header claims {length} bytes, over {MAX_HEADER_BYTES}")
    _raise_damaged(path, "its header does not begin with '{'")


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name occurs twice")
    return found


def _read_entry(path: Path, name: str, entry: Any) -> tuple[tuple[int, ...], int, int]:
    """Return shape, start and end of a tensor whose numbers agree with each other."""
    match entry:
        case {"dtype": str(dtype), "shape": [*shape], "data_offsets": [start, end]}:
            numbers = (*shape, start, end)
        case _:
            _raise_damaged(path, f"tensor {name!r} is described wrongly")
    if not all(type(number) is int and number >= 0 for number in numbers):
        _raise_damaged(path, f"tensor {name!r} has a shape or place that is no number")
    if dtype not in BITS:
        _raise_damaged(path, f"tensor {name!r} is of the unknown type {dtype!r}")
    needed = prod(shape) * BITS[dtype] // 8
    if end - start != needed:
        _raise_damaged(path, f"tensor {name!r} needs {needed} bytes and has {end - start}")
    return tuple(shape), start, end


def _check_spans(path: Path, spans: list[tuple[int, int]], room: int) -> None:
    edges = [(0, 0), *spans, (room, room)]
    for (_, end), (start, _) in pairwise(edges):
        if start > end:
            _raise_damaged(path, f"{start - end} bytes from {end} belong to no tensor")
        if start < end:
            what = "is cut off" if start == room else "has tensors that overlap"
            _raise_damaged(path, f"{what}: one ends at byte {end}, {start} comes next")


def _check_shards(index: Path, known: Set[str]) -> None:
    """Refuse an index that leads to files other than those that were checked."""
    try:
        shards = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        _raise_damaged(index, f"is no index of weight files: {error}")
    for shard in sorted(map(str, shards)):
        refuse_pickle(index.parent / shard)
        if shard not in known:
            raise ModelError("M1", index, f"names {shard!r}, which is not there", "fetch it again")


def _raise_damaged(path: Path, problem: str) -> NoReturn:
    raise ModelError("M2", path, problem, "fetch it again")


def _raise_pickle(path: Path, problem: str) -> NoReturn:
    raise ModelError(
        "M3", path, problem, "convert it to safetensors, where harm is contained, and give that"
    )
