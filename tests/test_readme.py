"""What the README shows is what runs."""

import re
import subprocess
from pathlib import Path

import pytest

from dtvideo.images import load_image
from pipelines.flags import animate_parser

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language, page=README):
    return re.findall(rf"^```{language}\n(.*?)^```", page, flags=re.MULTILINE | re.DOTALL)


def test_the_first_commands_are_targets_of_the_makefile():
    commands = blocks("")[0].split("\n")[:-1]
    assert commands == ["make demo", "make test"]
    for command in commands:
        finished = subprocess.run(
            [*command.split(), "--dry-run"], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert finished.returncode == 0, finished.stderr


def test_the_makefile_s_demo_is_the_command_that_is_shown():
    shown = blocks("")[1].strip().removeprefix(".venv/bin/")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert shown in makefile


def test_the_python_example_renders_the_example(tmp_path, monkeypatch, capsys):
    (example,) = blocks("python")
    assert len(example.strip().splitlines()) == 5
    small = example.replace(
        "seed=7", f"seed=7, frames=(0, 1), output=Path({str(tmp_path)!r}, 'x.mp4')"
    )
    monkeypatch.chdir(ROOT)
    exec(small, {})
    assert capsys.readouterr().out.strip() == str(tmp_path / "x.mp4")
    assert (tmp_path / "x.json").is_file()


def test_the_example_of_a_pipeline_makes_its_frames(tmp_path, monkeypatch):
    page = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
    (example,) = (each for each in blocks("python", page) if "pipeline.open(" in each)
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    exec(example, {})
    first, second = (load_image(tmp_path / f"frame-{index}.png").rgb for index in (0, 1))
    assert first.shape == (128, 128, 3)
    assert (first != second).any()


def test_every_flag_is_in_the_table():
    options = animate_parser("animate", lambda _: 0)._option_string_actions
    flags = {flag for flag in options if flag.startswith("--")}
    missing = [flag for flag in flags - {"--help", "--version", "--output"} if flag not in README]
    assert not missing


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "docs/index.md"])
def test_links_to_files_lead_somewhere(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)#]+)", text) if "://" not in link]
    lost = [link for link in links if not (ROOT / page).parent.joinpath(link).exists()]
    assert not lost
