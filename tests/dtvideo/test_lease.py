import errno
import os
import signal
import subprocess
import sys

import pytest

from dtvideo import lease
from dtvideo.errors import OutputError, ResourceError
from dtvideo.lease import hold_lease, is_held

HOLDER = """
import sys, time
from pathlib import Path
from dtvideo.lease import hold_lease
with hold_lease(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    """A child that holds x.work/lease.json."""
    path = tmp_path / "x.work" / "lease.json"
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "held\n"
        yield path, process
        process.kill()


def test_f5_a_second_run_is_refused_and_told_who_holds_the_output(holder):
    path, process = holder
    with pytest.raises(OutputError) as caught, hold_lease(path):
        pass
    assert caught.value.code == "F5"
    assert caught.value.exit_code == 8
    assert f"is in use by process {process.pid} on " in str(caught.value)
    assert " since 20" in str(caught.value)


def test_f5_the_lease_of_a_killed_run_is_free(holder):
    path, process = holder
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert path.exists()
    with hold_lease(path):
        assert str(os.getpid()) in path.read_text()
    assert not path.exists()


def test_whether_a_lease_is_held_is_told_without_taking_it(holder, tmp_path):
    path, process = holder
    assert is_held(path)
    assert is_held(path)
    process.kill()
    process.wait()
    assert path.exists()
    assert not is_held(path)
    assert not is_held(tmp_path / "none")


def test_f5_a_lease_whose_file_was_removed_meanwhile_is_not_the_lease(tmp_path, monkeypatch):
    path, lock = tmp_path / "lease", lease._lock
    opened = []

    def locked_late(descriptor, at):
        opened.append(descriptor)
        if len(opened) == 1:  # the holder before removes its file and lets go just now
            path.unlink()
        lock(descriptor, at)

    monkeypatch.setattr(lease, "_lock", locked_late)
    with hold_lease(path), pytest.raises(OutputError, match=str(os.getpid())), hold_lease(path):
        pass
    assert len(opened) == 3


def test_a_lease_ends_with_its_block_also_after_an_error(tmp_path):
    path = tmp_path / "lease"
    with pytest.raises(ZeroDivisionError), hold_lease(path):
        raise ZeroDivisionError
    with hold_lease(path), pytest.raises(OutputError, match=str(os.getpid())), hold_lease(path):
        pass


def test_who_waits_gets_the_lease_when_its_holder_is_gone_and_tells_meanwhile(holder):
    path, process = holder
    waited = []

    def waiting():
        waited.append(1)
        if len(waited) == 3:
            process.kill()

    with hold_lease(path, waiting=waiting):
        assert str(os.getpid()) in path.read_text()
    assert len(waited) >= 3


def test_f10_a_file_system_without_locks_is_told_and_not_guessed_at(tmp_path, monkeypatch):
    def flock(descriptor, operation):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("dtvideo.lease.fcntl.flock", flock)
    with pytest.raises(
        ResourceError, match="does not support locks · write to a local disk"
    ) as caught:
        with hold_lease(tmp_path / "x.work" / "lease.json"):
            pass
    assert (caught.value.code, caught.value.exit_code) == ("F10", 7)
