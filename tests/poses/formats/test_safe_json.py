"""JSON is written whole or not at all, and what the machine says against it is explained."""

import os
import threading

import pytest

from poses.errors import PoseError
from poses.formats.safe_json import write_json


def test_f3_a_target_that_is_a_folder_is_explained_and_nothing_is_left(tmp_path):
    target = tmp_path / "clip.json"
    target.mkdir()
    with pytest.raises(PoseError, match=r"F3.*clip\.json: cannot be written \(Is a directory\)"):
        write_json(target, {"a": 1})
    assert [path.name for path in tmp_path.iterdir()] == ["clip.json"]


def test_f3_a_full_disk_is_explained_and_the_old_file_stays(tmp_path):
    """A limit on the size of files, in a child process, stands for a disk that is full."""
    target = tmp_path / "clip.json"
    target.write_text("old")
    child = os.fork()
    if not child:
        os._exit(_write_under_a_limit(target))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 3
    assert target.read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1


def _write_under_a_limit(target):
    """Write more than may be written; return the exit code of the error, 0 for none or another."""
    import resource
    import signal

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
    try:
        write_json(target, ["x" * 100_000])
    except PoseError as error:
        return error.exit_code if error.code == "F3" else 0
    except BaseException:
        return 0
    return 0


def test_files_are_written_with_the_rights_that_the_mask_leaves(tmp_path):
    before = os.umask(0o027)
    try:
        write_json(tmp_path / "a.json", 1)
    finally:
        os.umask(before)
    assert (tmp_path / "a.json").stat().st_mode & 0o777 == 0o640


def test_the_mask_of_the_process_is_never_changed(tmp_path, monkeypatch):
    """Other threads make files meanwhile, which would be open to all the world."""

    def refuse(mask):
        raise AssertionError(f"the mask of {threading.current_thread().name} was set to {mask}")

    monkeypatch.setattr(os, "umask", refuse)
    write_json(tmp_path / "a.json", 1)
