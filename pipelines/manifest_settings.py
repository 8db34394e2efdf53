"""What a manifest may hold: the settings of `RenderJob` on every level, and their schema.

Values that cannot stand where they do are reported and left out, so that the rest is checked too.
"""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from functools import cache, partial
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
    "reference_person": partial(parse_person, flag="--ref-person"),
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
ROUNDS = 4  # what was left out can leave a gap, and filling that nothing further
UNKNOWN_KEY = "extra_forbidden"
STAND_IN = "\0"
"""The name of what is missing; no file can have it."""
SOURCES = ("reference", "driver", "poses")
"""Settings that an unknown key may be another word for."""
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

    values: None when nothing at all makes sense. What is missing has a stand-in there: a name that
    no file has, or a table with nothing of that name; its place is among those that are lost.
    """

    values: Model | None
    faults: tuple[Fault, ...] = ()
    lost: frozenset[Location] = frozenset()


def check(model: type[Model], values: Any, document: Document, before: Location) -> Checked[Model]:
    """Check values that stand somewhere in a document; faults are told once for each place.

    What is left out of them leaves gaps, which are filled, so that the rest is read as well.
    """
    length = len(before)
    unread = {place[length:] for place in document.lost if place[:length] == before}
    gaps = _Gaps(model, document, before, told=set(unread), lost=set(unread))
    made = None
    for _ in range(ROUNDS):
        try:
            made = model.model_validate(values)
            break
        except ValidationError as error:
            values = gaps.without_faults(values, error.errors())
    return Checked(made, tuple(gaps.faults), frozenset((*before, *place) for place in gaps.lost))


@dataclass
class _Gaps:
    """What is left out of some values, round by round."""

    model: type[BaseModel]
    document: Document
    before: Location
    told: set[Location]
    lost: set[Location]
    faults: list[Fault] = field(default_factory=list)

    def without_faults(self, values: Any, found: Sequence[Mapping[str, Any]]) -> Any:
        """Return values without what is wrong, and with stand-ins for what is missing."""
        gone: dict[Location, None] = {}
        filled: dict[Location, Any] = {}
        for each in found:
            if each["type"] == UNKNOWN_KEY:
                filled |= self._meant(values, each["loc"])
        for each in found:
            place = _place(values, each["loc"])
            is_missing = each["type"] == "missing" and place != each["loc"]
            where = (*place, each["loc"][-1]) if is_missing else place
            self._tell(each, place, where)
            if is_missing:
                filled.setdefault(where, _stand_in(where))
            elif place[:1] == ("overrides",) and len(place) == 2:
                filled[place] = dict.fromkeys(("character", "clip"), STAND_IN)  # not to move others
            else:
                gone[place] = None
        return _without(_filled(values, filled), gone)

    def _tell(self, found: Mapping[str, Any], place: Location, where: Location) -> None:
        self.lost.add(where)
        if where not in self.told:
            self.told.add(where)
            line = self.document.line((*self.before, *place))
            self.faults.append(Fault(line, _problem(found, where, self.model)))

    def _meant(self, values: Any, place: Location) -> dict[Location, Any]:
        """Return the value of an unknown key by the key that was meant, which is lost as well."""
        around, close = place[:-1], _nearest(str(place[-1]), _known_keys(place, self.model))
        self.lost.update((*around, name) for name in ([close] if close else SOURCES))
        table = values
        for key in around:
            table = table[key]
        if close is None or close in table:
            return {}
        meant = (*around, close)
        if not around and self.model.model_fields[close].is_required():
            self.told.add(meant)  # it is not missing
        self._move_lines((*self.before, *place), (*self.before, *meant))
        return {meant: table[place[-1]]}

    def _move_lines(self, place: Location, meant: Location) -> None:
        """Let what was meant, and what is in it where that is a table, stand where it is."""
        lines = self.document.lines
        lines[meant] = self.document.line(place)
        if len(place) == 1:
            moved = {key: line for key, line in lines.items() if key[:1] == place}
            lines |= {(*meant, *key[1:]): line for key, line in moved.items()}


def _stand_in(place: Location) -> Any:
    """Return what stands for something that is missing: a table of nothing, or a name of none."""
    return {STAND_IN: {}} if place in (("characters",), ("clips",)) else STAND_IN


def _filled(values: Any, gaps: Mapping[Location, Any]) -> Any:
    """Return a copy of nested values with further ones at some places."""
    for place, value in gaps.items():
        values = _with_one(values, place, value)
    return values


def _with_one(values: Any, place: Location, value: Any) -> Any:
    if not place:
        return value
    rest, key = copy(values), place[0]
    rest[key] = _with_one(rest[key], place[1:], value) if len(place) > 1 else value
    return rest


def near(word: str, known: Iterable[str]) -> str:
    """Return what was meant, as a question: a flag's setting, or what is spelled most alike."""
    close = _nearest(word, known)
    return f" · did you mean {close!r}?" if close else ""


def _nearest(word: str, known: Iterable[str]) -> str | None:
    names = [name for name in known if name != STAND_IN]
    setting = _settings_of_flags().get(word.strip("-").replace("_", "-"))
    close = [setting] if setting in names else difflib.get_close_matches(word, names, n=1)
    return close[0] if close else None


@cache
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
    if found["type"] == UNKNOWN_KEY:
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
