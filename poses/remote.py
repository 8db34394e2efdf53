"""A detector in a process of its own, so that several work at once on several processors.

Pictures go to it and poses come back through a pipe. `extract_poses` takes several of them like
any other detectors; each looks at every picture afresh, so what is found does not depend on how
many there are.
"""

import multiprocessing
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from poses.detectors import Picture, PoseDetector
from poses.errors import DetectorError
from poses.types import Pose

END_SECONDS = 10.0

Make = Callable[[], PoseDetector]


class RemoteDetector:
    """Behaves as the detector that `make` returns, which lives in a process of its own.

    make: a function that can be pickled, such as `partial(create_detector, "mediapipe")`; it runs
    in the new process. Close it when done; it ends with this process in any case.
    Raises: what `make` and `detect` raise there; DetectorError B6 when the process dies.
    """

    def __init__(self, make: Make) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, far_end = context.Pipe()
        self._process = context.Process(target=_serve, args=(far_end, make), daemon=True)
        self._process.start()
        far_end.close()
        self.name = "detector"
        self.name, self.licence, self.device, self.finds_one = self._answer()

    def detect(self, image: Picture) -> list[Pose]:
        """Return every person found, an empty list when there is none."""
        try:
            self._pipe.send(image.shape)
            self._pipe.send_bytes(np.ascontiguousarray(image).data.cast("B"))
        except OSError as error:
            raise self._dead() from error
        found: list[Pose] = self._answer()
        return found

    def close(self) -> None:
        """End the process; closing twice is allowed."""
        self._pipe.close()
        self._process.join(END_SECONDS)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()

    def _answer(self) -> Any:
        try:
            answer, error = self._pipe.recv()
        except (EOFError, OSError) as broken:
            raise self._dead() from broken
        if error is not None:
            raise error
        return answer

    def _dead(self) -> DetectorError:
        self._process.join(END_SECONDS)
        problem = f"its process ended (exit code {self._process.exitcode})"
        return DetectorError("B6", self.name, problem, "look again, with fewer workers")


@contextmanager
def remote_detectors(make: Make, count: int) -> Iterator[list[RemoteDetector]]:
    """Yield so many detectors, each in a process of its own; the processes end with the block.

    Raises: as `RemoteDetector`; ValueError for a count below one.
    """
    if count < 1:
        raise ValueError(f"{count} detectors: there must be at least one")
    with ExitStack() as stack:
        detectors = []
        for _ in range(count):
            detectors.append(RemoteDetector(make))
            stack.callback(detectors[-1].close)
        yield detectors


def _serve(pipe: Connection, make: Make) -> None:
    """Answer pictures with poses until the pipe closes; a mistake is an answer too."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        detector = make()
        about = detector.name, detector.licence, detector.device
        pipe.send(((*about, bool(getattr(detector, "finds_one", False))), None))
        while True:
            shape = pipe.recv()
            image = np.frombuffer(pipe.recv_bytes(), np.uint8).reshape(shape)
            pipe.send((detector.detect(image), None))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return
    except Exception as error:
        pipe.send((None, error))
