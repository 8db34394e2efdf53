"""Poses that were found once are found again on disk, to the bit, and only then."""

import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from dtvideo.video import probe
from pipelines import motion
from pipelines.motion import find_people_in
from pipelines.pose_cache import Nobody, Search, cache_folder, keep, recall
from pipelines.progress import SilentProgress
from poses.detections import Detections
from poses.errors import PoseError
from poses.synthetic import stand
from poses.types import Pose, missing_joints

ROOT = Path(__file__).parents[2]


class Standing:
    """A detector that finds one standing person, and counts how often it is asked."""

    name, licence, device = "standing", "none", "paper"
    asked = 0

    def detect(self, image):
        type(self).asked += 1
        return [stand(size=image.shape[1::-1])]


@pytest.fixture
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("DTVIDEO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(motion, "load_detector", lambda name, **options: Standing())
    monkeypatch.setattr(Standing, "asked", 0)
    return tmp_path / "cache"


def look(info, *, frames=5, cache=True, everyone=False, details=False):
    return find_people_in(
        info,
        slice(0, frames),
        detector="mediapipe",
        everyone=everyone,
        details=details,
        cache=cache,
        progress=SilentProgress(),
    )


def test_a_second_search_costs_no_detection(make_video, own_cache):
    info = probe(make_video())
    first = look(info)
    again = look(probe(info.path))
    assert Standing.asked == 5
    assert again.describe() == first.describe()
    np.testing.assert_array_equal(again.people[4][0].body, first.people[4][0].body)


@pytest.mark.parametrize(
    "change", [{"frames": 3}, {"everyone": True}, {"details": True}, {"cache": False}]
)
def test_another_question_is_asked_anew(make_video, own_cache, change):
    info = probe(make_video())
    look(info)
    look(info, **change)
    assert Standing.asked == 5 + change.get("frames", 5)


def test_the_content_of_the_video_counts_and_not_its_name(make_video, own_cache):
    path = make_video()
    look(probe(path))
    renamed = path.rename(path.with_name("other name.mp4"))
    look(probe(renamed))
    assert Standing.asked == 5


class Blind(Standing):
    """A detector that finds nobody."""

    def detect(self, image):
        super().detect(image)
        return []


def test_that_nobody_was_found_is_remembered_and_told_of_the_video_at_hand(
    make_video, own_cache, monkeypatch
):
    monkeypatch.setattr(motion, "load_detector", lambda name, **options: Blind())
    monkeypatch.setattr(Blind, "asked", 0)
    path = make_video()
    with pytest.raises(PoseError, match=r"no person found in any of 5 frames") as first:
        look(probe(path))
    renamed = path.rename(path.with_name("other name.mp4"))
    with pytest.raises(PoseError) as again:
        look(probe(renamed))
    assert Blind.asked == 5
    assert (again.value.code, again.value.subject) == ("P1", str(renamed))
    assert (again.value.problem, again.value.remedy) == (first.value.problem, first.value.remedy)
    with pytest.raises(PoseError):
        look(probe(renamed), cache=False)
    assert Blind.asked == 10


def test_without_the_cache_nothing_is_kept(make_video, own_cache):
    look(probe(make_video()), cache=False)
    assert not own_cache.exists()


def test_a_cache_that_is_damaged_or_cannot_be_written_is_done_without(make_video, own_cache):
    info = probe(make_video())
    look(info)
    (kept,) = (own_cache / "poses").iterdir()
    kept.write_bytes(kept.read_bytes()[:40])
    look(info)
    assert Standing.asked == 10
    kept.unlink()
    (own_cache / "poses").rmdir()
    (own_cache / "poses").write_text("in the way")
    assert look(info).counts == (1,) * 5


@pytest.mark.parametrize("place", ["start", "middle", "end"])
def test_whatever_is_damaged_in_a_kept_file_it_is_removed_and_looked_for_anew(
    make_video, own_cache, place
):
    info = probe(make_video())
    look(info)
    (kept,) = (own_cache / "poses").glob("*.npz")
    data = bytearray(kept.read_bytes())
    at = {"start": 0, "middle": len(data) // 2, "end": len(data) - 30}[place]
    data[at : at + 30] = bytes(byte ^ 0x5A for byte in data[at : at + 30])
    kept.write_bytes(data)
    assert recall(kept) is None
    assert not kept.exists()
    look(info)
    assert Standing.asked == 10


def test_a_stream_that_zlib_cannot_read_is_nothing_readable(tmp_path):
    path = tmp_path / "kept.npz"
    keep(path, Nobody("no person found", "try another"))
    assert recall(path) == Nobody("no person found", "try another")
    data = bytearray(path.read_bytes())
    start = 30 + int.from_bytes(data[26:28], "little") + int.from_bytes(data[28:30], "little")
    data[start : start + 8] = b"\xff" * 8
    path.write_bytes(data)
    assert recall(path) is None
    assert not path.exists()


def test_everything_that_was_found_comes_back(tmp_path):
    hand = np.linspace(0, 1, 63).reshape(21, 3)
    body = missing_joints(18)
    body[3] = (0.1, 1 / 3, 0.7)
    people = ((Pose(body, size=(64, 48), left_hand=hand), stand(size=(64, 48))), ())
    found = Detections(people, (64, 48), Fraction(30000, 1001), "a", "b", "c", cuts=(1,))
    keep(tmp_path / "kept.npz", found)
    back = recall(tmp_path / "kept.npz")
    assert (back.counts, back.rate, back.cuts, back.detector) == ((2, 0), found.rate, (1,), "a")
    np.testing.assert_array_equal(back.people[0][0].body, body)
    np.testing.assert_array_equal(back.people[0][0].left_hand, hand)
    assert back.people[0][1].left_hand is None
    assert back.people[0][1].face is None


def test_a_detector_of_unknown_version_is_not_cached(make_video):
    search = Search(
        info=probe(make_video()),
        detector="toon",
        frames=slice(0, 5),
        everyone=False,
        options={},
    )
    assert search.path is None


def test_the_folder_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.delenv("DTVIDEO_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "dtvideo"
    monkeypatch.setenv("DTVIDEO_CACHE", str(tmp_path / "own"))
    assert cache_folder() == tmp_path / "own"


LOOKER = """
import sys, time
from pathlib import Path
from dtvideo.video import probe
from pipelines import motion
from pipelines.progress import SilentProgress
from poses.errors import PoseError
from poses.synthetic import stand

class Slow:
    name, licence, device = "slow", "none", "paper"
    def detect(self, image):
        print("asked", flush=True)
        time.sleep(0.3)
        return [stand(size=image.shape[1::-1])] * (sys.argv[2] == "someone")

motion.load_detector = lambda name, **options: Slow()
info = probe(Path(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
try:
    found = motion.find_people_in(
        info, slice(0, 5), detector="mediapipe", everyone=False, cache=True,
        progress=SilentProgress(),
    )
    print(found.counts)
except PoseError as error:
    print(error.code)
"""


@pytest.mark.parametrize(("who", "answer"), [("someone", "(1, 1, 1, 1, 1)"), ("nobody", "P1")])
def test_two_processes_that_want_the_same_search_make_it_once(make_video, tmp_path, who, answer):
    call = [sys.executable, "-c", LOOKER, str(make_video()), who]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    environment = {**os.environ, "DTVIDEO_CACHE": str(tmp_path / "cache")}
    lookers = [subprocess.Popen(call, cwd=ROOT, env=environment, **pipes) for _ in range(2)]
    for looker in lookers:
        assert looker.stdout.readline() == "ready\n"
    for looker in lookers:
        looker.stdin.write("go\n")
        looker.stdin.flush()
    told = [looker.communicate()[0] for looker in lookers]
    assert sum(text.count("asked") for text in told) == 5
    assert all(text.splitlines()[-1] == answer for text in told)
    assert [path.suffix for path in (tmp_path / "cache" / "poses").iterdir()] == [".npz"]
