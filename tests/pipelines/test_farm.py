import io
import json
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from dtvideo.errors import UsageError
from pipelines.farm import FarmJob, OpenJdProgress, find_clip, opencue_spec, openjd_template
from pipelines.job import RenderJob
from pipelines.manifest import ClipJob, load_manifest

ROOT = Path(__file__).parents[2]
CUE_JOB = ["paused", "maxretries", "layers"]
CUE_LAYER = ["cmd", "range", "chunk", "cores", "services"]


def clips(count, name="hero/clip {}"):
    job = RenderJob(reference=Path("hero.png"), driver=Path("dance.mp4"), threads=2)
    return [ClipJob(name.format(number), number, job) for number in range(count)]


@pytest.fixture
def real(stage, tiny_model, tmp_path):
    """A manifest of one character and two clips that truly render."""
    for name in ("hero.png", "pose.json", "dance.json"):
        (tmp_path / name).write_bytes((stage / name).read_bytes())
    shutil.copytree(tiny_model, tmp_path / "model")
    manifest = tmp_path / "real.yaml"
    manifest.write_text("""
settings: {model: model, size: 32x32, reference_pose: pose.json, profile: ffv1-master}
characters: {hero: {reference: hero.png}}
clips:
  one: {poses: dance.json, frames: 0-1}
  two: {poses: dance.json, seed: 5, frames: 0-2x2}
""")
    return manifest


def command(*words):
    return subprocess.run(
        [sys.executable, "-c", f"import cli; cli.main({list(map(str, words))!r})"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_openjd_accepts_the_template_and_makes_one_task_of_each_clip(tmp_path):
    model = pytest.importorskip("openjd.model")
    text = openjd_template(FarmJob(tmp_path / "in" / "b.yaml"), clips(3), beside=tmp_path)
    template = model.decode_job_template(template=json.loads(text))
    (tmp_path / "in").mkdir()
    values = model.preprocess_job_parameters(
        job_template=template,
        job_parameter_values={},
        job_template_dir=tmp_path,
        current_working_dir=tmp_path,
    )
    job = model.create_job(job_template=template, job_parameter_values=values)
    assert values["Manifest"].value == str(tmp_path / "in" / "b.yaml")
    (step,) = job.steps
    tasks = model.StepParameterSpaceIterator(space=step.parameterSpace)
    assert [task["Clip"].value for task in tasks] == [f"hero/clip {k}" for k in range(3)]


def test_more_clips_than_a_list_may_hold_are_several_steps(tmp_path):
    model = pytest.importorskip("openjd.model")
    text = openjd_template(FarmJob(tmp_path / "b.yaml"), clips(2500), beside=tmp_path)
    template = model.decode_job_template(template=json.loads(text))
    ranges = [step.parameterSpace.taskParameterDefinitions[0].range for step in template.steps]
    assert [len(each) for each in ranges] == [1024, 1024, 452]


def test_a_manifest_elsewhere_is_for_the_submitter_to_name(tmp_path):
    text = openjd_template(FarmJob(tmp_path / "b.yaml"), clips(1), beside=tmp_path / "jobs")
    assert "default" not in json.loads(text)["parameterDefinitions"][0]


def test_a_name_that_openjd_would_read_itself_is_refused(tmp_path):
    with pytest.raises(UsageError, match="which OpenJD reads itself"):
        openjd_template(FarmJob(tmp_path / "b.yaml"), clips(1, "{{{{x}}}}"), beside=tmp_path)


def test_the_opencue_job_has_its_elements_in_the_order_that_cjsl_asks_for(tmp_path):
    manifest = tmp_path / "My Batch.yaml"
    job = FarmJob(manifest, ("--allow-outside",))
    text = opencue_spec(job, clips(7), show="film", shot="sh010", user="ann & bob")
    assert text.splitlines()[1].endswith('"http://localhost:8080/spcue/dtd/cjsl-1.13.dtd">')
    spec = ElementTree.fromstring(text)
    assert [child.tag for child in spec] == ["show", "shot", "user", "job"]
    assert spec.findtext("user") == "ann & bob"
    made = spec.find("job")
    assert made.get("name") == "my_batch"
    assert [child.tag for child in made] == CUE_JOB
    layer = made.find("layers/layer")
    assert layer.attrib == {"name": "render", "type": "Render"}
    assert [child.tag for child in layer] == CUE_LAYER
    assert (layer.findtext("range"), layer.findtext("chunk")) == ("1-7", "1")
    assert layer.findtext("cores") == "2.0"
    words = shlex.split(layer.findtext("cmd"))
    assert words[:4] == ["dtvideo", "farm", "run", str(manifest)]
    assert words[4:] == ["--allow-outside", "--number", "#IFRAME#"]


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"name": None, "number": None}, "one clip is needed"),
        ({"name": "a", "number": 1}, "one clip is needed"),
        ({"name": "a", "number": None}, "'a' is no clip"),
        ({"name": None, "number": 4}, "give a number from 1 to 3"),
    ],
)
def test_a_task_is_one_clip_that_is_there(given, problem):
    with pytest.raises(UsageError, match=problem):
        find_clip(clips(3), **given)
    assert find_clip(clips(3), name=None, number=2).name == "hero/clip 1"


def test_progress_is_told_in_openjds_lines():
    stream = io.StringIO()
    with OpenJdProgress(stream).stage("render", 400) as advance:
        for _ in range(400):
            advance()
    lines = stream.getvalue().splitlines()
    assert lines[:2] == ["openjd_status: render", "openjd_progress: 0.0"]
    assert lines[-1] == "openjd_progress: 100.0"
    assert len(lines) == 102


def test_why_a_task_failed_is_told_in_one_line_of_openjd():
    stream = io.StringIO()
    with pytest.raises(UsageError), OpenJdProgress(stream).telling_failure():
        raise UsageError("M11", "--clip", "'a' is no clip", "see dtvideo batch check")
    assert stream.getvalue().startswith("openjd_fail: error[M11]: --clip: 'a' is no clip")
    with pytest.raises(MemoryError), OpenJdProgress(stream).telling_failure():
        raise MemoryError
    assert stream.getvalue().splitlines()[1:] == ["openjd_fail: MemoryError"]


def test_results_of_a_manifest_end_as_their_profile_says(real):
    first, second = load_manifest(real)
    assert (first.job.profile, first.job.target.name) == ("ffv1-master", "one.mkv")
    assert second.job.frames == "0-2x2"
    real.write_text(real.read_text().replace("ffv1-master", "exr"))
    assert load_manifest(real)[0].job.target.name == "one.%04d.exr"


@pytest.mark.slow
def test_tasks_render_their_clips_and_a_second_try_does_nothing(real, tmp_path):
    written = command("farm", "export", "--openjd", real, "-o", tmp_path / "job.json")
    assert written.returncode == 0, written.stderr
    (parameter,) = json.loads((tmp_path / "job.json").read_text())["steps"][0]["parameterSpace"][
        "taskParameterDefinitions"
    ]
    assert parameter["range"] == ["hero/one", "hero/two"]
    first = command("farm", "run", real, "--clip=hero/one", "--progress=openjd")
    assert first.returncode == 0, first.stderr
    assert first.stdout.strip() == str(tmp_path / "out" / "hero" / "one.mkv")
    assert "openjd_progress: 100.0" in first.stderr
    before = (tmp_path / "out" / "hero" / "one.mkv").stat().st_mtime_ns
    again = command("farm", "run", real, "--number", "1")
    assert (again.returncode, again.stdout) == (0, first.stdout)
    assert (tmp_path / "out" / "hero" / "one.mkv").stat().st_mtime_ns == before
    assert command("farm", "run", real, "--clip", "hero/none").returncode == 2
