import json
import weakref
from dataclasses import replace

import numpy as np
import pytest

import cli
from dtvideo.errors import OutputError, UsageError
from dtvideo.images import load_image, resize
from pipelines.animate import AnimationPipeline
from pipelines.enlarge import Canvas, Enlarger
from pipelines.generate import draw_pictures, generate, open_studio
from pipelines.generate_job import GenerateJob
from pipelines.load_model import load_pipeline
from pipelines.progress import SilentProgress
from pipelines.verify import find_faults
from poses.errors import PoseError
from poses.io import write_clip
from poses.types import PoseSequence
from tests.drawn import dance
from tests.tiny_models import tiny_components


@pytest.fixture(scope="module")
def plain_model(tmp_path_factory):
    """A folder with a tiny model that starts from noise and has no ControlNet."""
    folder = tmp_path_factory.mktemp("plain") / "tiny"
    components = {**tiny_components(prediction_type="sample"), "controlnet": None}
    AnimationPipeline(**components, defaults={"steps": 2}).save_pretrained(folder)
    return folder


@pytest.fixture
def job(tiny_model, stage, tmp_path):
    return GenerateJob(
        reference=stage / "hero.png",
        reference_pose=stage / "pose.json",
        prompt="a girl with red hair",
        count=2,
        size=(32, 32),
        model=str(tiny_model),
        output=tmp_path / "out",
    )


def pixels(path):
    return load_image(path).rgb


def test_pictures_a_sheet_and_a_side_car_are_made(job):
    made = generate(job)
    assert [path.name for path in made.paths] == [
        "hero.0.png", "hero.1.png", "hero.json", "hero.sheet.png"]  # fmt: skip
    assert all(path.is_file() for path in made.paths)
    told = json.loads(made.sidecar.read_text())
    assert told["frames"]["count"] == 2
    assert [entry["path"] for entry in told["outputs"]] == [
        "hero.0.png", "hero.1.png", "hero.sheet.png"]  # fmt: skip
    assert find_faults(made.sidecar) == []
    assert not np.array_equal(pixels(made.pictures[0]), pixels(made.pictures[1]))


def test_a_picture_is_a_function_of_its_seed_alone(job, tmp_path):
    together = generate(replace(job, count=2)).pictures[1]
    alone = generate(replace(job, count=1, seed=1, output=tmp_path / "alone")).pictures[0]
    assert np.array_equal(pixels(together), pixels(alone))


def test_words_weight_and_pose_reach_the_picture(job, tmp_path):
    raised = tmp_path / "raised.json"
    write_clip(PoseSequence.from_poses([dance()[3]]), raised)
    first = pixels(generate(replace(job, count=1)).pictures[0])
    changes = {
        "words": {"prompt": "a girl dancing"},
        "caption": {"reference_prompt": "blue dress"},
        "weight": {"reference_weight": 9.0},
        "pose": {"pose": raised},
        "guidance": {"text_guidance": 1.0, "guidance": "text"},
    }
    for name, change in changes.items():
        changed = generate(replace(job, count=1, output=tmp_path / name, **change))
        assert not np.array_equal(pixels(changed.pictures[0]), first), name


def test_a_pose_that_is_none_is_told_before_the_model_is_looked_for(job, stage, tmp_path):
    nowhere = str(tmp_path / "no-model")
    with pytest.raises(PoseError, match=r"P6.*not UTF-8 text.*OpenPose JSON"):
        generate(replace(job, pose=stage / "hero.png", model=nowhere))


def test_a_model_that_starts_from_noise_needs_neither_controlnet_nor_mask(
    job, plain_model, tmp_path
):
    plain = replace(job, model=str(plain_model), count=1)
    first = generate(plain).pictures[0]
    whole = generate(replace(plain, mask=False, output=tmp_path / "whole")).pictures[0]
    assert not np.array_equal(pixels(first), pixels(whole))
    assert load_pipeline(str(plain_model), needs_controlnet=False).controlnet is None


def test_a_result_that_is_there_is_kept(job):
    generate(job)
    with pytest.raises(OutputError, match="F7"):
        generate(job)
    generate(replace(job, overwrite=True))


def test_the_command_prints_what_it_made(job, stage, capsys):
    words = ["generate", str(job.reference), "--prompt", "a girl", "-n", "1", "--seed", "3"]
    words += ["--ref-pose", str(job.reference_pose), "--size", "32x32", "--model", job.model]
    words += ["--progress", "none", "-o", str(job.output)]
    with pytest.raises(SystemExit) as left:
        cli.main(words)
    assert left.value.code == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.rpartition("/")[2] for line in lines] == [
        "hero.3.png", "hero.json", "hero.sheet.png"]  # fmt: skip


def test_toon_pictures_become_larger_unasked_and_the_side_car_says_so(job):
    """The tiny model knows 16 x 16 best; the picture has 64 x 64."""
    made = generate(replace(job, size=None))
    assert [pixels(path).shape for path in made.pictures] == [(64, 64, 3)] * 2
    told = json.loads(made.sidecar.read_text())
    assert told["recipe"]["resolved"]["size"] == [64, 64]
    assert told["recipe"]["resolved"]["upscale"] == 4
    assert told["reference"]["size"] == [64, 64]


def test_a_larger_picture_is_the_model_s_own_reduced(job, tmp_path):
    """But for the last levels."""
    small, large = (
        pixels(generate(replace(job, upscale=times, output=tmp_path / f"{times}")).pictures[1])
        for times in (1, 3)
    )
    assert (small.shape, large.shape) == ((32, 32, 3), (96, 96, 3))
    assert np.abs(resize(large, (32, 32)).astype(int) - small).mean() < 6


def test_a_larger_picture_has_the_detail_of_the_reference_in_the_pose_that_was_asked_for(
    job, tmp_path
):
    raised = tmp_path / "raised.json"
    write_clip(PoseSequence.from_poses([dance()[3]]), raised)
    toon = replace(job, model="toon", pose=raised, upscale=3)
    studio = open_studio(toon, SilentProgress())
    (_, large), (_, small) = (
        next(draw_pictures(each, [5]))
        for each in (studio, replace(studio, canvas=Canvas((32, 32), 1)))
    )
    enlarger = Enlarger(studio.reference.puppet)
    assert np.array_equal(large, enlarger.enlarge(small, studio.pose))
    assert not np.array_equal(large, enlarger.enlarge(small, studio.reference.pose))


def test_a_model_that_refines_nothing_makes_no_larger_pictures(job, plain_model, tmp_path):
    plain = replace(job, model=str(plain_model), size=None, count=1)
    assert pixels(generate(plain).pictures[0]).shape == (16, 16, 3)
    with pytest.raises(UsageError, match=r"M11.*--upscale"):
        generate(replace(plain, upscale=2, output=tmp_path / "large"))


def test_larger_pictures_are_made_again_to_the_bit(job, tmp_path, capsys):
    sidecar = generate(replace(job, upscale=2, seed=7)).sidecar
    words = ["replay", str(sidecar), "--progress", "none"]
    with pytest.raises(SystemExit, match="0"):
        cli.main([*words, "-o", str(tmp_path / "again")])
    assert capsys.readouterr().err == "all 2 pictures are equal\n"
    assert np.array_equal(
        pixels(tmp_path / "again" / "hero.8.png"), pixels(sidecar.with_name("hero.8.png"))
    )
    told = json.loads(sidecar.read_text())
    told["frames"]["sha256_of_rgb"][1] = "0"
    sidecar.write_text(json.dumps(told))
    with pytest.raises(SystemExit, match="5"):
        cli.main([*words, "--compare"])
    assert "1 of 2 pictures differ, first 8" in capsys.readouterr().err


def test_no_more_pictures_are_held_than_the_one_that_is_made(job, monkeypatch):
    made, alive = [], []

    def watched(*arguments):
        for seed, image in draw_pictures(*arguments):
            alive.append(sum(each() is not None for each in made))
            made.append(weakref.ref(image))
            yield seed, image

    monkeypatch.setattr("pipelines.generate.draw_pictures", watched)
    generate(replace(job, count=5))
    assert len(made) == 5
    assert max(alive) <= 1
