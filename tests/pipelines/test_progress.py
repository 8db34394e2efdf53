import io
import json
import time

import pytest

from dtvideo.errors import UsageError
from pipelines.progress import BarProgress, LineProgress, create_progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


def run_stage(progress, units=3):
    with progress.stage("render", units) as advance:
        for _ in range(units):
            advance()
    progress.notice("a note [not markup]")


def test_a_log_file_gets_plain_lines():
    stream = io.StringIO()
    run_stage(create_progress("bar", stream))
    lines = stream.getvalue().splitlines()
    assert lines[0] == "render: 3 to do"
    assert lines[1].startswith("render: 3 done in ")
    assert lines[2] == "note: a note [not markup]"
    assert "\r" not in stream.getvalue()


def test_a_log_file_hears_from_a_long_unit_with_an_estimate():
    stream = io.StringIO()
    with LineProgress(stream, seconds_between_lines=0.02).stage("render", 4) as advance:
        advance()
        time.sleep(0.1)
    beats = [line for line in stream.getvalue().splitlines() if line.startswith("render: 1/4")]
    assert beats
    assert "s left" in beats[0]


def test_a_log_file_hears_how_long_a_stage_of_unknown_length_goes_on():
    stream = io.StringIO()
    with LineProgress(stream, seconds_between_lines=0.02).stage("load model", None):
        time.sleep(0.1)
    assert stream.getvalue().splitlines()[1].endswith("s so far")


def test_a_failing_stage_ends_its_beat_without_saying_done():
    stream = io.StringIO()
    with pytest.raises(ZeroDivisionError), LineProgress(stream).stage("render", 4):
        raise ZeroDivisionError
    assert "done" not in stream.getvalue()


def test_json_lines_tell_stage_count_and_notices():
    stream = io.StringIO()
    run_stage(create_progress("json", stream))
    events = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [event["event"] for event in events] == ["start", *["progress"] * 3, "end", "notice"]
    assert events[3]["done"] == 3
    assert events[3]["total"] == 3
    assert events[-1]["text"] == "a note [not markup]"


def test_a_terminal_gets_a_bar_with_what_is_left():
    stream = Terminal()
    progress = create_progress("bar", stream)
    assert isinstance(progress, BarProgress)
    run_stage(progress)
    assert "3/3" in stream.getvalue()
    assert "a note [not markup]" in stream.getvalue()


def test_silence_is_silent():
    stream = io.StringIO()
    run_stage(create_progress("none", stream))
    assert stream.getvalue() == ""


def test_an_unknown_kind_is_refused_by_name():
    with pytest.raises(UsageError, match="'loud' is unknown"):
        create_progress("loud")
