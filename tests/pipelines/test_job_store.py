import os
import sqlite3

import pytest

from dtvideo.errors import ResourceError, UsageError
from pipelines import job_store
from pipelines.job_store import JobStore


@pytest.fixture
def store(tmp_path):
    store = JobStore(tmp_path / "batch" / "jobs.sqlite")
    store.take([("a", "a.mp4"), ("b", "b.mp4")])
    yield store
    store.close()


def states(store):
    return {record.name: record.state for record in store.records()}


def test_new_clips_wait_in_order(store):
    assert states(store) == {"a": "waiting", "b": "waiting"}
    assert store.get("a").output == "a.mp4"


def test_a_clip_is_claimed_once(store):
    assert store.claim("a") > 0
    assert store.claim("a") == 0
    assert store.get("a").tries == 1


def test_f5_a_late_answer_with_an_old_fence_is_refused(store):
    old = store.claim("a")
    store.reset(("running",))
    new = store.claim("a")
    assert not store.finish("a", old, state="done")
    assert store.get("a").state == "running"
    assert store.finish("a", new, state="done", frames=7)
    assert (store.get("a").state, store.get("a").frames) == ("done", 7)


def test_what_a_dead_run_left_running_waits_again(store):
    store.claim("a")
    store.take([("a", "a.mp4"), ("b", "b.mp4")])
    assert states(store)["a"] == "waiting"


def test_only_the_named_clips_wait_again(store):
    for name in ("a", "b"):
        store.finish(name, store.claim(name), state="failed", exit_code=3, message="no")
    store.reset(("failed",), ["b"])
    assert states(store) == {"a": "failed", "b": "waiting"}


def test_a_result_that_goes_to_another_place_is_made_again(store):
    store.take([(name, f"{name}.mp4") for name in "abc"])
    for name in ("a", "b"):
        store.finish(name, store.claim(name), state="done")
    store.cancel(["c"])
    store.take([("a", "a.mp4"), ("b", "b.v2.mp4"), ("c", "c.v2.mp4")])
    assert states(store) == {"a": "done", "b": "waiting", "c": "cancelled"}
    assert store.get("b").output == "b.v2.mp4"


def test_f3_a_file_that_another_process_holds_is_not_taken_for_damaged(store, monkeypatch):
    store.finish("a", store.claim("a"), state="done")
    monkeypatch.setattr(job_store, "BUSY_SECONDS", 0.1)
    holder = sqlite3.connect(store.path, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    late = JobStore(store.path)
    assert states(late)["a"] == "done"
    with pytest.raises(ResourceError, match="locked"):
        late.reset(("done",))
    late.close()
    holder.execute("ROLLBACK")
    holder.close()
    assert [path.name for path in store.path.parent.iterdir() if "damaged" in path.name] == []


def test_f3_a_file_that_cannot_be_opened_stays_where_it_is(tmp_path):
    path = tmp_path / "jobs.sqlite"
    path.mkdir()
    with pytest.raises(ResourceError, match="unable to open") as caught:
        JobStore(path)
    assert (caught.value.code, caught.value.exit_code) == ("F3", 7)
    assert [each.name for each in tmp_path.iterdir()] == ["jobs.sqlite"]


def test_f3_a_damaged_file_whose_follower_cannot_be_written_is_told(tmp_path, monkeypatch):
    path = tmp_path / "jobs.sqlite"
    path.write_bytes(b"not a database, certainly" * 100)
    monkeypatch.setattr(job_store, "SCHEMA", "SELECT 1 FROM nowhere")
    with pytest.raises(ResourceError, match="nowhere"):
        JobStore(path)


def test_f9_pages_that_are_damaged_are_found_and_put_aside(tmp_path):
    path = tmp_path / "jobs.sqlite"
    store = JobStore(path)
    store.take([(f"clip {number}", "x" * 200) for number in range(200)])
    store.close()
    data = bytearray(path.read_bytes())
    data[4096:] = os.urandom(len(data) - 4096)
    path.write_bytes(data)
    again = JobStore(path)
    assert again.records() == []
    again.take([("a", "a.mp4")])
    assert again.claim("a") > 0
    assert (tmp_path / "jobs.sqlite.damaged").exists()
    again.close()


def test_cancelling_takes_what_is_not_ended(store):
    store.finish("a", store.claim("a"), state="done")
    assert store.cancel() == ["b"]
    assert states(store) == {"a": "done", "b": "cancelled"}


def test_only_the_named_clips_that_have_not_ended_are_cancelled(store):
    store.finish("a", store.claim("a"), state="failed", exit_code=3, message="no")
    assert store.cancel(["b", "a", "b", "zebra"]) == ["b"]
    assert states(store) == {"a": "failed", "b": "cancelled"}


def test_b9_a_clip_that_ends_just_before_it_is_cancelled_stays_done(store):
    """It ends after a cancelling process has looked, and before that one writes."""
    fence = store.claim("a")
    run = JobStore(store.path)

    def end_it(statement):
        if statement.startswith("BEGIN"):
            assert run.finish("a", fence, state="done", frames=7)

    store._connection.set_trace_callback(end_it)
    assert store.cancel() == ["b"]
    store._connection.set_trace_callback(None)
    run.close()
    assert states(store) == {"a": "done", "b": "cancelled"}


def test_two_processes_see_one_truth(store):
    other = JobStore(store.path)
    other.cancel(["b"])
    other.close()
    assert states(store)["b"] == "cancelled"


def test_f9_a_damaged_file_is_moved_aside_and_made_anew(tmp_path):
    path = tmp_path / "jobs.sqlite"
    path.write_bytes(b"not a database, certainly" * 100)
    store = JobStore(path)
    assert store.records() == []
    store.close()
    assert (tmp_path / "jobs.sqlite.damaged").exists()


def test_f9_the_file_of_a_newer_version_is_refused(tmp_path):
    connection = sqlite3.connect(tmp_path / "jobs.sqlite")
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(UsageError, match="has version 99, this dtvideo knows 1") as caught:
        JobStore(tmp_path / "jobs.sqlite")
    assert caught.value.code == "F9"


def test_f3_a_disk_that_is_full_is_told_and_the_states_stay(store):
    (pages,) = store._connection.execute("PRAGMA page_count").fetchone()
    store._connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(ResourceError, match=r"jobs\.sqlite: database or disk is full") as caught:
        store.take([(f"{number}" * 500, "x.mp4") for number in range(100)])
    assert (caught.value.code, caught.value.exit_code) == ("F3", 7)
    assert states(store) == {"a": "waiting", "b": "waiting"}


def test_a_clip_that_is_unknown_is_told(store):
    with pytest.raises(UsageError, match="zebra: is no clip of this batch"):
        store.get("zebra")
