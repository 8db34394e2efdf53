"""The lessons that batches are drawn from; the next ones are drawn ahead by other processes.

What a step sees is a function of the settings and the step alone, whoever drew it and when.
"""

import multiprocessing
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from types import TracebackType

import cv2
import numpy as np
import torch
from transformers import CLIPTokenizer

from dtvideo.errors import ResourceError
from dtvideo.toon.data import lesson
from dtvideo.toon.denoiser_plan import DenoiserTraining, batch_rows
from dtvideo.toon.lessons import Lessons, lesson_tensors, stack_lessons

CHUNKS_AHEAD = 2
PIECE = 8  # lessons that a process draws at a time

Piece = dict[str, np.ndarray]


class LessonPool:
    """Chunks of lessons on a device, as many as the settings say; a context manager.

    Without workers they are drawn when they are needed.
    """

    def __init__(
        self,
        settings: DenoiserTraining,
        tokenizer: CLIPTokenizer,
        *,
        device: torch.device | str = "cpu",
    ) -> None:
        self.settings, self.tokenizer, self.device = settings, tokenizer, device
        self._chunks: dict[int, Lessons] = {}
        self._awaited: dict[int, list[Future[Piece]]] = {}
        self._executor: ProcessPoolExecutor | None = None

    def __enter__(self) -> "LessonPool":
        if self.settings.workers:
            self._executor = ProcessPoolExecutor(
                self.settings.workers,
                mp_context=multiprocessing.get_context("spawn"),
                initializer=_prepare_worker,
                initargs=(self.tokenizer,),
            )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._executor is not None:
            self._executor.shutdown(cancel_futures=True)

    def batch(self, step: int) -> Lessons:
        """Return the lessons of a step in the order of their numbers, pictures not encoded.

        Raises: ResourceError F4 when a process that draws was ended from outside.
        """
        chunks, rows = batch_rows(self.settings, step)
        try:
            self._hold(chunks)
        except BrokenProcessPool as error:
            problem = "was killed from outside, perhaps for lack of memory"
            remedy = "go on with the same command, with fewer `workers`"
            raise ResourceError("F4", "a process that draws", problem, remedy) from error
        held: dict[int, list[int]] = {}
        for row in sorted(rows.tolist()):
            chunk, within = divmod(row, self.settings.chunk_lessons)
            held.setdefault(chunks.start + chunk, []).append(within)
        parts = [
            self._chunks[chunk].rows(torch.tensor(within, device=self.device))
            for chunk, within in held.items()
        ]
        return stack_lessons(parts)

    def _hold(self, chunks: range) -> None:
        """Have these chunks, and no others; let the next ones be drawn."""
        for past in [chunk for chunk in self._chunks if chunk not in chunks]:
            del self._chunks[past]
        if self._executor is not None:
            for chunk in range(chunks.start, chunks.stop + CHUNKS_AHEAD):
                if chunk not in self._chunks and chunk not in self._awaited:
                    self._awaited[chunk] = self._ask(self._executor, chunk)
        for chunk in chunks:
            if chunk not in self._chunks:
                self._chunks[chunk] = stack_lessons(list(self._pieces(chunk)))

    def _ask(self, executor: ProcessPoolExecutor, chunk: int) -> list[Future[Piece]]:
        return [
            executor.submit(_draw_as_worker, self.settings, numbers)
            for numbers in self._numbers(chunk)
        ]

    def _pieces(self, chunk: int) -> Iterator[Lessons]:
        if self._executor is None:
            for numbers in self._numbers(chunk):
                yield _draw(self.settings, numbers, self.tokenizer).to(self.device)
            return
        for future in self._awaited.pop(chunk):
            arrays = future.result()
            tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
            yield Lessons(**tensors).to(self.device)

    def _numbers(self, chunk: int) -> list[range]:
        count = self.settings.chunk_lessons
        first, end = chunk * count, (chunk + 1) * count
        return [range(begin, min(begin + PIECE, end)) for begin in range(first, end, PIECE)]


def _draw(settings: DenoiserTraining, numbers: range, tokenizer: CLIPTokenizer) -> Lessons:
    drawn = (
        lesson(
            settings.seed,
            number,
            sequels=settings.sequels,
            size=settings.size,
            gaps=settings.gaps,
        )
        for number in numbers
    )
    return stack_lessons([lesson_tensors(each, tokenizer=tokenizer) for each in drawn])


_tokenizers: list[CLIPTokenizer] = []
"""The one tokenizer of a worker, which it is given when it begins."""


def _prepare_worker(tokenizer: CLIPTokenizer) -> None:
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    _tokenizers[:] = [tokenizer]


def _draw_as_worker(settings: DenoiserTraining, numbers: range) -> Piece:
    drawn = _draw(settings, numbers, _tokenizers[0])
    return {name: tensor.numpy() for name, tensor in vars(drawn).items()}
