"""The key-point tools, through their command: cameras for captured motion, limits, workers."""

from pathlib import Path

import numpy as np
import pytest

import cli
from poses.io import read_poses
from tests.captured import rest, write_bvh


@pytest.fixture(autouse=True)
def _signals_stay(monkeypatch):
    monkeypatch.setattr("signal.signal", lambda *_: None)


def convert(capsys, *words):
    code = cli.run(cli.toolbox_parser(), ["poses", "convert", *map(str, words)])
    return code, capsys.readouterr()


def test_captured_motion_becomes_a_clip_as_a_camera_sees_it(capsys, tmp_path):
    take, out = write_bvh(tmp_path, rest()), tmp_path / "take.json"
    words = (take, "--to", "clip", "-o", out, "--view", "-90", "--size", "64x96", "--fps", "5")
    code, told = convert(capsys, *words)
    assert (code, told.out.strip()) == (0, str(out)), told.err
    seen = read_poses(out)
    assert (seen.size, len(seen), float(seen.rate)) == ((64, 96), 1, 5.0)
    assert np.isnan(seen.body[0, [15, 17], 0]).all()  # from the right: left eye and ear hidden


@pytest.mark.parametrize(
    ("flags", "naming"),
    [(("--tilt", "95"), "--tilt: 95.0 is out of range"), (("--lens", "0"), "--lens: 0.0")],
)
def test_a_camera_that_cannot_be_is_a_mistake_in_the_command(capsys, tmp_path, flags, naming):
    take, out = write_bvh(tmp_path, rest()), tmp_path / "take.json"
    code, told = convert(capsys, take, "--to", "clip", "-o", out, *flags)
    assert code == 2
    assert naming in told.err
    assert not out.exists()


def test_other_key_points_need_no_camera(capsys, stage, tmp_path):
    out = tmp_path / "out.json"
    code, told = convert(capsys, stage / "dance.json", "--to", "clip", "-o", out, "--view", "30")
    assert code == 2
    assert "dance.json is no BVH file" in told.err


def frames_of(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_f7_an_openpose_folder_that_is_there_is_replaced_only_when_asked(capsys, stage, tmp_path):
    out = tmp_path / "openpose"
    words = ("--to", "openpose", "-o", out)
    assert convert(capsys, stage / "dance.json", *words)[0] == 0
    long = frames_of(out)
    take = write_bvh(tmp_path, rest())
    code, told = convert(capsys, take, *words)
    assert code == 8
    assert f"error[F7]: {out}: exists already" in told.err
    assert frames_of(out) == long
    code, told = convert(capsys, take, *words, "--overwrite")
    assert (code, told.out.strip()) == (0, str(out)), told.err
    assert len(read_poses(out)) == len(read_poses(take))
    assert len(frames_of(out)) < len(long)
    assert not list(tmp_path.glob(".*"))


def test_f7_a_folder_that_holds_more_than_key_points_is_never_replaced(capsys, stage, tmp_path):
    out = tmp_path / "mine"
    out.mkdir()
    (out / "novel.txt").write_text("chapter one")
    clip = out / "dance.json"
    clip.write_bytes((stage / "dance.json").read_bytes())
    for source, naming in (
        (stage / "dance.json", "holds other files than key points"),
        (clip, f"holds the input {clip}"),
    ):
        code, told = convert(capsys, source, "--to", "openpose", "-o", out, "--overwrite")
        assert code == 8
        assert naming in told.err
    assert sorted(frames_of(out)) == ["dance.json", "novel.txt"]


def test_f7_a_file_in_the_place_of_an_openpose_folder_is_refused(capsys, stage, tmp_path):
    out = tmp_path / "file"
    out.write_text("mine")
    code, told = convert(capsys, stage / "dance.json", "--to", "openpose", "-o", out, "--overwrite")
    assert code == 8
    assert "is not a folder" in told.err
    assert out.read_text() == "mine"


def extract(capsys, *words):
    code = cli.run(cli.toolbox_parser(), ["poses", "extract", *map(str, words)])
    return code, capsys.readouterr()


@pytest.mark.parametrize(
    ("flags", "code", "naming"),
    [
        (("--max-frames", "9"), 3, "error[V10]: {}: holds about 10 frames; at most 9 are read"),
        (("--max-pixels", "3000"), 3, "error[V10]: {}: is 64x48 pixels, more than 3000"),
        (("--person", "64,49"), 3, "error[P3]: --person: 64,49 is outside the picture of 64x48"),
        (("--workers", "0"), 2, "error[M11]: --workers: 0 is out of range"),
    ],
)
def test_v10_more_than_the_limit_is_refused_before_anyone_is_looked_for(
    capsys, make_video, tmp_path, flags, code, naming
):
    video, out = make_video(frames=10), tmp_path / "out.json"
    left, told = extract(capsys, video, "-o", out, *flags)
    assert left == code
    assert naming.format(video) in told.err
    assert not out.exists()


@pytest.mark.slow
def test_two_workers_write_the_same_clip_as_one(capsys, tmp_path):
    dance = Path(__file__).parents[2] / "examples" / "dance.mp4"
    clips = [tmp_path / f"{count}.json" for count in (1, 2)]
    for count, clip in enumerate(clips, start=1):
        code, told = extract(capsys, dance, "-o", clip, "--no-cache", "--workers", count)
        assert code == 0, told.err
    assert clips[0].read_bytes() == clips[1].read_bytes()


def test_a_rate_that_key_points_do_not_tell_is_told_where_it_counts(capsys, stage, tmp_path):
    folder, clip, movie = tmp_path / "openpose", tmp_path / "clip.json", tmp_path / "x.mp4"
    told = convert(capsys, stage / "dance.json", "--to", "openpose", "-o", folder)[1]
    assert "frame rate" not in told.err
    told = convert(capsys, folder, "--to", "clip", "-o", clip)[1]
    assert "openpose tells no frame rate; it is taken at 25 per second (--fps)" in told.err
    told = convert(capsys, folder, "--to", "clip", "-o", clip, "--overwrite", "--fps", "12")[1]
    assert "frame rate" not in told.err
    assert cli.run(cli.toolbox_parser(), ["poses", "draw", str(folder), "-o", str(movie)]) == 0
    assert "taken at 25 per second" in capsys.readouterr().err
