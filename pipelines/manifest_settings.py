"""What may stand in a manifest: the settings of `RenderJob` on every level, and how they are told.

Values that cannot stand where they do are told and left out, so that the rest can be checked too.
"""

import difflib
from collections.abc import Iterable, Mapping
from copy import copy
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Generic, TypeVar, get_args, get_type_hints

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    create_model,
)
from pydantic_core import PydanticCustomError

from pipelines.flags import animate_parser
from pipelines.job import (
    RenderJob,
    parse_background,
    parse_bytes,
    parse_embedding,
    parse_frames,
    parse_ip_adapter,
    parse_lora,
    parse_person,
    parse_rate,
    parse_size,
)
from pipelines.manifest_file import Document, Fault, Location
from pipelines.plain_settings import PATH_SETTINGS

DEFAULT_OUTPUT = "out/{character}/{clip}{suffix}"
PARSERS: Mapping[str, Any] = {
    "size": parse_size,
    "frames": parse_frames,
    "rate": parse_rate,
    "background": parse_background,
    "cache_memory": parse_bytes,
    "person": parse_person,
    "reference_person": parse_person,
}
"""Settings that are written as on the command line."""
PAIRS: Mapping[str, Any] = {
    "loras": parse_lora,
    "embeddings": parse_embedding,
    "ip_adapters": parse_ip_adapter,
}
"""Settings that hold files, each with a number or a word, written as on the command line."""
PAIR = {"character", "clip", "skip"}
NOT_IN_A_MANIFEST = {"output", "overwrite", "resume", "skip_existing"}
LONGEST_SHOWN = 40
ABSENT = object()

Model = TypeVar("Model", bound=BaseModel)


def _not_a_boolean(value: Any, *, wanted: str) -> Any:
    """Return a value that is no truth value, which pydantic takes for 1 and 0."""
    if isinstance(value, bool):
        raise PydanticCustomError("boolean_as_number", "should be {wanted}", {"wanted": wanted})
    return value


def _number(kind: Any) -> Any:
    """Return a kind of value that takes no truth value, where it takes numbers."""
    kinds = set(get_args(kind) or (kind,))
    if bool in kinds or not kinds & {int, float}:
        return kind
    if str in kinds:
        wanted = "text or a number"
    else:
        wanted = "a valid number" if float in kinds else "a valid integer"
    return Annotated[kind, BeforeValidator(partial(_not_a_boolean, wanted=wanted))]


def _settings_model() -> type[BaseModel]:
    """Return a model whose fields are the settings of `RenderJob`, all of them optional."""
    hints = get_type_hints(RenderJob)
    written: dict[str, Any] = {name: str | int | float for name in PARSERS}
    written |= dict.fromkeys(PATH_SETTINGS, str) | dict.fromkeys(PAIRS, list[str])
    fields: dict[str, Any] = {
        name: (_number(written.get(name, kind) | None), None)
        for name, kind in hints.items()
        if name not in NOT_IN_A_MANIFEST
    }
    strict = ConfigDict(extra="forbid", protected_namespaces=())
    told = "Settings of a character, a clip or all of a batch: those of `RenderJob`, all optional."
    return create_model("Settings", __config__=strict, __doc__=told, **fields)


Settings = _settings_model()
Override: Any = create_model(
    "Override",
    __base__=Settings,
    __doc__="Settings of one character in one clip, or that there is no such clip.",
    character=(str, ...),
    clip=(str, ...),
    skip=(bool, False),
)
Line: Any = create_model(
    "Line",
    __base__=Settings,
    __doc__="A clip of a JSON Lines manifest: its name, its output and its settings.",
    name=(str, ...),
    output=(str, ...),
)


class Manifest(BaseModel):
    """What a YAML manifest holds."""

    model_config = ConfigDict(extra="forbid")

    characters: dict[str, Settings] = Field(min_length=1)  # type: ignore[valid-type]
    clips: dict[str, Settings] = Field(min_length=1)  # type: ignore[valid-type]
    output: str = DEFAULT_OUTPUT
    version: _number(int) = Field(1, ge=0, le=999_999)  # type: ignore[valid-type]
    settings: Settings = Settings()  # type: ignore[valid-type]
    overrides: list[Override] = []


@dataclass(frozen=True)
class Checked(Generic[Model]):
    """What could be made of some values, what was wrong, and where something was left out.

    values: None when the rest makes no sense without what was left out.
    """

    values: Model | None
    faults: tuple[Fault, ...] = ()
    lost: frozenset[Location] = frozenset()


def check(model: type[Model], values: Any, document: Document, before: Location) -> Checked[Model]:
    """Check values that stand somewhere in a document; faults are told once for each place."""
    try:
        return Checked(model.model_validate(values))
    except ValidationError as error:
        found = error.errors()
    faults: list[Fault] = []
    lost: dict[Location, None] = {}
    for each in found:
        place = _place(values, each["loc"])
        if place not in lost:
            missing = place != each["loc"] and each["type"] == "missing"
            lost[place] = None
            problem = _problem(each, (*place, *each["loc"][-1:]) if missing else place, model)
            faults.append(Fault(document.line((*before, *place)), problem))
    places = frozenset((*before, *place) for place in lost)
    try:
        return Checked(model.model_validate(_without(values, lost)), tuple(faults), places)
    except ValidationError:
        return Checked(None, tuple(faults), places)


def kept_overrides(document: Document, lost: Iterable[Location]) -> list[int]:
    """Return the numbers, as written, of the overrides that were not left out."""
    written = document.values.get("overrides")
    gone = set(lost)
    count = len(written) if isinstance(written, list) else 0
    return [index for index in range(count) if ("overrides", index) not in gone]


def near(word: str, known: Iterable[str]) -> str:
    """Return what was meant, as a question: a flag's setting, or what is spelled most alike."""
    names = list(known)
    setting = _settings_of_flags().get(word.strip("-").replace("_", "-"))
    close = [setting] if setting in names else difflib.get_close_matches(word, names, n=1)
    return f" · did you mean {close[0]!r}?" if close else ""


def _settings_of_flags() -> dict[str, str]:
    """Return the settings by the flags of the command line, without their dashes."""
    actions = animate_parser("animate", lambda _: 0)._actions
    return {flag.strip("-"): each.dest for each in actions for flag in each.option_strings}


def _place(values: Any, location: tuple[str | int, ...]) -> Location:
    """Return as much of a place as there is: pydantic adds which of several types it tried."""
    for depth, key in enumerate(location):
        try:
            values = values[key]
        except (KeyError, IndexError, TypeError):
            return location[:depth]
    return location


def _problem(found: Mapping[str, Any], place: Location, model: type[BaseModel]) -> str:
    where = ".".join(map(str, place)) or "the manifest"
    if found["type"] == "extra_forbidden":
        return f"{where}: is no setting{near(str(place[-1]), _known_keys(place, model))}"
    if found["type"] == "missing":
        return f"{where}: is missing"
    if found["type"] == "too_short":
        return f"{where}: is empty"
    shown = repr(found["input"])
    value = shown if len(shown) <= LONGEST_SHOWN else f"{shown[:LONGEST_SHOWN]}..."
    quotes = " · put it in quotes" if found["type"] == "string_type" and "{" not in value else ""
    return f"{where}: {_wanted(found)}, not {value}{quotes}"


def _wanted(found: Mapping[str, Any]) -> str:
    """Return what should stand there, in pydantic's words but for those that name its classes."""
    if found["type"] in ("model_type", "dict_type", "model_attributes_type"):
        return "should be a table of keys and values"
    message: str = found["msg"]
    return message.removeprefix("Input ").split(",")[0]


def _known_keys(place: Location, model: type[BaseModel]) -> list[str]:
    """Return the keys that could stand in place of an unknown one."""
    if model is not Manifest or len(place) == 1:
        return list(model.model_fields)
    return list((Override if place[0] == "overrides" else Settings).model_fields)


def _without(values: Any, places: Iterable[Location]) -> Any:
    """Return a copy of nested values without those at some places."""
    for place in sorted(places, key=lambda each: [str(key).zfill(9) for key in each], reverse=True):
        values = _without_one(values, place)
    return values


def _without_one(values: Any, place: Location) -> Any:
    if not place:
        return ABSENT
    rest, key = copy(values), place[0]
    if len(place) == 1:
        del rest[key]
    else:
        rest[key] = _without_one(rest[key], place[1:])
    return rest
