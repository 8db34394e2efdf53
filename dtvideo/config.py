"""Settings: frozen dataclasses, nested ones as tables, read from TOML; unknown keys are errors."""

import difflib
import tomllib
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from dtvideo.errors import UsageError

Settings = TypeVar("Settings")

ACCEPTED: dict[Any, tuple[type, ...]] = {
    int: (int,),
    float: (int, float),
    str: (str,),
    bool: (bool,),
}
"""What TOML may give for a field of a type."""


def load_settings(kind: type[Settings], path: Path) -> Settings:
    """Read a TOML file into a settings dataclass; what the file leaves out keeps its default.

    A table changes single fields of a nested dataclass: the others keep the values that the outer
    one gives them.
    Raises: UsageError C1 and C2 for a file that is no TOML, C3 for an unknown key, C4 for a value
    of another type.
    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(
            "C1", path, f"cannot be read ({error.strerror})", "check the path"
        ) from None
    except ValueError as error:  # no TOML, no UTF-8, or a number of thousands of digits
        raise UsageError("C2", path, f"is not TOML: {error}", "fix that line") from None
    return change_settings(kind(), values, origin=path)


def change_settings(settings: Settings, values: Mapping[str, Any], *, origin: object) -> Settings:
    """Return settings with the given fields changed; a mapping changes a nested dataclass.

    origin: where the values are from, for the error message.
    Raises: UsageError C3 for an unknown key, with the nearest one, C4 for a value of another type.
    """
    kinds = {field.name: field.type for field in fields(settings)}  # type: ignore[arg-type]
    changed = {}
    for key, value in values.items():
        if key not in kinds:
            near = difflib.get_close_matches(key, kinds, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(kinds)}"
            raise UsageError("C3", origin, f"unknown key {key!r}", hint)
        before = getattr(settings, key)
        if is_dataclass(before) and isinstance(value, Mapping):
            changed[key] = change_settings(before, value, origin=f"{origin} [{key}]")
        else:
            changed[key] = _checked(value, kinds[key], key=key, origin=origin)
    return replace(settings, **changed)  # type: ignore[type-var]


def _checked(value: Any, kind: Any, *, key: str, origin: object) -> Any:
    """Return a value if it is of its field's type; a whole number may stand for a decimal one."""
    if isinstance(value, int) and value.bit_length() > 63:
        raise UsageError("C4", origin, f"{key} is out of all ranges", "TOML has 64 bits for it")
    is_truth = isinstance(value, bool)
    if isinstance(value, ACCEPTED.get(kind, ())) and is_truth == (kind is bool):
        return kind(value)
    wanted = kind.__name__ if kind in ACCEPTED else "a table"
    problem = f"{key} = {value!r} is not {wanted}"
    raise UsageError("C4", origin, problem, "give a value of that type")
