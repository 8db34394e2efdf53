"""Workers for tests of a batch: they render nothing, and fail in the way that the prompt says."""

import faulthandler
import os
import signal
import sys
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any


def act(connection: Connection, *, threads: int, log: Path, device: str | None) -> None:
    """Answer jobs by their prompts: fine, bad, full, dies, hangs, beats, or dies once."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    faulthandler.register(signal.SIGUSR1, log.open("a"))
    log.with_suffix(".device").write_text(str(device))
    while True:
        try:
            job = connection.recv()
        except EOFError:
            return
        connection.send(("beat", "render"))
        for _ in range(8 if job["prompt"] == "beats" else 0):
            time.sleep(0.5)
            connection.send(("beat", "render"))
        connection.send(_answer(job))


def _answer(job: dict[str, Any]) -> tuple[Any, ...]:
    marker = Path(job["output"]).with_suffix(".tried")
    first = not marker.exists()
    with marker.open("a") as file:
        file.write("x")
    with marker.with_suffix(".times").open("a") as file:
        file.write(f"{time.monotonic()}\n")
    match job["prompt"]:
        case "bad":
            return "failed", 3, "error[V2]: clip: is no video"
        case "full":
            return "failed", 7, "error[F3]: disk: is full"
        case "dies":
            os.kill(os.getpid(), signal.SIGKILL)
        case "dies once" if first:
            os.kill(os.getpid(), signal.SIGSEGV)
        case "hangs":
            time.sleep(60)
        case "there" if not first:
            return "done", 4, 0.1, True
    return "done", 4, 0.5, False
