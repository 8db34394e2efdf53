"""Kill a job at chosen moments and start it again: `python -m tests.killing CALL POINTS`.

CALL is a JSON object: the settings of a `RenderJob`. For each kill point the job runs in a fork
that ends itself by SIGKILL at that file operation, then in another one that is left alone. The
answer is one JSON list a point: whether the first was killed, and the hashes of the frames.
"""

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from pipelines.job import job_from_plain
from pipelines.render import render

FILE_OPERATIONS = ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "shutil.rmtree")


def die_at(count: int, *, under: Path) -> None:
    """End this process by SIGKILL just before its `count`th file operation in a folder."""
    left = count

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal left
        if event in FILE_OPERATIONS and str(arguments[0]).startswith(str(under)):
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)


def in_fork(work: Callable[[], object]) -> int:
    """Call a function in a fork and return its exit status; 9 means killed."""
    child = os.fork()
    if child == 0:
        try:
            work()
        except BaseException as error:
            print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)
    return os.waitpid(child, 0)[1]


def main(call: str, points: str) -> None:
    """Kill, go on and tell, point by point."""
    job = job_from_plain(json.loads(call))
    folder = job.target.parent
    for point in json.loads(points):

        def killed(point: int = point) -> None:
            die_at(point, under=folder)
            render(job)

        for path in (job.target, job.beside(".json"), job.beside(".sheet.png")):
            path.unlink(missing_ok=True)
        statuses = [in_fork(killed), in_fork(lambda: render(job))]
        told = json.loads(job.beside(".json").read_text())
        left = sorted(path.name for path in folder.iterdir())
        print(json.dumps([statuses, told["frames"]["sha256_of_rgb"], left]), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
