"""What a worker of a batch tells, and what its log keeps when it hangs or crashes."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from pipelines.batch_worker import BEAT_SECONDS, PipeProgress, _answer

ROOT = Path(__file__).parents[2]


def heard(connection):
    """Return what was sent; it is there at once, or never."""
    return connection.recv() if connection.poll() else None


def test_b7_a_long_stage_is_heard_of_while_it_goes_on_but_not_of_every_unit():
    ours, theirs = multiprocessing.Pipe()
    with PipeProgress(theirs).stage("render", 3) as advance:
        assert heard(ours) == ("beat", "render")
        advance()
        assert heard(ours) == ("beat", "render")
        advance()
        assert heard(ours) is None
        time.sleep(BEAT_SECONDS + 0.1)
        advance()
        assert heard(ours) == ("beat", "render")


def test_b6_b7_the_log_keeps_the_stack_of_a_worker_that_hangs_and_of_one_that_crashes(tmp_path):
    log = tmp_path / "worker-0.log"
    program = (
        "import os, signal\n"
        "from pathlib import Path\n"
        "from pipelines.batch_worker import _log_to\n"
        f"_log_to(Path({str(log)!r}))\n"
        "def busy():\n"
        "    os.kill(os.getpid(), signal.SIGUSR1)\n"
        "def crash():\n"
        "    os.kill(os.getpid(), signal.SIGSEGV)\n"
        "busy()\n"
        "print('said', flush=True)\n"
        "os.write(2, b'by native code\\n')\n"
        "crash()\n"
    )
    finished = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (finished.returncode, finished.stdout) == (-signal.SIGSEGV, ""), finished.stderr
    told = log.read_text()
    assert "in busy" in told.partition("said")[0]
    assert "Segmentation fault" in told.partition("by native code")[2]
    assert "in crash" in told


def test_workers_end_with_their_parent(tmp_path):
    program = f"""
from pathlib import Path
import os, signal
from pipelines.batch_worker import serve
import multiprocessing, time
if __name__ == "__main__":
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    process = multiprocessing.get_context("spawn").Process(
        target=serve, args=(theirs,),
        kwargs=dict(threads=1, log=Path({str(tmp_path / "log")!r}), device=None))
    process.start()
    print(process.pid, flush=True)
    time.sleep(1)
    os.kill(os.getpid(), signal.SIGKILL)
"""
    script = tmp_path / "parent.py"
    script.write_text(program)
    finished = subprocess.run(
        [sys.executable, str(script)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == -signal.SIGKILL, finished.stderr
    worker = Path(f"/proc/{finished.stdout.strip()}")
    for _ in range(100):
        if not worker.exists():
            return
        time.sleep(0.1)
    raise AssertionError("the worker outlived its parent")


def test_the_log_of_a_bug_tells_where_it_is(capsys):
    connection, _ = multiprocessing.Pipe()
    state, code, message = _answer({"reference": 5}, connection, None)
    assert (state, code) == ("failed", 1)
    assert "a bug; see the log" in message
    assert "settings_from_plain" in capsys.readouterr().err
