"""A small character and pipelines of random weights, for the tests of clips and renders."""

from functools import partial

import numpy as np
import pytest

import cli
from pipelines.animate import AnimationPipeline
from pipelines.batch import run_batch
from pipelines.job import RenderJob
from tests.batch_workers import act
from tests.tiny_clips import HEIGHT, SETTINGS, WIDTH, pose
from tests.tiny_models import tiny_components


@pytest.fixture(scope="module")
def reference():
    picture = np.full((HEIGHT, WIDTH, 3), 200, dtype=np.uint8)
    picture[3:28, 7:17] = (180, 40, 40)
    picture[3:9, 9:15] = (230, 190, 160)
    return picture


@pytest.fixture(scope="module")
def mask():
    mask = np.zeros((HEIGHT, WIDTH), dtype=np.float32)
    mask[3:28, 7:17] = 1
    return mask


@pytest.fixture(scope="module")
def pipeline():
    return AnimationPipeline(**tiny_components())


@pytest.fixture(scope="module")
def coarse_pipeline():
    return AnimationPipeline(**tiny_components(coarse=True, prediction_type="sample"))


@pytest.fixture
def opened(reference, mask):
    """Open a clip of two frames unless told otherwise."""

    def open_clip(pipeline, *, settings=SETTINGS, poses=None, **options):
        given = {"reference": reference, "mask": mask, "reference_pose": pose(), **options}
        poses = [pose(0), pose(3)] if poses is None else poses
        return pipeline.open(poses=poses, settings=settings, **given)

    return open_clip


@pytest.fixture
def job(stage, tiny_model, tmp_path):
    """A render of four drawn poses by a model of random weights, at a small size."""
    return RenderJob(
        reference=stage / "hero.png",
        poses=stage / "dance.json",
        reference_pose=stage / "pose.json",
        model=str(tiny_model),
        size=(32, 32),
        output=tmp_path / "out.mp4",
    )


@pytest.fixture
def run_batch_tool(monkeypatch, capsys):
    """Run a batch by its words, with workers that only act; return the exit code and the words."""
    monkeypatch.setattr("signal.signal", lambda *_: None)
    monkeypatch.setattr("pipelines.batch.run_batch", partial(run_batch, worker=act))

    def command(what, manifest, *words):
        code = cli.run(cli.toolbox_parser(), ["batch", what, str(manifest), *words])
        return code, capsys.readouterr()

    return command
