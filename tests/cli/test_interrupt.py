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


def start(tidying):
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM.format(tidying=tidying)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "at work\n"
    process.send_signal(signal.SIGINT)
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
