"""F2: one Ctrl-C ends in good order, a second one at once."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROGRAM = """
import sys, time
import cli

def work(_):
    try:
        print("at work", flush=True)
        time.sleep(60)
    finally:
        print("in good order", flush=True)
        time.sleep({tidying})

cli.doctor_command = work
cli.main(["doctor"])
"""


NOT_IGNORED = "import signal; signal.signal(signal.SIGHUP, signal.SIG_DFL)\n"
"""Also where the tests themselves run under nohup."""


def start(tidying, *, by=signal.SIGINT):
    process = subprocess.Popen(
        [sys.executable, "-c", NOT_IGNORED + PROGRAM.format(tidying=tidying)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "at work\n"
    process.send_signal(by)
    assert process.stdout.readline() == "in good order\n"
    return process


@pytest.mark.parametrize("presses", [1, 2])
def test_f2_the_first_interruption_tidies_up_and_the_second_leaves_at_once(presses):
    with start(tidying=0 if presses == 1 else 60) as process:
        begun = time.monotonic()
        if presses == 2:
            process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
        assert time.monotonic() - begun < 20
        told = process.stderr.read()
    assert ("interrupted" in told) == (presses == 1)


@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGHUP])
def test_f2_who_is_told_to_end_or_loses_the_terminal_ends_in_good_order(by):
    with start(tidying=0, by=by) as process:
        assert process.wait(20) == 143


def test_f2_a_run_under_nohup_does_not_end_with_its_terminal():
    ignored = "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
    with subprocess.Popen(
        [sys.executable, "-c", ignored + PROGRAM.format(tidying=0)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout.readline() == "at work\n"
        process.send_signal(signal.SIGHUP)
        time.sleep(0.3)
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 143


WORK = """
import os, sys
import cli

def work(_):
    {first}
    print("told", file=sys.stderr, flush=True)
    print("told again", file=sys.stderr, flush=True)
    print("a path", flush=True)
    return 0

cli.doctor_command = work
cli.main(["doctor"])
"""


def ends(first, **streams):
    """Run some work, its streams being as given; return its exit code and standard output."""
    program = WORK.format(first=first)
    finished = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, check=False, text=True, timeout=60, **streams
    )
    return finished.returncode, finished.stdout, finished.stderr


@pytest.fixture
def without_reader():
    reader, writer = os.pipe()
    os.close(reader)
    yield writer
    os.close(writer)


def test_work_goes_on_where_nobody_reads_standard_error(without_reader):
    ended = ends("pass", stdout=subprocess.PIPE, stderr=without_reader)
    assert ended == (0, "a path\n", None)


def test_a_reader_of_paths_may_leave(without_reader):
    ended = ends("pass", stdout=without_reader, stderr=subprocess.PIPE)
    assert ended == (0, None, "told\ntold again\n")


def test_a_broken_pipe_that_is_not_standard_output_is_no_success():
    code, told, error = ends(
        "raise BrokenPipeError", stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert (code, told) == (1, "")
    assert error.startswith("error[X1]: dtvideo: BrokenPipeError")
