import json
import os
import signal
import subprocess
import sys
import time
from itertools import islice
from pathlib import Path

import pytest

import cli
from dtvideo.models.sources import toon_folder
from pipelines.flags import animate_parser
from pipelines.job import RenderJob

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def keep_signals(monkeypatch):
    monkeypatch.setattr("signal.signal", lambda *_: None)


def run(capsys, entry, *words):
    with pytest.raises(SystemExit) as left:
        entry(list(words))
    told = capsys.readouterr()
    return left.value.code, told.out, told.err


def test_help_answers_at_once_without_the_heavy_packages(tmp_path):
    check = (
        "import sys, cli\n"
        "try: cli.animate(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'numpy', 'scipy', 'diffusers', 'rich'} & set(sys.modules)\n"
        "sys.exit(' '.join(heavy) or 0)"
    )
    start = os.times()
    finished = subprocess.run(
        [sys.executable, "-c", check], cwd=ROOT, capture_output=True, text=True, check=False
    )
    spent = os.times()
    assert finished.returncode == 0, finished.stderr
    assert "--ref-weight" in finished.stdout
    assert spent.children_user - start.children_user < 0.3


def test_a_misspelt_flag_gets_the_nearest_one(capsys):
    code, _, err = run(capsys, cli.animate, "a.png", "b.mp4", "--stepz", "3")
    assert code == 2
    assert "did you mean --steps?" in err


def test_a_missing_picture_is_a_usage_error(capsys):
    code, _, err = run(capsys, cli.animate)
    assert code == 2
    assert err.startswith("error[U1]: animate: the following arguments are required: REF")


def test_every_setting_of_a_job_can_be_reached_by_a_flag():
    arguments = vars(animate_parser("animate", lambda _: 0).parse_args(["a.png", "b.mp4"]))
    assert set(RenderJob.__dataclass_fields__) <= set(arguments)


def test_what_the_flags_leave_out_is_what_the_job_leaves_out():
    arguments = vars(animate_parser("animate", lambda _: 0).parse_args(["a.png", "b.mp4"]))
    job = RenderJob(reference=Path("a.png"), driver=Path("b.mp4"))
    for name in RenderJob.__dataclass_fields__:
        default = arguments[name]
        default = tuple(default) if isinstance(default, list) else default
        assert default == getattr(job, name), name


def test_a_bug_is_one_line_and_its_details_are_in_a_file(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    def fail(_):
        raise ZeroDivisionError("never\nmind")

    monkeypatch.setattr(cli, "animate_command", fail)
    code, out, err = run(capsys, cli.animate, "a.png", "b.mp4")
    assert (code, out) == (1, "")
    assert len(err.splitlines()) == 1
    assert err.startswith("error[X1]: dtvideo: ZeroDivisionError: never mind")
    saved = Path(err.split("details: ")[1].strip())
    assert "Traceback" in saved.read_text()


def test_f2_an_interrupted_run_says_so_and_leaves_with_130(capsys, monkeypatch):
    def interrupt(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "animate_command", interrupt)
    code, _, err = run(capsys, cli.animate, "a.png", "b.mp4")
    assert code == cli.INTERRUPTED == 130
    assert err == (
        "interrupted: what is finished is kept · the same command goes on with --resume\n"
    )


@pytest.mark.parametrize(
    ("command", "words", "told"),
    [
        ("train_toon_command", ["train", "toon", "--run", "r"], "· the same command goes on\n"),
        ("train_encoder_command", ["train", "encoder", "c", "--run", "r"], "command goes on\n"),
        ("check_poses_command", ["poses", "check", "a.png", "b.mp4"], "interrupted\n"),
        ("doctor_command", ["doctor"], "interrupted\n"),
    ],
)
def test_f2_an_interrupted_tool_says_how_that_tool_goes_on(
    capsys, monkeypatch, command, words, told
):
    def interrupt(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, command, interrupt)
    code, _, err = run(capsys, cli.main, *words)
    assert code == 130
    assert err.endswith(told)
    assert "--resume" not in err


def test_f2_a_terminated_run_leaves_no_half_movie(stage, tiny_model, tmp_path):
    words = [str(stage / "hero.png"), "--poses", str(stage / "dance.json"), "--steps", "900",
             "--ref-pose", str(stage / "pose.json"), "--model", str(tiny_model),
             "--size", "32x32", "-o", str(tmp_path / "x.mp4"), "--progress", "json"]  # fmt: skip
    program = f"import cli; cli.animate({words!r})"
    with subprocess.Popen(
        [sys.executable, "-c", program], cwd=ROOT, stderr=subprocess.PIPE, text=True
    ) as process:
        for line in process.stderr:
            if '"stage": "render"' in line:
                break
        time.sleep(0.2)
        process.send_signal(signal.SIGTERM)
        process.stderr.read()
    assert process.returncode == cli.TERMINATED == 143
    assert list(tmp_path.iterdir()) == []


def test_f11_a_result_whose_name_is_no_utf8(stage, tiny_model, tmp_path):
    """Also the folder of poses holds such a name, and the path is printed byte for byte."""
    poses = tmp_path / "poses"
    source = str(stage / "dance.json")
    with pytest.raises(SystemExit, match="0"):
        cli.main(["poses", "convert", source, "--to", "openpose", "-o", str(poses)])
    for number, path in enumerate(sorted(poses.iterdir())):
        path.rename(poses / os.fsdecode(b"caf\xe9_%04d_keypoints.json" % number))
    output = os.fsencode(tmp_path) + b"/caf\xe9.mp4"
    words = [str(stage / "hero.png"), "--poses", str(poses), "--frames", "0",
             "--ref-pose", str(stage / "pose.json"), "--model", str(tiny_model),
             "--size", "32x32", "--progress", "none", "-o", output]  # fmt: skip
    finished = subprocess.run(
        [sys.executable, "-c", "import sys, cli; cli.animate(sys.argv[1:])", *words],
        cwd=ROOT,
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.splitlines()[0] == output
    told = json.loads(Path(os.fsdecode(output)).with_suffix(".json").read_text())
    assert told["outputs"][0]["path"] == os.fsdecode(b"caf\xe9.mp4")


def test_poses_are_converted_and_drawn(capsys, stage, tmp_path):
    source = str(stage / "dance.json")
    folder, movie = str(tmp_path / "openpose"), str(tmp_path / "dance.mp4")
    code, out, err = run(
        capsys, cli.main, "poses", "convert", source, "--to", "openpose", "-o", folder
    )
    assert (code, out.strip()) == (0, folder), err
    assert len(list(Path(folder).glob("*.json"))) == 4
    code, out, err = run(capsys, cli.main, "poses", "draw", folder, "-o", movie)
    assert (code, out.strip()) == (0, movie), err
    code, _, err = run(capsys, cli.main, "poses", "draw", folder, "-o", movie)
    assert code == 8
    assert "exists already" in err


def test_poses_are_extracted_from_a_real_clip(capsys, make_video, tmp_path):
    from dtvideo.video import read_frames
    from poses.io import read_poses

    frames = list(islice(read_frames(ROOT / "examples" / "dance.mp4"), 3))
    height, width = frames[0].shape[:2]
    clip = make_video("three.mp4", frames, size=(width, height))
    output = tmp_path / "three.json"
    code, out, err = run(capsys, cli.main, "poses", "extract", str(clip), "-o", str(output))
    assert (code, out.strip()) == (0, str(output)), err
    assert "people in 3 of 3 frames" in err
    assert len(read_poses(output)) == 3


def test_the_built_in_model_by_its_path_is_the_built_in_model(capsys, stage, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    told = []
    for name, model in (("a", "toon"), ("b", str(toon_folder()))):
        words = [str(stage / "hero.png"), "--poses", str(stage / "dance.json"), "--frames", "0",
                 "--ref-pose", str(stage / "pose.json"), "-o", f"{name}.mp4"]  # fmt: skip
        code, _, err = run(capsys, cli.animate, *words, "--model", model)
        assert code == 0, err
        told.append(json.loads(Path(f"{name}.json").read_text()))
    for part in ("frames", "reference", "driver"):
        assert told[0][part] == told[1][part]
    named = [{**one["model"], "name": "", "kind": ""} for one in told]
    assert named[0] == named[1]
    assert told[0]["frames"]["sha256_of_rgb"]


def test_json_progress_is_the_only_thing_on_standard_error(stage, tiny_model, tmp_path):
    """MediaPipe's threads tell of their start when they like; every one of them is silent."""
    words = [str(stage / "hero.png"), str(ROOT / "examples" / "dance.mp4"), "--frames", "0-1",
             "--ref-pose", str(stage / "pose.json"), "--model", str(tiny_model), "--no-cache",
             "--size", "32x32", "-o", str(tmp_path / "x.mp4"), "--progress", "json"]  # fmt: skip
    finished = subprocess.run(
        [sys.executable, "-c", f"import cli; cli.animate({words!r})"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    stages = [json.loads(line).get("stage") for line in finished.stderr.splitlines()]
    assert {"find poses", "render", "write"} <= set(stages)
    assert finished.stdout.split()[0] == str(tmp_path / "x.mp4")
