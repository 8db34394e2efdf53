import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from dtvideo.errors import MediaError, OutputError
from dtvideo.files import sha256_file
from dtvideo.images import load_image
from dtvideo.video import probe, read_frames
from pipelines.progress import SilentProgress
from pipelines.render import RenderJob, open_clip, plan, prepare, render
from pipelines.sidecar import fingerprint
from poses.errors import PoseError

DANCE = Path(__file__).parents[2] / "examples" / "dance.mp4"


@pytest.fixture(scope="module")
def danced(stage, tiny_model, tmp_path_factory):
    """The main job on the example clip, at a small size."""
    job = RenderJob(
        reference=stage / "hero.png",
        driver=DANCE,
        reference_pose=stage / "pose.json",
        model=str(tiny_model),
        size=(33, 32),
        frames=(3, 8),
        output=tmp_path_factory.mktemp("danced") / "x.mp4",
    )
    return render(job)


def test_a_real_clip_gives_its_frames_its_rate_and_its_sound(danced):
    source, made = probe(DANCE), probe(danced.movie)
    assert danced.frames == made.frames == 6
    assert made.rate == source.rate
    assert made.has_audio == source.has_audio
    assert made.size == (36, 32)


def test_the_side_car_tells_inputs_settings_and_every_frame(danced):
    told = json.loads(danced.sidecar.read_text())
    assert told["status"] == "done"
    assert [entry["role"] for entry in told["inputs"]] == ["reference", "driver", "reference pose"]
    assert told["inputs"][1]["sha256"] == sha256_file(DANCE)
    assert told["recipe"]["resolved"]["clip"]["steps"] == 2
    assert len(set(told["frames"]["sha256_of_rgb"])) == 6
    assert told["driver"]["licence"] == "Apache-2.0"
    assert told["outputs"][0] == {"path": "x.mp4", **fingerprint(danced.movie)}
    assert told["digital_source_type"].endswith("trainedAlgorithmicMedia")
    assert told["model"]["sha256"]["unet/diffusion_pytorch_model.safetensors"]
    assert any("33x32 is rounded up to 36x32" in warning for warning in told["warnings"])
    stages = ["load model", "read reference", "read motion", "render", "write"]
    assert list(told["timings_seconds"]) == stages
    assert 0 < sum(told["timings_seconds"].values()) <= danced.seconds
    assert "/" not in told["inputs"][0]["path"].replace("../", "").split("/", 1)[0]


def test_the_contact_sheet_is_a_picture_beside_the_movie(danced):
    assert danced.sheet == danced.movie.with_name("x.sheet.png")
    assert load_image(danced.sheet).rgb.shape[1] > 500


def test_poses_alone_make_a_movie_with_one_frame_each(job):
    result = render(job)
    assert result.paths == (
        job.output,
        job.output.with_suffix(".json"),
        job.output.with_name("out.sheet.png"),
    )
    assert len(list(read_frames(probe(result.movie)))) == 4


def test_the_same_job_gives_the_same_frames_and_another_seed_others(job, tmp_path):
    hashes = []
    for number, seed in enumerate((5, 5, 6)):
        result = render(replace(job, seed=seed, output=tmp_path / f"{number}.mp4"))
        hashes.append(json.loads(result.sidecar.read_text())["frames"]["sha256_of_rgb"])
    assert hashes[0] == hashes[1]
    assert set(hashes[0]).isdisjoint(hashes[2])


@pytest.mark.parametrize(
    ("output", "first"),
    [("frames", "frames/frame.0000.png"), ("shot.%03d.png", "shot.000.png")],
)
def test_frames_can_be_pictures(job, tmp_path, output, first):
    result = render(replace(job, output=tmp_path / output, background="alpha"))
    picture = load_image(tmp_path / first)
    assert picture.alpha is not None
    assert len(list((tmp_path / first).parent.glob("*[0-9].png"))) == 4
    assert result.sidecar.is_file()
    assert result.sheet.is_file()


def test_an_existing_result_is_kept_unless_overwriting_is_asked_for(job):
    job.output.write_text("precious")
    with pytest.raises(OutputError) as caught:
        render(job)
    assert caught.value.code == "F7"
    assert job.output.read_text() == "precious"
    render(replace(job, overwrite=True))
    assert probe(job.output).frames == 4


def test_an_input_is_never_the_output(job, stage):
    with pytest.raises(OutputError, match="is the input"):
        render(replace(job, poses=None, driver=DANCE, output=DANCE, overwrite=True))


def test_a_plan_tells_what_would_be_made_and_makes_nothing(job, tmp_path):
    text = plan(job)
    assert "4 of 32x32 at 25 per second" in text
    assert "18 of 18 joints known" in text
    assert list(tmp_path.iterdir()) == []


def test_a_failed_render_leaves_nothing_behind(job, tmp_path, monkeypatch):
    def fail(*_, **__):
        raise MediaError("V4", "dance", "is damaged")

    monkeypatch.setattr("pipelines.background.Backdrop.lay", fail)
    with pytest.raises(MediaError):
        render(job)
    assert list(tmp_path.iterdir()) == []


def test_the_motion_can_be_set_to_another_rate(job):
    assert probe(render(replace(job, rate=Fraction(12))).movie).rate == 12


def test_settings_of_the_job_reach_the_clip(job):
    changed = replace(
        job,
        steps=3,
        seed=9,
        reference_weight=2.0,
        previous_weight=0.5,
        align=20.0,
        guidance="averaged",
        reference_guidance=1.5,
        text_guidance=3.0,
        reference_probability=0.4,
        cache_memory=10**8,
        scheduler="euler",
    )
    prepared = prepare(changed, SilentProgress())
    settings = prepared.settings
    assert (settings.steps, settings.seed, settings.cache_memory) == (3, 9, 10**8)
    assert (settings.reference_weight, settings.previous_weight) == (2.0, 0.5)
    assert settings.align == 20.0
    assert settings.guidance.mode == "averaged"
    assert settings.guidance.reference_scale == 1.5
    assert settings.guidance.text_scale == 3.0
    assert settings.guidance.reference_probability == 0.4
    assert type(prepared.pipeline.scheduler).__name__ == "EulerDiscreteScheduler"


def test_a_prompt_changes_the_picture(job):
    first, second = (
        next(iter(open_clip(changed, prepare(changed, SilentProgress()))))[1]
        for changed in (job, replace(job, prompt="a girl with red hair"))
    )
    assert not np.array_equal(first, second)


def test_r11_a_pose_that_is_not_found_is_guessed_from_the_mask_or_refused(job, make_picture):
    blob = np.full((64, 64, 3), 240, np.uint8)
    blob[16:56, 20:44] = (200, 60, 60)
    guessed = replace(
        job,
        reference=make_picture("blob.png", blob),
        reference_pose=None,
        reference_detector="mediapipe",
    )
    prepared = prepare(guessed, SilentProgress())
    assert prepared.reference.pose_method == "mask box"
    assert any("standing skeleton" in notice for notice in prepared.sidecar.notices)
    with pytest.raises(PoseError) as caught:
        prepare(replace(guessed, strict=True), SilentProgress())
    assert caught.value.code == "R11"
