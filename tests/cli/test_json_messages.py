"""With `--progress json` every line of standard error is one object, whatever happens."""

import json
import logging
import warnings

import pytest

import cli
from dtvideo.errors import MediaError


@pytest.fixture(autouse=True)
def keep_signals(monkeypatch):
    monkeypatch.setattr("signal.signal", lambda *_: None)


def run(capsys, entry, *words):
    """Return the exit code and the objects on standard error; a line that is none fails."""
    with pytest.raises(SystemExit) as left:
        entry(list(words))
    return left.value.code, [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_an_error_is_an_object_with_its_parts_and_the_exit_code(capsys, tmp_path):
    code, told = run(capsys, cli.animate, str(tmp_path / "no.png"), "b.mp4", "--progress", "json")
    error = {
        "event": "error",
        "exit_code": 3,
        "code": "V1",
        "subject": str(tmp_path / "no.png"),
        "problem": "no such file or directory",
        "remedy": "check the name",
    }
    line = f"error[V1]: {error['subject']}: no such file or directory · check the name"
    assert (code, told) == (3, [{**error, "text": line}])


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["a.png", "b.mp4", "--progress=json", "--stepz", "3"], "U1"),
        (["--progress", "json"], "U1"),
        (["a.png", "b.mp4", "--steps", "0", "--progress", "json"], "M11"),
    ],
)
def test_words_that_do_not_fit_together_are_told_as_asked_for_too(capsys, words, code):
    exit_code, told = run(capsys, cli.animate, *words)
    assert exit_code == told[0]["exit_code"] == 2
    assert [(each["event"], each["code"]) for each in told] == [("error", code)]


def test_no_words_at_all_are_a_usage_error_in_text(capsys):
    with pytest.raises(SystemExit, match="2"):
        cli.animate([])
    assert capsys.readouterr().err.startswith("error[U1]: animate: the following arguments")


def test_a_bug_is_an_object_that_names_the_file_of_its_details(capsys, monkeypatch):
    def fail(_):
        raise ZeroDivisionError("by\nnothing")

    monkeypatch.setattr(cli, "animate_command", fail)
    code, [told] = run(capsys, cli.animate, "a.png", "b.mp4", "--progress", "json")
    assert code == told["exit_code"] == 1
    assert (told["code"], told["problem"]) == ("X1", "ZeroDivisionError: by nothing")
    path = told["remedy"].removeprefix("a bug; details: ")
    with open(path, encoding="utf-8") as file:
        assert "ZeroDivisionError" in file.read()


def test_an_interruption_is_an_object(capsys, monkeypatch):
    def interrupt(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "animate_command", interrupt)
    code, [told] = run(capsys, cli.animate, "a.png", "b.mp4", "--progress", "json")
    assert code == told["exit_code"] == 130
    assert told["event"] == "interrupted"
    assert told["text"].endswith("the same command goes on with --resume")


def test_what_libraries_warn_of_is_an_object_and_nothing_is_left_behind(capsys, monkeypatch):
    def warn(_):
        warnings.simplefilter("always")
        warnings.warn("of Python", stacklevel=1)
        logging.getLogger("a library").warning("of %s", "a logger")
        return 0

    monkeypatch.setattr(cli, "animate_command", warn)
    before = warnings.showwarning, logging.getLogger().handlers[:]
    code, told = run(capsys, cli.animate, "a.png", "b.mp4", "--progress", "json")
    assert code == 0
    assert told == [
        {"event": "warning", "text": "of Python"},
        {"event": "warning", "text": "of a logger"},
    ]
    assert (warnings.showwarning, logging.getLogger().handlers) == before


def test_a_plan_and_a_comparison_are_objects(capsys, stage, tiny_model, tmp_path):
    words = [str(stage / "hero.png"), "--poses", str(stage / "dance.json"), "--frames", "0-1",
             "--ref-pose", str(stage / "pose.json"), "--model", str(tiny_model),
             "--size", "32x32", "-o", str(tmp_path / "x.mp4"), "--progress", "json"]  # fmt: skip
    code, told = run(capsys, cli.animate, *words, "--dry-run")
    assert code == 0
    assert told[-1]["event"] == "plan"
    assert "frames      2 of 32x32" in told[-1]["text"]
    assert run(capsys, cli.animate, *words)[0] == 0
    replay = ["replay", str(tmp_path / "x.json"), "--compare", "--progress", "json"]
    code, told = run(capsys, cli.main, *replay)
    assert (code, told[-1]) == (0, {"event": "comparison", "text": "all 2 frames are equal"})


def test_people_get_text(capsys, monkeypatch):
    def fail(_):
        raise MediaError("V1", "x", "is wrong", "mend it")

    monkeypatch.setattr(cli, "animate_command", fail)
    with pytest.raises(SystemExit, match="3"):
        cli.animate(["a.png", "b.mp4", "--progress", "none"])
    assert capsys.readouterr().err == "error[V1]: x: is wrong · mend it\n"


def test_every_fault_of_a_manifest_is_in_one_object(capsys, tmp_path):
    manifest = tmp_path / "m.yaml"
    manifest.write_text(
        "characters: {hero: {reference: no.png}}\n"
        "clips: {a: {driver: no.mp4}, b: {poses: no.json}}\n"
    )
    code, [told] = run(
        capsys, cli.main, "farm", "run", str(manifest), "--number", "1", "--progress", "json"
    )
    assert (code, told["event"]) == (2, "error")
    assert len(told["details"]) == 3
    assert all(each.startswith("error[") for each in told["details"])
