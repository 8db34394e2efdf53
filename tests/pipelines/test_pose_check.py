"""Poses are judged before anything is rendered."""

import json

import numpy as np
import pytest

import cli
from dtvideo.errors import OutputError
from dtvideo.video import probe
from pipelines.job import RenderJob
from pipelines.pose_check import check_poses, judge
from pipelines.prepare import Driver, Reference
from pipelines.progress import SilentProgress
from poses.io import write_clip
from poses.synthetic import stand, walk
from poses.types import missing_joints


def make_job(stage, tmp_path, **settings):
    return RenderJob(
        **{
            "reference": stage / "hero.png",
            "reference_pose": stage / "pose.json",
            "poses": stage / "dance.json",
            "output": tmp_path / "check.mp4",
            **settings,
        }
    )


def test_the_video_shows_the_reference_and_the_fitted_pose_for_each_frame(stage, tmp_path):
    path, found = check_poses(make_job(stage, tmp_path, room=False), SilentProgress())
    info = probe(path)
    assert info.frames == 4
    assert info.size == (2 * 384, 384)
    assert "4 frames, 0.16 s, by file" in str(found)
    assert "overall, placed by the ground" in str(found)


def test_what_is_there_is_not_replaced(stage, tmp_path):
    (tmp_path / "check.mp4").write_bytes(b"mine")
    with pytest.raises(OutputError, match="exists already"):
        check_poses(make_job(stage, tmp_path), SilentProgress())


def test_the_check_has_a_name_of_its_own_beside_the_render(stage, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path, _ = check_poses(make_job(stage, tmp_path, output=None), SilentProgress())
    assert str(path) == "hero_dance.check.mp4"


def test_hidden_limbs_small_people_odd_scales_and_empty_frames_are_warned_of():
    picture = np.zeros((512, 512, 3), np.uint8)
    pose = stand()
    pose.body[[10, 13]] = missing_joints(2)
    reference = Reference(picture, np.ones((512, 512), np.float32), pose, "file", "file")
    motion = walk(20, height=0.15)
    motion.body[:, 4] = missing_joints(20)
    report = {"detector": "d", "retarget": {"scale": 5.0, "anchor": "hips", "ratios": {}},
              "frames_without_person": [3, 4]}  # fmt: skip
    warnings = judge(reference, Driver(motion, motion, report)).warnings
    assert warnings[0] == "the reference does not show right ankle, left ankle"
    assert warnings[1] == "the motion shows in less than half of its frames right wrist"
    assert "small in the driving video (1" in warnings[2]
    assert warnings[3].startswith("the motion is scaled by 5.00, where the heights of the pictures")
    assert warnings[4] == "nobody in frames 3-4: nothing is drawn there"


@pytest.mark.parametrize(
    ("scale", "odd"), [(0.25, False), (0.1, False), (0.7, False), (0.08, True), (0.8, True)]
)
def test_a_scale_is_odd_beside_that_of_the_pictures(scale, odd):
    small = stand(size=(256, 256))
    reference = Reference(
        np.zeros((256, 256, 3), np.uint8), np.ones((256, 256), np.float32), small, "file", "file"
    )
    found, fitted = walk(5, size=(1920, 1024)), walk(5, size=(256, 256))
    report = {"detector": "d", "retarget": {"scale": scale, "anchor": "hips", "ratios": {}},
              "frames_without_person": []}  # fmt: skip
    warnings = judge(reference, Driver(found, fitted, report)).warnings
    assert any("is scaled by" in warning for warning in warnings) == odd


def test_a_motion_that_leaves_the_picture_is_warned_of(stage, tmp_path):
    write_clip(walk(30, sway=3.0, turn=0.0), tmp_path / "wide.json")
    job = make_job(stage, tmp_path, poses=tmp_path / "wide.json")
    _, found = check_poses(job, SilentProgress())
    assert any("leaves the picture in frames" in warning for warning in found.warnings)


def test_the_command_prints_the_video_and_tells_the_report(stage, tmp_path, capsys):
    words = ["poses", "check", str(stage / "hero.png"), "--poses", str(stage / "dance.json"),
             "--ref-pose", str(stage / "pose.json"), "-o", str(tmp_path / "c.mp4"),
             "--progress", "json"]  # fmt: skip
    assert cli.run(cli.toolbox_parser(), words) == 0
    shown = capsys.readouterr()
    assert shown.out.strip() == str(tmp_path / "c.mp4")
    told = [json.loads(line) for line in shown.err.splitlines()]
    (report,) = (each["text"] for each in told if each["event"] == "report")
    assert report.startswith("reference   mask by")
