"""The motion is one person's, of a video or of a file."""

from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from math import isfinite
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dtvideo.errors import MediaError, UsageError
from pipelines.job import RenderJob, parse_person
from pipelines.motion import chosen_motion, find_motion, frame_slice, open_driver, read_motion
from pipelines.prepare import prepare_driver
from pipelines.progress import SilentProgress
from poses.detections import Detections
from poses.errors import PoseError
from poses.formats.openpose import frame_data
from poses.formats.safe_json import write_json
from poses.io import write_clip, write_openpose
from poses.synthetic import stand, walk
from poses.types import confident, missing_joints


def pair(frames=12):
    small, large = walk(frames, height=0.4), walk(frames, height=0.7)
    apart = small.body.copy()
    apart[..., 0] -= 180
    return small.with_body(apart), large


def test_a_place_outside_the_video_is_refused_before_anyone_is_looked_for(make_video):
    video = make_video()
    job = RenderJob(reference=Path("x.png"), driver=video, person=parse_person("9000,20"))
    with pytest.raises(PoseError, match="9000,20 is outside the picture"):  # else P1, for nobody
        find_motion(job, open_driver(job, video), SilentProgress())


def test_the_report_names_who_is_kept_and_where_cuts_are():
    people = tuple(zip(*pair(), strict=True))
    found = Detections(people, (512, 512), Fraction(25), "d", "l", "cpu", cuts=(6,))
    motion = chosen_motion(found, "left")
    assert motion.report["person"] == 2
    assert motion.report["people"] == 2
    assert motion.report["cuts"] == [6]
    assert motion.cuts == (6,)
    assert "cuts before frames 6" in motion.notices[-1]


@pytest.mark.parametrize(("person", "index"), [("largest", 1), ("left", 0), (2, 0)])
def test_one_of_several_in_a_file_is_kept_for_the_frames_asked_for(tmp_path, person, index):
    folder = tmp_path / "poses"
    folder.mkdir()
    sequences = pair()
    for frame, poses in enumerate(zip(*sequences, strict=True)):
        one, other = (frame_data(pose) for pose in poses)
        one["people"] += other["people"]
        write_json(folder / f"a_{frame:012d}_keypoints.json", one)
    job = RenderJob(reference=tmp_path / "r.png", poses=folder, person=person, frames=(2, 7))
    motion = read_motion(job)
    np.testing.assert_allclose(motion.sequence.body, sequences[index].body[2:8], atol=1e-3)
    with pytest.raises(PoseError, match="5 does not exist: 2 people"):
        read_motion(replace(job, person=5))


@pytest.mark.parametrize(
    ("text", "person"),
    [("1", 1), ("LEFT", "left"), ("largest", "largest"), ("120,40.5", (120.0, 40.5))],
)
def test_a_person_is_read_from_a_word(text, person):
    assert parse_person(text) == person


@pytest.mark.parametrize("text", ["0", "-1", "middle", "1,", "1,2,3", ""])
def test_a_word_that_is_no_person_is_quoted(text):
    with pytest.raises(Exception, match="--person") as caught:
        parse_person(text)
    assert repr(text) in str(caught.value)


@settings(max_examples=200)
@given(
    st.text(max_size=12)
    | st.from_regex(r"-?[0-9]{0,8}(\.[0-9]*)?,?-?[0-9]{0,8}(\.[0-9]*)?", fullmatch=True)
)
def test_any_word_for_a_person_is_read_or_refused(text):
    with suppress(UsageError):
        person = parse_person(text)
        if isinstance(person, tuple):
            assert all(0 <= side < 1e6 and isfinite(side) for side in person)
        elif isinstance(person, int):
            assert 1 <= person <= 9999
        else:
            assert person in ("largest", "left", "right")


def test_p1_the_file_is_named_of_which_the_motion_shows_next_to_nothing(tmp_path):
    body = np.tile(missing_joints(18), (6, 1, 1))
    body[:, 4] = (20, 20, 0.9)
    write_clip(walk(6).with_body(body), tmp_path / "dance.json")
    job = RenderJob(reference=tmp_path / "r.png", poses=tmp_path / "dance.json")
    with pytest.raises(PoseError, match=r"dance\.json: shows no limb") as caught:
        prepare_driver(job, None, stand(), progress=SilentProgress())
    assert caught.value.code == "P1"
    write_clip(walk(6), tmp_path / "dance.json")
    with pytest.raises(PoseError, match=r"r\.png: shows no segment") as caught:
        prepare_driver(job, None, replace(stand(), body=body[0]), progress=SilentProgress())
    assert caught.value.code == "R11"


def test_face_and_hands_are_kept_as_the_job_asks(tmp_path):
    sequence = replace(
        walk(6), face=np.ones((6, 70, 3)), right_hand=np.repeat(walk(6).body[:, 4:5], 21, axis=1)
    )
    write_clip(sequence, tmp_path / "dance.json")

    def fitted(**settings):
        job = RenderJob(reference=tmp_path / "r.png", poses=tmp_path / "dance.json", **settings)
        return prepare_driver(job, None, stand(), progress=SilentProgress()).fitted

    assert confident(fitted().face).all()
    assert fitted(face="off", hands="off").face is None
    assert fitted(hands="off").right_hand is None
    assert not confident(fitted(face="weak").face)[:, :36].any()
    assert confident(fitted(hands="on").right_hand).all()


def test_v7_frames_are_counted_at_the_rate_that_is_asked_for(make_video):
    job = RenderJob(reference=Path("r.png"), driver=make_video(frames=10), rate=Fraction(5))
    info = open_driver(job, job.driver)
    assert (info.frames, frame_slice(replace(job, frames=(1, 9)), info.frames)) == (2, slice(1, 2))
    with pytest.raises(MediaError, match="has 2 frames at 5 per second, so frame 4 does not"):
        frame_slice(replace(job, frames=(4, 9)), info.frames)


def notices_of(job):
    return prepare_driver(job, None, stand(), progress=SilentProgress()).notices


def test_a_rate_that_a_file_does_not_tell_is_told_unless_it_is_given(tmp_path):
    write_openpose(walk(6), tmp_path / "dance")
    write_clip(walk(6), tmp_path / "dance.json")
    job = RenderJob(reference=tmp_path / "r.png", poses=tmp_path / "dance")
    told = "dance tells no frame rate; it is taken at 25 per second (--fps)"
    assert told in notices_of(job)
    for other in ({"rate": Fraction(25)}, {"poses": tmp_path / "dance.json"}):
        assert not any("frame rate" in notice for notice in notices_of(replace(job, **other)))


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({}, None),
        ({"detector": "toon"}, "--detector changes"),
        ({"cache": False}, "--no-cache changes"),
        ({"detector": "toon", "cache": False}, "--detector and --no-cache change"),
    ],
)
def test_what_is_said_about_a_search_beside_a_file_is_told_to_change_nothing(tmp_path, asked, told):
    write_clip(walk(6), tmp_path / "dance.json")
    job = RenderJob(reference=tmp_path / "r.png", poses=tmp_path / "dance.json", **asked)
    found = [notice for notice in notices_of(job) if "nothing: the motion is read" in notice]
    assert found == ([f"{told} nothing: the motion is read from --poses"] if told else [])
