"""Random access to training clips: decord in a child process that can be killed.

decord decodes scattered frames fast, but it trusts what a file says of itself and can spin for
ever. So the frame count is found by decoding with PyAV first, and every request has a deadline.
"""

import multiprocessing
from collections.abc import Sequence
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from dtvideo.errors import MediaError
from dtvideo.video import VideoInfo, probe

START_SECONDS = 60.0
STOP_SECONDS = 2.0
MOST_OPEN = 8  # clips at once, some ten megabytes each
OPEN, READ, CLOSE = "open", "read", "close"
REMEDY = "leave it out or convert it"

Frames = UInt8[np.ndarray, "t h w 3"]


class ClipReaders:
    """Reads scattered frames of many clips, all in one child process; close it in the end.

    The frames are those of the files, RGB, in the orientation and at the rate in which they are
    stored. A clip is probed once; the `most_open` that were read last stay open.
    deadline_seconds: how long one `read` may take before the child is killed.
    """

    def __init__(self, *, deadline_seconds: float = 20.0, most_open: int = MOST_OPEN) -> None:
        self.deadline_seconds, self.most_open = deadline_seconds, most_open
        self._infos: dict[Path, VideoInfo] = {}
        self._open: dict[Path, None] = {}
        self._child: BaseProcess | None = None

    def info(self, path: Path) -> VideoInfo:
        """Return the facts of a clip.

        Raises: MediaError V1-V6 from `probe`; V9 when the clip would have to be turned.
        """
        if path not in self._infos:
            info = probe(path)
            if info.rotation or info.orientation.mirrored:
                problem = f"is stored turned by {info.rotation} degrees"
                raise MediaError("V9", path, problem, "store training clips upright")
            self._infos[path] = info
        return self._infos[path]

    def open(self, path: Path) -> None:
        """Have a clip open in the child, which begins with the first one.

        Raises: as `info`; MediaError V5 when decord sees another number of frames or does not
        answer in time.
        """
        info = self.info(path)
        if path in self._open:
            self._open[path] = self._open.pop(path)  # the last one now
            return
        if self._child is None:
            self._begin()
        if len(self._open) == self.most_open:
            oldest = next(iter(self._open))
            del self._open[oldest]
            self._send(CLOSE, oldest)
        self._send(OPEN, path)
        seen = self._answer(path, START_SECONDS)
        if seen != info.decoded_frames:
            self.close()
            problem = f"holds {info.decoded_frames} frames, but decord sees {seen}"
            raise MediaError("V5", path, problem, "convert it to another container")
        self._open[path] = None

    def read(self, path: Path, indices: Sequence[int]) -> Frames:
        """Return the frames of these numbers of a clip, in this order.

        Raises: as `open`; MediaError V5 when the decoder fails, dies or is late (it is killed
        then).
        """
        count = self.info(path).decoded_frames
        if wrong := [index for index in indices if not 0 <= index < count]:
            raise MediaError("V5", path, f"has no frame {wrong[0]}", f"ask for 0 to {count - 1}")
        self.open(path)
        self._send(READ, path, list(indices))
        return np.asarray(self._answer(path, self.deadline_seconds))

    def close(self) -> None:
        """End the child; the next `read` begins another one."""
        if self._child is not None:
            self._connection.close()
            self._child.kill()
            self._child.join(STOP_SECONDS)
        self._child, self._open = None, {}

    def _begin(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, far_end = context.Pipe()
        self._child = context.Process(target=serve_clips, args=(far_end,), daemon=True)
        self._child.start()
        far_end.close()

    def _send(self, verb: str, path: Path, *details: object) -> None:
        try:
            self._connection.send((verb, str(path), *details))
        except OSError:
            self.close()
            raise _crashed(path) from None

    def _answer(self, path: Path, seconds: float) -> Any:
        try:
            if self._connection.poll(seconds):
                answer = self._connection.recv()
                if not isinstance(answer, str):
                    return answer
                problem = f"cannot be decoded ({answer})"
            else:
                problem = f"gave no frames within {seconds:g} seconds"
        except (EOFError, OSError):
            self.close()
            raise _crashed(path) from None
        self.close()
        raise MediaError("V5", path, problem, REMEDY)


def serve_clips(connection: Connection) -> None:
    """Answer requests until the other end closes: the child's whole life.

    A clip that is opened is answered by its number of frames; an error is sent as text.
    """
    try:
        import decord

        readers: dict[str, Any] = {}
        while True:
            verb, path, *details = connection.recv()
            if verb == OPEN:
                readers[path] = decord.VideoReader(path, num_threads=1)
                connection.send(len(readers[path]))
            elif verb == READ:
                connection.send(readers[path].get_batch(*details).asnumpy())
            else:
                del readers[path]
    except (EOFError, BrokenPipeError):
        return
    except Exception as error:
        connection.send((str(error).strip().splitlines() or [type(error).__name__])[-1])


def _crashed(path: Path) -> MediaError:
    return MediaError("V5", path, "made the decoder crash", REMEDY)
