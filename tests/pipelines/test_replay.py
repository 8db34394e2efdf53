import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

import cli
from dtvideo.errors import MediaError, OutputError
from pipelines.job import job_from_plain
from pipelines.progress import SilentProgress
from pipelines.render import RenderJob, render
from pipelines.replay import replay
from pipelines.sidecar import Sidecar
from pipelines.verify import find_faults, is_done, read_sidecar


@pytest.fixture
def made(stage, tiny_model, tmp_path):
    """A finished render whose inputs lie beside it."""
    for name in ("hero.png", "pose.json", "dance.json"):
        (tmp_path / name).write_bytes((stage / name).read_bytes())
    return render(
        RenderJob(
            reference=tmp_path / "hero.png",
            poses=tmp_path / "dance.json",
            reference_pose=tmp_path / "pose.json",
            model=str(tiny_model),
            size=(32, 32),
            frames=(0, 1),
            seed=3,
            output=tmp_path / "x.mp4",
        )
    )


def test_a_result_can_be_rendered_again_from_its_side_car_alone(made, tmp_path):
    again = replay(
        made.sidecar, tmp_path / "again" / "y.mp4", overwrite=False, progress=SilentProgress()
    )
    assert again.is_equal
    assert again.describe() == "all 2 frames are equal"


@pytest.mark.parametrize("output", ["x.mp4", "shot.%04d.png", "frames"])
def test_comparing_alone_keeps_nothing(made, tmp_path, capsys, output, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "empty"))
    (tmp_path / "empty").mkdir()
    job = job_from_plain(read_sidecar(made.sidecar)["recipe"]["job"], beside=tmp_path)
    sidecar = made.sidecar
    if output != "x.mp4":
        sidecar = render(replace(job, output=tmp_path / output)).sidecar
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(SystemExit, match="0"):
        cli.main(["replay", str(sidecar), "--compare", "--progress", "none"])
    assert capsys.readouterr() == ("", "all 2 frames are equal\n")
    assert sorted(tmp_path.rglob("*")) == before
    told = json.loads(sidecar.read_text())
    told["frames"]["sha256_of_rgb"][1] = "0"
    sidecar.write_text(json.dumps(told))
    with pytest.raises(SystemExit, match="5"):
        cli.main(["replay", str(sidecar), "--compare", "--progress", "none"])
    assert "1 of 2 frames differ, first 1" in capsys.readouterr().err


def test_m4_weights_that_are_not_those_that_were_used_are_told_and_refused_when_locked(
    made, tiny_model, tmp_path, capsys
):
    """The model's folder is there, whole and loadable, with other numbers in one file."""
    own = tmp_path / "own"
    shutil.copytree(tiny_model, own)
    job = job_from_plain(read_sidecar(made.sidecar)["recipe"]["job"], beside=tmp_path)
    sidecar = render(replace(job, model=str(own), output=tmp_path / "z.mp4")).sidecar
    again = ["replay", str(sidecar), "--compare", "--progress", "none", "--locked"]
    with pytest.raises(SystemExit, match="0"):
        cli.main(again)
    path = own / "controlnet" / "diffusion_pytorch_model.safetensors"
    weights = load_file(path)
    save_file({name: value * 1.01 for name, value in weights.items()}, path)
    capsys.readouterr()
    with pytest.raises(SystemExit, match="4"):
        cli.main(again)
    told = capsys.readouterr().err
    assert "error[M4]" in told
    assert "of 4 weight files are not those used then, first controlnet/" in told
    with pytest.raises(SystemExit, match="5"):
        cli.main([*again[:-1], "--progress", "json"])
    assert "1 of 4 weight files are not those used then" in capsys.readouterr().err


@pytest.mark.parametrize("more", [True, False])
def test_m4_a_weight_file_that_came_or_went_is_another_model_too(made, tmp_path, capsys, more):
    told = json.loads(made.sidecar.read_text())
    if more:
        told["model"]["sha256"]["vae/gone.safetensors"] = "0" * 64
    else:
        del told["model"]["sha256"]["unet/diffusion_pytorch_model.safetensors"]
    made.sidecar.write_text(json.dumps(told))
    output = tmp_path / "again.mp4"
    with pytest.raises(SystemExit, match="4"):
        cli.main(["replay", str(made.sidecar), "-o", str(output), "--locked"])
    first = "vae/gone" if more else "unet/diffusion_pytorch_model"
    assert f"weight files are not those used then, first {first}" in capsys.readouterr().err
    assert not output.exists()


def test_a_folder_that_has_travelled_with_its_model_can_be_rendered_again(
    made, tiny_model, tmp_path, monkeypatch
):
    shutil.copytree(tiny_model, tmp_path / "own" / "toon")
    monkeypatch.chdir(tmp_path / "own")
    job = job_from_plain(read_sidecar(made.sidecar)["recipe"]["job"], beside=tmp_path)
    first = render(replace(job, model="./toon", output=tmp_path / "z.mp4"))
    told = read_sidecar(first.sidecar)
    assert told["recipe"]["job"]["model"] == "./own/toon"
    assert told["recipe_hash"] == read_sidecar(made.sidecar)["recipe_hash"]
    shutil.copytree(tmp_path, tmp_path.with_name("moved"))
    shutil.rmtree(tmp_path / "own" / "toon")
    moved = tmp_path.with_name("moved") / "z.json"
    again = replay(moved, tmp_path / "y.mp4", overwrite=False, progress=SilentProgress())
    assert again.is_equal


def test_names_stay_names_and_paths_start_beside_the_side_car(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "style.safetensors").write_bytes(b"x")
    job = RenderJob(
        reference=tmp_path / "hero.png",
        poses=tmp_path / "dance.json",
        output=tmp_path / "out" / "x.mp4",
        controlnet="owner/name",
        matte="u2net",
        loras=((str(tmp_path / "style.safetensors"), 0.5),),
    )
    told = Sidecar(job).recipe["job"]
    assert [told[name] for name in ("model", "controlnet", "matte")] == [
        "toon",
        "owner/name",
        "u2net",
    ]
    assert told["loras"] == [["../style.safetensors", 0.5]]
    back = job_from_plain(told, beside=tmp_path / "out")
    assert (back.model, back.controlnet, back.matte) == ("toon", "owner/name", "u2net")
    assert Path(back.loras[0][0]).samefile(tmp_path / "style.safetensors")


def test_frames_that_differ_are_told(made, tmp_path):
    told = json.loads(made.sidecar.read_text())
    told["frames"]["sha256_of_rgb"][1] = "0" * 64
    told["environment"]["packages"]["torch"] = "1.0"
    made.sidecar.write_text(json.dumps(told))
    again = replay(made.sidecar, tmp_path / "y.mp4", overwrite=False, progress=SilentProgress())
    assert again.different == (1,)
    assert again.describe().startswith("1 of 2 frames differ, first 1; torch was 1.0, is ")


def test_a_clip_that_would_have_been_skipped_is_made_again_all_the_same(made, tmp_path):
    told = json.loads(made.sidecar.read_text())
    told["recipe"]["job"]["skip_existing"] = True
    made.sidecar.write_text(json.dumps(told))
    copy = tmp_path / "y.mp4"
    copy.write_bytes(made.movie.read_bytes())
    with pytest.raises(OutputError, match="exists"):
        replay(made.sidecar, copy, overwrite=False, progress=SilentProgress())
    assert replay(made.sidecar, copy, overwrite=True, progress=SilentProgress()).different == ()


def test_another_input_is_refused(made, tmp_path):
    (tmp_path / "hero.png").write_bytes(b"another")
    with pytest.raises(
        MediaError, match=r"the reference .* is not the one that was used"
    ) as caught:
        replay(made.sidecar, tmp_path / "y.mp4", overwrite=False, progress=SilentProgress())
    assert caught.value.code == "F9"


def test_changed_and_missing_outputs_are_found(made):
    recipe = read_sidecar(made.sidecar)["recipe_hash"]
    assert find_faults(made.sidecar) == []
    assert is_done(made.sidecar, recipe, result=made.movie)
    assert not is_done(made.sidecar, recipe, result=made.movie.with_suffix(".webm"))
    made.movie.write_bytes(b"x")
    made.sheet.unlink()
    told = ["x.mp4 has changed since it was made", "x.sheet.png is missing"]
    assert find_faults(made.sidecar) == told
    assert not is_done(made.sidecar, recipe, result=made.movie)


def test_verifying_answers_also_when_all_is_well(made, capsys):
    with pytest.raises(SystemExit, match="0"):
        cli.main(["verify", str(made.sidecar)])
    assert capsys.readouterr().err == "2 files are as they were made\n"
    made.sheet.unlink()
    with pytest.raises(SystemExit, match="3"):
        cli.main(["verify", str(made.sidecar)])
    assert "x.sheet.png is missing" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", "is not JSON"),
        ("[]", "is not a side-car"),
        ('{"schema": "other"}', "is not a side-car"),
        ('{"schema": "dtvideo-sidecar", "schema_version": 99}', "has version 99, this is 1"),
    ],
)
def test_what_is_no_side_car_is_refused(tmp_path, text, problem):
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(MediaError, match=problem) as caught:
        read_sidecar(path)
    assert caught.value.code == "F9"
