"""Read JSON that somebody else wrote, within limits, and write JSON that nobody sees half done."""

import json
import os
import tempfile
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from poses.errors import PoseError
from poses.types import Joints

MAX_BYTES = 1 << 30
MAX_FRAMES = 1_000_000
MAX_PEOPLE = 100
MAX_SIDE = 65_536
MAX_COORDINATE = 1e6


def read_json(path: Path) -> Any:
    """Parse a JSON file. Raises: PoseError V1 when it cannot be read, P6 when it is no clean JSON.

    NaN and Infinity, which the JSON of some programs holds, are refused.
    """
    try:
        if not path.is_file():
            raise PoseError("V1", path, "is not a file", "give a JSON file of key points")
        if path.stat().st_size > MAX_BYTES:
            raise refusal(path, f"is {path.stat().st_size} bytes long", f"limit {MAX_BYTES}")
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise PoseError("V1", path, f"cannot be read ({error.strerror})", "check it") from error
    except UnicodeDecodeError as error:
        raise refusal(path, "is not UTF-8 text", "give key points as OpenPose JSON") from error
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise refusal(
            path, f"is not valid JSON ({error})", "give key points as OpenPose JSON"
        ) from error


def write_json(path: Path, data: Any) -> None:
    """Write JSON beside the target first and move it there whole.

    Raises: PoseError F3 when the machine cannot write there: the folder may not be written to,
    the disk is full, the target is a folder.
    """
    try:
        _write_whole(path, data)
    except OSError as error:
        raise PoseError("F3", path, f"cannot be written ({error.strerror})") from error


def _write_whole(path: Path, data: Any) -> None:
    handle, name = tempfile.mkstemp(prefix=f".{path.name[:40]}.", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(data, file, allow_nan=False, separators=(",", ":"))
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o666 & ~_umask())
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def refusal(path: Path, problem: str, remedy: str = "") -> PoseError:
    """Return the error for a key-point file that breaks its format."""
    return PoseError("P6", path, problem, remedy)


def mapping(value: Any, path: Path, what: str) -> dict[str, Any]:
    """Return the value if it is a JSON object. Raises: PoseError P6."""
    if not isinstance(value, dict):
        raise refusal(path, f"{what} is {shown(value)}, not an object")
    return value


def listing(value: Any, path: Path, what: str, *, most: int) -> list[Any]:
    """Return the value if it is a JSON array that is not too long. Raises: PoseError P6."""
    if not isinstance(value, list):
        raise refusal(path, f"{what} is {shown(value)}, not a list")
    if len(value) > most:
        raise refusal(path, f"{what} has {len(value)} entries", f"the limit is {most}")
    return value


def triples(value: Any, path: Path, what: str) -> Joints:
    """Return a flat list x, y, confidence, ... as joints (n, 3); no confidence means missing.

    Confidences above 1 become 1; (0, 0) is no place. Raises: PoseError P6.
    """
    numbers = listing(value, path, what, most=3 * 1000)
    if len(numbers) % 3:
        raise refusal(path, f"{what} has {len(numbers)} numbers", "x, y, confidence for each joint")
    for number in numbers:
        if type(number) not in (int, float) or not abs(number) <= MAX_COORDINATE:
            raise refusal(path, f"{what} holds {shown(number)}", "only finite numbers within 1e6")
    joints = np.array(numbers, dtype=float).reshape(-1, 3)
    return clean(joints)


def clean(joints: Joints) -> Joints:
    """Return joints with the missing ones as (NaN, NaN, 0) and confidence at most 1."""
    known = (joints[:, 2] > 0) & joints[:, :2].any(axis=1)
    bounded = np.column_stack([joints[:, :2], joints[:, 2].clip(0, 1)])
    return np.where(known[:, None], bounded, (np.nan, np.nan, 0.0))


def flat(joints: Joints, *, digits: int = 3) -> list[float]:
    """Return joints as a flat list x, y, confidence, ... with 0, 0, 0 for missing ones."""
    known = np.isfinite(joints).all(axis=1)
    filled = np.where(known[:, None], joints, 0.0)
    return [round(float(number), digits) for number in filled.ravel()]


def canvas_size(width: Any, height: Any, path: Path) -> tuple[int, int]:
    """Return a canvas size. Raises: PoseError P6 unless both are whole numbers in range."""
    for side in (width, height):
        if type(side) not in (int, float) or not 1 <= side <= MAX_SIDE or side != int(side):
            raise refusal(path, f"canvas is {shown(width)}x{shown(height)}", "give whole pixels")
    return int(width), int(height)


def shown(value: Any) -> str:
    """Return a value as a message shows it: in short."""
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:40]}..."


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"it holds {name}")


def _umask() -> int:
    """Read the process's file mode mask without changing it, which other threads would see."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("Umask:")).split()[1], 8)
    except (OSError, StopIteration):
        return 0o022
