"""Settings: frozen dataclasses, nested ones as tables, read from TOML; unknown keys are errors."""

import difflib
import tomllib
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from dtvideo.errors import UsageError

Settings = TypeVar("Settings")


def load_settings(
    kind: type[Settings], path: Path, *, overrides: Mapping[str, Any] | None = None
) -> Settings:
    """Read a TOML file into a settings dataclass, then apply overrides.

    Raises: UsageError for a file that is no TOML, an unknown key or a value of another type.
    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(
            "C1", path, f"cannot be read ({error.strerror})", "check the path"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError("C2", path, f"is not TOML: {error}", "mend that line") from None
    return settings_from(kind, {**values, **(overrides or {})}, origin=path)


def settings_from(kind: type[Settings], values: Mapping[str, Any], *, origin: object) -> Settings:
    """Build a settings dataclass from plain values, with a suggestion for an unknown key."""
    known = {field.name: field for field in fields(kind)}  # type: ignore[arg-type]
    built = {}
    for key, value in values.items():
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(known)}"
            raise UsageError("C3", origin, f"unknown key {key!r}", hint)
        built[key] = _convert(value, known[key].type, key=key, origin=origin)
    return kind(**built)


def override(settings: Settings, **values: Any) -> Settings:
    """Return a copy with the given fields changed; those that are None are left alone."""
    return replace(settings, **{k: v for k, v in values.items() if v is not None})  # type: ignore[type-var]


def _convert(value: Any, kind: Any, *, key: str, origin: object) -> Any:
    """Build a nested settings table; check the type of anything else and hand it on."""
    if is_dataclass(kind) and isinstance(kind, type) and isinstance(value, Mapping):
        return settings_from(kind, value, origin=f"{origin} [{key}]")
    accepted = {int: (int,), float: (int, float), str: (str,), bool: (bool,)}.get(kind)
    if accepted is None:
        return value
    if not isinstance(value, accepted) or (isinstance(value, bool) and kind is not bool):
        raise UsageError(
            "C4", origin, f"{key} = {value!r} is not {kind.__name__}", "give a value of that type"
        )
    return value
