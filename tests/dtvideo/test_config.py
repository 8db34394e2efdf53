from dataclasses import dataclass, field
from pathlib import Path

import pytest

from dtvideo.config import load_settings
from dtvideo.errors import UsageError


@dataclass(frozen=True)
class Engine:
    cylinders: int = 4
    litres: float = 1.0
    turbo: bool = False


@dataclass(frozen=True)
class Car:
    name: str = "beetle"
    engine: Engine = field(default_factory=lambda: Engine(litres=1.2))


def load(folder: Path, text: str) -> Car:
    path = folder / "car.toml"
    path.write_text(text, encoding="utf-8")
    return load_settings(Car, path)


def test_an_empty_file_gives_the_defaults(tmp_path):
    assert load(tmp_path, "") == Car()


def test_a_table_changes_single_fields_and_keeps_what_the_outer_settings_say(tmp_path):
    car = load(tmp_path, 'name = "van"\n[engine]\ncylinders = 6\nturbo = true\n')
    assert car == Car("van", Engine(6, 1.2, True))


def test_a_whole_number_may_stand_for_a_decimal_one(tmp_path):
    litres = load(tmp_path, "[engine]\nlitres = 2\n").engine.litres
    assert (litres, type(litres)) == (2.0, float)


@pytest.mark.parametrize(
    ("text", "code", "told"),
    [
        ("nam = 'x'", "C3", ["unknown key 'nam'", "did you mean 'name'?"]),
        ("[engine]\nturbos = true", "C3", ["car.toml [engine]", "'turbos'", "'turbo'"]),
        ("zzz = 1", "C3", ["known keys: name, engine"]),
        ("[engine]\ncylinders = 2.5", "C4", ["cylinders = 2.5", "not int"]),
        ("[engine]\ncylinders = true", "C4", ["cylinders = True", "not int"]),
        ("[engine]\nturbo = 1", "C4", ["turbo = 1", "not bool"]),
        ("name = 3", "C4", ["name = 3", "not str"]),
        ("engine = 3", "C4", ["engine = 3", "not a table"]),
        ("[engine]\nlitres = 1" + "0" * 400, "C4", ["litres is out of all ranges"]),
        ("[engine]\ncylinders = 0x" + "f" * 9999, "C4", ["cylinders is out of all ranges"]),
        ("[engine]\ncylinders = 1" + "0" * 9999, "C2", ["car.toml", "is not TOML"]),
        ("name = ", "C2", ["car.toml", "is not TOML"]),
    ],
)
def test_what_does_not_fit_is_refused_with_the_value_found(tmp_path, text, code, told):
    with pytest.raises(UsageError) as caught:
        load(tmp_path, text)
    assert caught.value.code == code
    assert all(part in str(caught.value) for part in told), str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(UsageError, match=r"C1.*none\.toml.*No such file"):
        load_settings(Car, tmp_path / "none.toml")
