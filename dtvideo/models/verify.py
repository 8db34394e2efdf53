"""Check models on this machine: whole, of the right size, and with the recorded hash.

The hub's cache calls a large file by the SHA-256 that the hub gave for it. Of other files a
`SHA256SUMS`, as `sha256sum` writes it, may tell: in their folder, or in that of the model.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path, PurePosixPath

from dtvideo.errors import ModelError
from dtvideo.files import atomic_path, sha256_file
from dtvideo.models.components import HARMLESS_EXTRAS
from dtvideo.models.weights import check_safetensors, weight_files

SHA256 = re.compile(r"[0-9a-f]{64}")


SUMS = "SHA256SUMS"
LINE = re.compile(r"([0-9a-f]{64}) [ *](.+)")
"""Hash and path, as `sha256sum` writes and reads them."""


@dataclass(frozen=True)
class CheckedFile:
    """A weight file that is whole. matched: whether there was a noted hash to compare."""

    path: Path
    sha256: str
    numbers: int
    matched: bool


def verify_file(path: Path) -> CheckedFile:
    """Check a weight file, byte by byte where its hash is noted.

    Raises: ModelError M1 to M3 as `check_safetensors`, M4 when the bytes have another hash.
    """
    shapes = check_safetensors(path)
    found, told = sha256_file(path), noted_hash(path)
    if told is not None:
        _check_hash(path, found, told)
    numbers = sum(
        prod(shape) for name, shape in shapes.items() if not name.endswith(HARMLESS_EXTRAS)
    )
    return CheckedFile(path, found, numbers, told is not None)


def noted_hash(path: Path) -> str | None:
    """Return the SHA-256 that a weight file should have; None where nothing tells."""
    blob = path.resolve().name
    if SHA256.fullmatch(blob):
        return blob
    for folder in (path.parent, path.parent.parent):
        if (folder / SUMS).is_file():
            text = (folder / SUMS).read_text(encoding="utf-8", errors="replace")
            lines = filter(None, map(LINE.fullmatch, text.splitlines()))
            noted = {PurePosixPath(line[2]): line[1] for line in lines}
            return noted.get(PurePosixPath(path.relative_to(folder)))
    return None


def note_hashes(folder: Path) -> None:
    """Write the hash of every weight file of a model's folder into its `SHA256SUMS`, whole or not.

    Raises: ResourceError F3 when the machine cannot write there.
    """
    files = sorted(folder.rglob("*.safetensors"))
    lines = [f"{sha256_file(path)}  {path.relative_to(folder).as_posix()}\n" for path in files]
    with atomic_path(folder / SUMS) as temporary:
        temporary.write_text("".join(lines), encoding="utf-8")


def check_locked(files: Iterable[Path]) -> None:
    """Refuse weight files that are not those that were noted, or of which nothing was.

    Raises: ModelError M4.
    """
    for path in files:
        told = noted_hash(path)
        if told is None:
            remedy = f"record it: sha256sum in {SUMS} beside it, or leave out --locked"
            raise ModelError("M4", path, "has no recorded hash", remedy)
        _check_hash(path, sha256_file(path), told)


def _check_hash(path: Path, found: str, told: str) -> None:
    if found != told:
        problem = f"has the SHA-256 {found}, recorded is {told}"
        raise ModelError("M4", path, problem, "put the right file there or fetch it again")


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
