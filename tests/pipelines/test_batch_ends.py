"""How a run of a batch lets its workers go, whatever becomes of them and of the states."""

import sqlite3
from contextlib import contextmanager

import pytest

from dtvideo.errors import ResourceError
from pipelines.batch import BatchSettings, _Run, _Worker, open_store
from pipelines.batch_pool import LocalPool
from pipelines.job_store import JobStore
from tests.batch_workers import act


@contextmanager
def run_of(folder, places):
    """Yield a run with a clip in each place."""
    with open_store(folder / "batch.yaml") as states:
        pool = LocalPool(len(places), act, 1, folder)
        run = _Run(states, {}, BatchSettings(len(places)), folder, lambda _: None, pool)
        run.workers += [_Worker(number, place, "a", 1) for number, place in enumerate(places)]
        yield run


def test_f3_a_full_disk_does_not_hide_why_a_run_ends(tmp_path, monkeypatch):
    """Clips that cannot be noted as waiting are found running when the next run begins."""
    monkeypatch.setattr(JobStore, "finish", full)
    places = [Stubborn(), Stubborn()]
    with run_of(tmp_path, places) as run:
        run.stop()
    assert [place.ended for place in places] == [True, True]


def full(*arguments, **options):
    raise ResourceError("F3", "jobs.sqlite", "the disk is full", "make room")


def test_every_worker_ends_even_where_the_states_turn_out_damaged(tmp_path, monkeypatch):
    """For one that does not heed SIGTERM this process would wait for ever when it exits."""
    monkeypatch.setattr(JobStore, "finish", malformed)
    places = [Stubborn(), Stubborn()]
    with run_of(tmp_path, places) as run:
        with pytest.raises(sqlite3.DatabaseError, match="malformed"):
            run.stop()
    assert [place.ended for place in places] == [True, True]
    assert run.workers == []


def malformed(*arguments, **options):
    raise sqlite3.DatabaseError("database disk image is malformed")


class Stubborn:
    """A place that only ends by force."""

    ended = False

    def is_ready(self):
        return True

    def is_alive(self):
        return not self.ended

    def give(self, settings):
        """Take a clip and do nothing."""

    def hear(self):
        return ("beat", "render")

    def show_stack(self):
        """Have no log."""

    def ask_to_end(self):
        """Heed nothing."""

    def end(self, grace_seconds=0.0):
        self.ended = True
        return "exit -9"
