import tomllib
from dataclasses import asdict, replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import CLIPTokenizer

import cli
from dtvideo.config import load_settings
from dtvideo.errors import UsageError
from dtvideo.toon.keypoints import ToonDetector
from dtvideo.training.steps import OptimiserSettings
from pipelines.load_model import load_pipeline
from pipelines.train_toon import (
    STAGES,
    ToonTraining,
    pinned_threads,
    run_tokenizer,
    train_stage,
    train_toon,
)

CONFIG = Path(__file__).parents[2] / "pipelines" / "configs" / "toon.toml"
TINY = """
threads = 1
[denoiser]
size = 32
lessons = 1
sequels = 1
chunk_lessons = 1
[denoiser.optimiser]
steps = 2
[keypoints]
size = 32
batch = 2
chunk = 2
[keypoints.optimiser]
steps = 2
"""


STILL = OptimiserSettings(steps=1, learning_rate=0.0)


def quiet(_: str) -> None:
    """Take a line of the log and keep it from the terminal."""


def train(words: list[str]) -> int:
    with pytest.raises(SystemExit) as left:
        cli.main(["train", "toon", *words])
    return int(left.value.code or 0)


@pytest.fixture(autouse=True)
def keep_signals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("signal.signal", lambda *_: None)


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recipe") / "tiny.toml"
    path.write_text(TINY)
    return path


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, config: Path) -> Path:
    """A run of two steps a stage, exported into `model` beside its stages."""
    run = tmp_path_factory.mktemp("runs") / "toon"
    run_tokenizer(run, captions=20)
    settings = load_settings(ToonTraining, config)
    result = train_toon("all", settings, run, output=run / "model", report=quiet)
    assert result == run / "model"
    return run


def test_the_shipped_recipe_is_the_default_and_states_every_field():
    assert load_settings(ToonTraining, CONFIG) == ToonTraining()
    assert tomllib.loads(CONFIG.read_text()) == asdict(ToonTraining())


def test_each_stage_leaves_a_checkpoint_and_export_a_model(finished):
    for stage in STAGES:
        assert (finished / stage / "checkpoint.safetensors").is_file()
    pipeline = load_pipeline(str(finished / "model"))
    assert pipeline.is_coarse_conditioned
    detector = ToonDetector(finished / "model" / "keypoints")
    assert isinstance(detector.detect(np.zeros((20, 30, 3), np.uint8)), list)


def test_the_command_goes_on_with_a_run_and_prints_its_folder(finished, config, capsys):
    checkpoint = finished / "keypoints" / "checkpoint.safetensors"
    before = checkpoint.read_bytes()
    words = ["--config", str(config), "--run", str(finished), "--stage", "keypoints"]
    assert train(words) == 0
    assert checkpoint.read_bytes() == before
    assert capsys.readouterr().out == f"{finished / 'keypoints'}\n"


def test_a_run_begins_with_an_exported_model_where_it_is_told_to(finished, config, tmp_path):
    start = finished / "model"
    nothing = replace(load_settings(ToonTraining, config), threads=1)
    nothing = replace(
        nothing,
        denoiser=replace(nothing.denoiser, optimiser=STILL),
        keypoints=replace(nothing.keypoints, optimiser=STILL),
    )
    train_toon("all", nothing, tmp_path, start=start, report=quiet)
    for part in ("unet", "controlnet", "text_encoder", "keypoints"):
        before, after = (load_file(next((folder / part).glob("*.safetensors")))
                         for folder in (start, tmp_path / "export"))  # fmt: skip
        assert all(torch.equal(before[name], after[name]) for name in before), part
    words = [CLIPTokenizer.from_pretrained(folder / "tokenizer").get_vocab()
             for folder in (start, tmp_path / "export")]  # fmt: skip
    assert words[0] == words[1]


def test_nothing_is_exported_of_an_unfinished_run(finished, tmp_path, capsys):
    run = tmp_path / "run"
    for stage in ("denoiser", "tokenizer"):
        (run / stage).parent.mkdir(exist_ok=True)
        (run / stage).symlink_to(finished / stage)
    assert train(["--run", str(run), "--stage", "export", "-o", str(tmp_path / "model")]) == 4
    told = capsys.readouterr()
    assert "train the stage 'keypoints' first" in told.err
    assert told.out == ""
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--stage", "decoder"], ["M11", "'decoder' is unknown", "keypoints"]),
        (["--device", "tpu"], ["M11", "'tpu'"]),
        (["--config", "nowhere.toml"], ["C1", "nowhere.toml"]),
    ],
)
def test_words_that_mean_nothing_are_refused(tmp_path, capsys, words, told):
    assert train(["--run", str(tmp_path), *words]) == 2
    line = capsys.readouterr().err
    assert all(part in line for part in told), line


def test_an_unknown_key_of_the_recipe_is_refused_with_the_nearest(tmp_path):
    path = tmp_path / "recipe.toml"
    path.write_text("[denoiser]\nno_referense = 0.2\n")
    with pytest.raises(UsageError, match="did you mean 'no_reference'"):
        load_settings(ToonTraining, path)


def test_no_thread_at_all_is_refused():
    with pytest.raises(UsageError, match="threads: is 0"):
        ToonTraining(threads=0)


def test_threads_are_pinned_for_a_while():
    before = torch.get_num_threads(), cv2.getNumThreads()
    with pinned_threads(before[0] + 1):
        assert (torch.get_num_threads(), cv2.getNumThreads()) == (before[0] + 1, 1)
    assert (torch.get_num_threads(), cv2.getNumThreads()) == before


def test_the_tokenizer_of_a_run_is_made_once_and_kept(tmp_path):
    first = run_tokenizer(tmp_path / "run", captions=3)
    again = run_tokenizer(tmp_path / "run", captions=30)
    assert first.get_vocab() == again.get_vocab()
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["tokenizer"]


@pytest.mark.gpu
def test_every_stage_runs_on_an_accelerator_and_goes_on_elsewhere(tmp_path, config):
    settings = load_settings(ToonTraining, config)
    run_tokenizer(tmp_path, captions=20)
    for stage in STAGES:
        train_stage(stage, settings, tmp_path, device="cuda", report=quiet)
    train_toon("all", settings, tmp_path, report=quiet)
    assert load_pipeline(str(tmp_path / "export")).is_coarse_conditioned
