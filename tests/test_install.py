"""The installed distribution: who owns the top-level names, the commands and the data files."""

import os
import subprocess
import sys
from importlib.metadata import entry_points, packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
OWN_NAMES = ("cli", "dtvideo", "pipelines", "poses")


@pytest.mark.parametrize("name", OWN_NAMES)
def test_no_other_distribution_takes_our_names(name):
    owners = set(packages_distributions().get(name, ["dtvideo"]))
    assert owners == {"dtvideo"}, f"{name} belongs to {sorted(owners)}"


def test_both_commands_point_at_the_command_line():
    commands = {
        entry.name: entry.value
        for entry in entry_points(group="console_scripts")
        if entry.value.startswith("cli:")
    }
    assert commands == {"animate": "cli:animate", "dtvideo": "cli:main"}


def test_every_data_file_is_covered_by_the_package_data():
    import tomllib

    with (ROOT / "pyproject.toml").open("rb") as file:
        patterns = tomllib.load(file)["tool"]["setuptools"]["package-data"]["*"]
    tracked = subprocess.run(
        ["git", "ls-files", *OWN_NAMES], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.split()
    data = [Path(name) for name in tracked if not name.endswith((".py", ".md"))]
    left_out = [path for path in data if not any(path.match(pattern) for pattern in patterns)]
    assert not left_out, f"not shipped: {left_out}"


def test_cv2_loads_and_works_without_a_screen():
    check = "import cv2, numpy; print(cv2.resize(numpy.zeros((4, 4, 3), 'uint8'), (2, 2)).shape)"
    screenless = {
        key: value for key, value in os.environ.items() if key not in ("DISPLAY", "WAYLAND_DISPLAY")
    }
    finished = subprocess.run(
        [sys.executable, "-c", check], env=screenless, capture_output=True, text=True, check=False
    )
    assert finished.stdout.strip() == "(2, 2, 3)", finished.stderr


def test_the_one_cv2_was_built_without_a_screen():
    script = ROOT / "scripts" / "screenless_cv2.py"
    finished = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, check=False
    )
    assert finished.returncode == 0, f"{finished.stderr.strip()}: run make setup"


@pytest.mark.parametrize("command", ["animate", "dtvideo"])
def test_commands_answer_help_from_any_folder(command, tmp_path):
    program = Path(sys.executable).with_name(command)
    finished = subprocess.run(
        [program, "--help"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert finished.returncode == 0
    assert finished.stdout.startswith(f"usage: {command}")
