from dataclasses import replace

import pytest
import torch

from dtvideo.errors import ResourceError
from dtvideo.toon.data import lesson
from dtvideo.toon.denoiser_plan import DenoiserTraining, batch_rows
from dtvideo.toon.lesson_pool import LessonPool
from dtvideo.toon.lessons import Lessons, lesson_tensors
from dtvideo.toon.tokenizer import build_tokenizer

SETTINGS = DenoiserTraining(
    size=32, lessons=2, sequels=1, chunk_lessons=3, chunk_epochs=2, pool_chunks=2
)
TOKENIZER = build_tokenizer(["a", "girl"])


def numbers_of(step: int) -> list[int]:
    """Return which lessons of the endless sequence a step sees."""
    chunks, rows = batch_rows(SETTINGS, step)
    return [chunks.start * SETTINGS.chunk_lessons + row for row in rows.tolist()]


def batches(settings: DenoiserTraining, steps: range) -> list[Lessons]:
    with LessonPool(settings, TOKENIZER) as pool:
        return [pool.batch(step) for step in steps]


def same(found: Lessons, expected: Lessons) -> bool:
    pairs = zip(vars(found).values(), vars(expected).values(), strict=True)
    return all(torch.equal(*pair) for pair in pairs)


def test_a_batch_is_the_lessons_that_its_step_names():
    for step, batch in enumerate(batches(SETTINGS, range(8))):
        for number, reference in zip(sorted(numbers_of(step)), batch.reference, strict=True):
            drawn = lesson(SETTINGS.seed, number, sequels=1, size=32)
            assert torch.equal(reference, lesson_tensors(drawn, tokenizer=TOKENIZER).reference[0])


def test_what_processes_draw_ahead_is_what_is_drawn_when_needed():
    expected = batches(SETTINGS, range(7))
    found = batches(replace(SETTINGS, workers=2), range(7))
    assert all(map(same, found, expected))


def test_the_end_of_a_drawing_process_is_told():
    with LessonPool(replace(SETTINGS, workers=1), TOKENIZER) as pool:
        pool.batch(0)
        for process in pool._executor._processes.values():
            process.kill()
        with pytest.raises(ResourceError, match="fewer `workers`"):
            list(map(pool.batch, range(30)))


def test_a_run_that_goes_on_sees_what_it_would_have_seen():
    assert same(batches(SETTINGS, range(6, 7))[0], batches(SETTINGS, range(7))[6])


def test_batches_are_drawn_from_the_last_chunks_and_see_each_lesson_equally_often():
    settings = replace(SETTINGS, lessons=3, chunk_lessons=6, chunk_epochs=4, pool_chunks=3)
    seen = [batch_rows(settings, step) for step in range(5 * 8)]
    assert [chunks for chunks, _ in seen[::8]] == [
        range(1), range(2), range(3), range(1, 4), range(2, 5),
    ]  # fmt: skip
    for first in range(16, 40, 8):  # of a pool of 18 lessons, 6 steps are an epoch
        rows = torch.cat([rows for _, rows in seen[first : first + 6]])
        assert sorted(rows.tolist()) == list(range(18))


def test_nothing_is_kept_of_chunks_that_are_over():
    with LessonPool(SETTINGS, TOKENIZER) as pool:
        for step in range(10):
            pool.batch(step)
            assert len(pool._chunks) <= SETTINGS.pool_chunks
