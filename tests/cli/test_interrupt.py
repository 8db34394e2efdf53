"""F2: one Ctrl-C ends in good order, a second one at once."""

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
