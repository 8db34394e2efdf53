"""Mistakes of the first five minutes, each told in one line that says how to go on."""

import errno
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import cli

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def keep_signals(monkeypatch, tmp_path):
    monkeypatch.setattr("signal.signal", lambda *_: None)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def told(capsys):
    """Run `animate` and return its exit code and what it says on standard error."""

    def run(*words):
        with pytest.raises(SystemExit) as left:
            cli.animate([str(word) for word in words])
        return left.value.code, capsys.readouterr().err

    return run


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (
            ["hero.png", "dance.mp4", "out.mp4"],
            "error[U1]: animate: 'out.mp4' is one word too many · the result is named by -o",
        ),
        (
            ["-hero.png", "dance.mp4"],
            "error[U1]: animate: '-hero.png' begins with a dash, as flags do · write ./-hero.png",
        ),
        (
            ["hero.png", "dance.mp4", "--size", "-5x10"],
            "error[U1]: animate: argument --size: expected one argument"
            " · give a value; one that begins with a dash as --flag=VALUE",
        ),
        (
            ["", "dance.mp4"],
            "error[U1]: animate: argument REF: the name is empty · see animate --help",
        ),
        (
            ["hero.png", "dance.mp4", "-o", ""],
            "error[U1]: animate: argument -o/--output: the name is empty · see animate --help",
        ),
        (
            ["hero.png", "dance.mp4", "-o", "shots/.mp4"],
            "error[M11]: -o: 'shots/.mp4' cannot be used · give a name, such as clip.mp4",
        ),
        (
            ["hero.png", "dance.mp4", "-o", "-"],
            "error[M11]: -o: '-' cannot be used · give a name, such as clip.mp4",
        ),
        (
            ["hero.png", "dance.mp4", "-o", "hero.png"],
            "error[M11]: -o: hero.png is one picture, not a clip · give hero.%04d.png",
        ),
        (
            ["hero.png", "dance.mp4", "-o", "x.xyz"],
            "error[M11]: -o: 'x.xyz' cannot be used · give .mp4, .mov, .webm, .mkv, .gif, .webp,"
            " a folder/ or a pattern such as shot.%04d.png",
        ),
    ],
)
def test_words_that_a_beginner_writes_are_answered_with_what_was_meant(told, words, line):
    Path("-hero.png").touch()
    assert told(*words) == (2, f"{line}\n")


def test_a_name_that_begins_with_a_dash_is_a_file_s_after_two_dashes(told):
    Path("-hero.png").touch()
    code, line = told("--", "-hero.png", "dance.mp4")
    assert (code, line.split("·")[0]) == (3, "error[R7]: -hero.png: is empty ")


def test_a_flag_behind_two_dashes_is_told(told):
    line = (
        "error[U1]: animate: '--dry-run' stands behind --, where every word is a name"
        " · write --dry-run before the --\n"
    )
    assert told("--", "refs", "--dry-run") == (2, line)
    assert told("--", "hero.png", "dance.mp4", "--dry-run") == (2, line)


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (
            ["batch", "run", "x", "--colour"],
            "dtvideo batch run: '--colour' is not understood · see dtvideo batch run --help",
        ),
        (
            ["animate", "a", "b", "--stepz", "3"],
            "dtvideo animate: '--stepz' is not understood · did you mean --steps?",
        ),
        (
            ["poses", "draw", "x.json", "-o", ""],
            "dtvideo poses draw: argument -o/--output: the name is empty"
            " · see dtvideo poses draw --help",
        ),
        (
            ["batch", "run", "x", "--progres", "json"],
            "dtvideo batch run: '--progres' is not understood · did you mean --progress?",
        ),
        (
            ["batch", "run", "x", "y"],
            "dtvideo batch run: 'y' is one word too many · see dtvideo batch run --help",
        ),
    ],
)
def test_a_tool_s_own_flags_and_help_are_named(capsys, words, line):
    assert cli.run(cli.toolbox_parser(), words) == 2
    assert capsys.readouterr().err == f"error[U1]: {line}\n"


def test_picture_and_video_that_changed_places_are_told(told, make_video, stage):
    make_video("dance.mp4", 3, size=(64, 64))
    code, line = told("dance.mp4", stage / "hero.png")
    assert code == 3
    assert line == "error[R7]: dance.mp4: is a video, not a picture · give a picture\n"


@pytest.fixture
def words(stage, tiny_model):
    return [stage / "hero.png", "--poses", stage / "dance.json", "--ref-pose", stage / "pose.json",
            "--model", tiny_model, "--size", "32x32", "--progress", "none", "-o"]  # fmt: skip


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_f2_a_closed_standard_stream_takes_nothing_and_gives_its_number_to_no_file(closed):
    """The numbers 0 to 2 are seen by a program that `animate` calls in the place of its job."""
    program = (
        "import os, sys, cli\n"
        "def job(_):\n"
        "    print('told', file=sys.stderr)\n"
        "    print('a path')\n"
        "    sys.exit(os.open('result', os.O_RDWR | os.O_CREAT))\n"
        "cli.animate_command = job\n"
        "cli.animate(['a.png', 'b.mp4'])"
    )
    call = f"{shlex.quote(sys.executable)} -c {shlex.quote(program)} {closed}"
    finished = subprocess.run(
        ["sh", "-c", call],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode > 2
    assert Path("result").read_bytes() == b""
    assert finished.stdout == ("" if ">&-" in closed.split() else "a path\n")
    assert finished.stderr == ("" if "2>&-" in closed.split() else "told\n")


def test_f3_a_result_inside_a_file_is_told_by_the_name_that_was_given(told, words):
    Path("notes").write_text("mine")
    code, line = told(*words, "notes/x.mp4")
    assert code == 7
    assert line == (
        "error[F3]: notes/x.mp4: part of the path is a file, not a folder · write somewhere else\n"
    )


def test_f3_a_folder_that_may_not_be_written_is_told_by_the_name_that_was_given(
    told, words, monkeypatch
):
    real = os.mkdir

    def refuse(path, *details):
        if "locked" in os.fspath(path):
            raise PermissionError(errno.EACCES, "no", path)
        real(path, *details)

    monkeypatch.setattr(os, "mkdir", refuse)
    code, line = told(*words, "locked/x.mp4")
    assert (code, line) == (
        7,
        "error[F3]: locked/x.mp4: you may not write here · write somewhere else\n",
    )
    assert not Path("locked").exists()


def test_a_render_that_comes_to_nothing_leaves_no_folder_behind(told, words, make_video, stage):
    make_video("empty.mp4", 3, size=(64, 64))
    Path("kept").mkdir()
    for output in ("new/deep/x.mp4", "newer/", "kept/new/x.mp4"):
        driver = ["empty.mp4" if word == "--poses" else word for word in words]
        driver.remove(stage / "dance.json")
        code, line = told(*driver, output)
        assert (code, line[:10]) == (3, "error[P1]:")
    assert sorted(map(str, Path().rglob("*"))) == ["empty.mp4", "kept"]
