"""Words that are too long or too large are refused in one line, at once, by every flag."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

import cli
from dtvideo.errors import explained
from pipelines.flags import animate_parser
from poses.errors import ExplainedError

PARSER = animate_parser("animate", cli.animate_command)
FLAGS = sorted(
    action.option_strings[-1]
    for action in PARSER._actions
    if action.option_strings and action.type is not None
)
NUMBERS = st.one_of(
    st.sampled_from(["1e999999999", "1e-999999999", "nan", "-inf", "0x10", "1_0", "٣", "", "1:1"]),
    st.builds(lambda digit, count: digit * count, st.sampled_from("19"), st.integers(1, 5000)),
    st.text("0123456789./eE+-:x,", max_size=30),
)


@pytest.fixture(autouse=True)
def without_handlers(monkeypatch):
    monkeypatch.setattr("signal.signal", lambda *_: None)


@given(flag=st.sampled_from(FLAGS), text=NUMBERS)
def test_m11_every_flag_that_is_read_takes_a_number_or_refuses_it(flag, text):
    try:
        arguments = PARSER.parse_all(["a.png", "b.mp4", f"{flag}={text}"])
        del arguments.going_on
        cli._render_job(arguments)
    except (ExplainedError, OSError) as error:
        told = explained(error, when_memory_lacks="")
        assert told is not None
        assert told.exit_code == 2


@pytest.mark.parametrize(
    ("flag", "text"),
    [
        ("--fps", "1e999999999"),
        ("--frames", "9" * 400),
        ("--seed", "9" * 400),
        ("--threads", "9" * 400),
        ("--max-frames", "9" * 400),
        ("--cache-memory", "9" * 400),
    ],
)
def test_m11_a_number_of_hundreds_of_digits_is_refused_by_its_flag(flag, text, capsys):
    assert cli.run(PARSER, ["a.png", "b.mp4", f"{flag}={text}"]) == 2
    assert capsys.readouterr().err.startswith(f"error[M11]: {flag}: ")


@pytest.mark.parametrize(
    "words",
    [
        ["{}.png", "--poses=dance.json"],
        ["hero.png", "{}.mp4"],
        ["hero.png", "--poses={}"],
        ["hero.png", "--poses=dance.json", "-o={}"],
        ["hero.png", "--poses=dance.json", "--ref-pose={}"],
        ["hero.png", "--poses=dance.json", "--model={}"],
    ],
)
def test_f11_a_name_that_no_disk_takes_is_told_in_one_line(words, capsys, monkeypatch, stage):
    monkeypatch.chdir(stage)
    words = [word.format("n" * 300) for word in words]
    assert cli.run(PARSER, [*words, "--progress=none"]) == 2
    told = capsys.readouterr().err
    assert told.startswith("error[F11]: ")
    assert "nnn...: is too long a name for this disk · give a shorter one" in told
    assert told.count("\n") == 1
