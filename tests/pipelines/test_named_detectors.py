"""Detectors that need weight files: named with a folder, told by hashes, never fetched."""

import json
import shutil
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

import cli
from dtvideo.files import sha256_file
from dtvideo.video import probe
from pipelines.job import RenderJob
from pipelines.manifest import load_manifest
from pipelines.pose_cache import Search, keep
from pipelines.progress import SilentProgress
from pipelines.render import render
from pipelines.replay import replay
from pipelines.verify import read_sidecar
from poses.backends.weights import WEIGHTS
from poses.detections import Detections
from poses.errors import DetectorError
from poses.synthetic import walk
from tests.manifests import GOOD, faults_of, fill, write

EXAMPLES = Path(__file__).parents[2] / "examples"
HERO, DANCE = EXAMPLES / "hero.png", EXAMPLES / "dance.mp4"


@pytest.fixture(autouse=True)
def _signals_stay(monkeypatch):
    monkeypatch.setattr("signal.signal", lambda *_: None)


def run(capsys, *words):
    code = cli.run(cli.toolbox_parser(), [*map(str, words)])
    return code, capsys.readouterr()


@pytest.mark.parametrize("name", ["openpose", "dwpose"])
@pytest.mark.parametrize(
    "words",
    [
        ("animate", HERO, DANCE, "--dry-run", "--detector"),
        ("animate", HERO, DANCE, "--dry-run", "--ref-detector"),
        ("generate", HERO, "--prompt", "a girl", "--ref-detector"),
        ("poses", "check", HERO, DANCE, "--detector"),
        ("poses", "extract", DANCE, "-o", "dance.json", "--no-cache", "--detector"),
        ("evaluate", "keypoints", "--clips", "1", "--detector"),
    ],
)
def test_m1_weights_that_are_not_here_are_told_in_one_line_before_anything_else(
    capsys, monkeypatch, tmp_path, empty_hub_cache, no_network, words, name
):
    monkeypatch.chdir(tmp_path)
    code, told = run(capsys, *words, name, "--progress", "json")
    assert (code, told.out) == (4, "")
    (line,) = told.err.splitlines()
    error = json.loads(line)
    assert (error["code"], error["subject"]) == ("M1", name)
    assert f"hf download {WEIGHTS[name].hub_id}" in error["remedy"]
    assert f"{name}:FOLDER" in error["remedy"]


@pytest.mark.parametrize("name", ["file", "nosuch", "mediapipe:here"])
def test_m1_a_detector_that_no_one_can_use_is_refused_by_the_job(name):
    with pytest.raises(DetectorError, match=r"--detector: .* is not known"):
        RenderJob(reference=HERO, driver=DANCE, detector=name)
    with pytest.raises(DetectorError, match=r"--ref-detector: .* is not known"):
        RenderJob(reference=HERO, driver=DANCE, reference_detector=name)


def weights(folder, kind="openpose", *, content="one"):
    folder.mkdir(exist_ok=True)
    for name in WEIGHTS[kind].files:
        (folder / name).write_text(f"{content} {name}")
    return folder


def test_weights_of_a_manifest_start_at_its_folder_and_stay_inside(tmp_path):
    folder = fill(tmp_path / "batch")
    weights(folder / "own", "dwpose")
    given = "detector: dwpose:own, reference_detector: dwpose:own"
    job = load_manifest(write(folder, GOOD.replace("seed: 3", given)))[0].job
    assert job.detector == job.reference_detector == f"dwpose:{folder / 'own'}"
    weights(tmp_path / "other", "dwpose")
    for place, code in (("../other", "B1"), ("gone", "V1")):
        told = faults_of(folder, GOOD.replace("seed: 3", f"detector: dwpose:{place}"))
        assert {code for code, _, _ in told} == {code}
    (folder / "own" / "yolox_l.onnx").unlink()
    told = faults_of(folder, GOOD.replace("seed: 3", "detector: dwpose:own"))
    assert {code for code, _, _ in told} == {"M1"}
    assert "lacks yolox_l.onnx" in told[0][2]


def search(video, folder):
    name, options = f"openpose:{folder}", {}
    return Search(
        info=probe(video), detector=name, frames=slice(0, 4), everyone=False, options=options
    )


def test_the_cache_tells_weights_apart_by_content_and_not_by_place(make_video, tmp_path):
    video = make_video(frames=4)
    first = search(video, weights(tmp_path / "one")).path
    assert search(video, weights(tmp_path / "same")).path == first
    assert search(video, weights(tmp_path / "other", content="two")).path != first


@pytest.fixture
def made(stage, tiny_model, make_video, tmp_path):
    """A render by a detector whose finds are in the cache, and its weights beside it."""
    video, folder = make_video(frames=4), weights(tmp_path / "weights")
    people = tuple((pose,) for pose in walk(4, size=(64, 48)))
    keep(search(video, folder).path, Detections(people, (64, 48), Fraction(25), "o", "l", "cpu"))
    job = RenderJob(
        reference=stage / "hero.png",
        driver=video,
        reference_pose=stage / "pose.json",
        model=str(tiny_model),
        detector=f"openpose:{folder}",
        size=(32, 32),
        output=tmp_path / "out.mp4",
    )
    return job, read_sidecar(render(job).sidecar)


def test_the_side_car_tells_the_weights_by_their_hashes(made, tmp_path):
    job, told = made
    files = {entry["role"]: entry for entry in told["inputs"]}
    for name in WEIGHTS["openpose"].files:
        entry = files[f"detector {name}"]
        assert entry["path"] == f"weights/{name}"
        assert entry["sha256"] == sha256_file(tmp_path / "weights" / name)
    assert told["recipe"]["job"]["detector"] == "openpose:./weights"
    moved = shutil.copytree(tmp_path / "weights", tmp_path / "moved")
    there = replace(job, detector=f"openpose:{moved}", output=tmp_path / "there.mp4")
    assert read_sidecar(render(there).sidecar)["recipe_hash"] == told["recipe_hash"]


def test_a_result_is_made_again_with_the_weights_that_its_side_car_tells(
    made, tmp_path, monkeypatch
):
    monkeypatch.chdir("/")
    sidecar = made[0].beside(".json")
    again = replay(
        sidecar, tmp_path / "again" / "out.mp4", overwrite=False, progress=SilentProgress()
    )
    assert again.is_equal
