"""Random access to training clips: decord in a child process that can be killed.

decord decodes scattered frames fast, but it trusts what a file says of itself and can spin for
ever. So the frame count is found by decoding with PyAV first, and every request has a deadline.
"""

import multiprocessing
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from jaxtyping import UInt8

from dtvideo.errors import MediaError
from dtvideo.video import VideoInfo, probe

START_SECONDS = 60.0
STOP_SECONDS = 2.0

Frames = UInt8[np.ndarray, "t h w 3"]


class ClipReader:
    """Reads scattered frames of one clip; a context manager.

    The frames are those of the file, RGB, in the orientation and at the rate in which they are
    stored. deadline_seconds: how long one `read` may take before the child is killed.
    Raises: MediaError V1-V6 from `probe`; V5 when decord sees another number of frames or does
    not answer in time; V9 when the clip would have to be turned.
    """

    def __init__(self, path: Path, *, deadline_seconds: float = 20.0) -> None:
        self.info: VideoInfo = probe(path)
        self.deadline_seconds = deadline_seconds
        if self.info.rotation or self.info.orientation.mirrored:
            raise MediaError("V9", path, f"is stored turned by {self.info.rotation} degrees",
                             "store training clips upright")  # fmt: skip

    def __len__(self) -> int:
        return self.info.decoded_frames

    def __enter__(self) -> "ClipReader":
        context = multiprocessing.get_context("spawn")
        self._connection, far_end = context.Pipe()
        self._child = context.Process(
            target=serve_clip, args=(str(self.info.path), far_end), daemon=True
        )
        self._child.start()
        far_end.close()
        try:
            seen = self._answer(START_SECONDS)
            if seen != len(self):
                raise MediaError("V5", self.info.path, f"holds {len(self)} frames, but decord "
                                 f"sees {seen}", "convert it to another container")  # fmt: skip
        except BaseException:
            self._end()
            raise
        return self

    def read(self, indices: Sequence[int]) -> Frames:
        """Return the frames of these numbers, in this order.

        Raises: MediaError V5 when the decoder fails, dies or is late (it is killed then).
        """
        wrong = [index for index in indices if not 0 <= index < len(self)]
        if wrong:
            raise MediaError("V5", self.info.path, f"has no frame {wrong[0]}",
                             f"ask for 0 to {len(self) - 1}")  # fmt: skip
        self._connection.send(list(indices))
        return np.asarray(self._answer(self.deadline_seconds))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end()

    def _answer(self, seconds: float) -> Any:
        try:
            if self._connection.poll(seconds):
                answer = self._connection.recv()
                if not isinstance(answer, str):
                    return answer
                problem = f"cannot be decoded ({answer})"
            else:
                problem = f"gave no frames within {seconds:g} seconds"
        except (EOFError, OSError):
            problem = "made the decoder crash"
        self._end()
        raise MediaError("V5", self.info.path, problem, "leave it out or convert it")

    def _end(self) -> None:
        self._connection.close()
        self._child.kill()
        self._child.join(STOP_SECONDS)


def serve_clip(path: str, connection: Connection) -> None:
    """Answer requests for frames until the other end closes: the child's whole life.

    Sends the number of frames first; an error is sent as text.
    """
    try:
        import decord

        reader = decord.VideoReader(path, num_threads=1)
        connection.send(len(reader))
        while True:
            connection.send(reader.get_batch(connection.recv()).asnumpy())
    except (EOFError, BrokenPipeError):
        return
    except Exception as error:
        connection.send((str(error).strip().splitlines() or [type(error).__name__])[-1])
