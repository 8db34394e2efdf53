"""Check models that lie here: whole, of the right size, and with the hash the hub gave them."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path

from dtvideo.errors import ModelError
from dtvideo.files import sha256_file
from dtvideo.models.components import HARMLESS_EXTRAS
from dtvideo.models.weights import check_safetensors, weight_files

SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class CheckedFile:
    """A weight file that is whole. matched: whether the hub's own hash was there to compare."""

    path: Path
    sha256: str
    numbers: int
    matched: bool


def verify_file(path: Path) -> CheckedFile:
    """Check a weight file, byte by byte where the hub's cache tells its hash.

    The cache names a large file by the SHA-256 that the hub gave for it.
    Raises: ModelError M1 to M3 as `check_safetensors`, M4 when the bytes have another hash.
    """
    shapes = check_safetensors(path)
    found = sha256_file(path)
    told = path.resolve().name
    matched = SHA256.fullmatch(told) is not None
    if matched and told != found:
        raise ModelError(
            "M4", path, f"has the SHA-256 {found}, the hub gave {told}", "fetch it again"
        )
    numbers = sum(
        prod(shape) for name, shape in shapes.items() if not name.endswith(HARMLESS_EXTRAS)
    )
    return CheckedFile(path, found, numbers, matched)


def verify_model(
    folder: Path, *, part: str = "", parameters: Mapping[str, int] | None = None
) -> Iterator[CheckedFile]:
    """Check every weight file of a model's folder, or of one part's, and yield each.

    part: what the folder is when it is no whole model. parameters: how many numbers each part
    must have; parts that are not named are not counted.
    Raises: as `verify_file`, ModelError M1 when there are no weights, M5 when a part has another
    size.
    """
    inner = [path for path in sorted(folder.iterdir()) if any(path.glob("*.safetensors"))]
    for place in inner or [folder]:
        checked = [verify_file(path) for path in weight_files(place)]
        yield from checked
        wanted = (parameters or {}).get(place.name if inner else part)
        found = sum(each.numbers for each in checked)
        if wanted is not None and found != wanted:
            raise ModelError(
                "M5", place, f"holds {found} numbers, not {wanted}", "give the right files"
            )
