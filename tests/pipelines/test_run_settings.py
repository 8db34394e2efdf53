"""A training run that goes on with other settings is told so, or refused."""

import json
from dataclasses import replace

import pytest

from dtvideo.errors import UsageError
from dtvideo.training.steps import OptimiserSettings
from pipelines.encoder_settings import EncoderTraining, SmallTower
from pipelines.run_settings import RunPart, begin_or_go_on
from pipelines.train_encoder import train_encoder
from pipelines.train_toon import ToonTraining, train_toon
from tests.training_pictures import write_samples

SHORT = OptimiserSettings(steps=2, warmup=1, log_every=1)
BEFORE = {"seed": 0, "tower": {"width": 8}, "optimiser": {"steps": 7000, "rate": 0.1}}


@pytest.fixture
def folder(tmp_path):
    """A part of a run that has taken steps."""
    (tmp_path / "checkpoint.safetensors").write_bytes(b"learnt")
    return tmp_path


def told(folder, *, steps=7000, **changes):
    """What is said of a run that goes on with other settings than BEFORE."""
    settings = {**BEFORE, "optimiser": {"steps": steps, "rate": 0.1}, **changes}
    lines = []
    part = RunPart(folder, settings, fixed=("seed", "tower"))
    begin_or_go_on([part], report=lines.append)
    return lines


def test_the_same_settings_are_not_told(folder):
    assert told(folder) == told(folder) == []


def test_what_differs_from_the_beginning_is_told_in_one_line(folder):
    told(folder)
    line = f"warning: {folder} continues with changes: optimiser.steps was 7000, is 5200"
    assert told(folder, steps=5200) == [line]
    assert told(folder, steps=5200) == [line]


def test_a_change_taken_back_is_told_as_well(folder):
    told(folder)
    told(folder, steps=5200)
    (line,) = told(folder, steps=7000)
    assert line.endswith(": optimiser.steps was 7000, then 5200, is 7000")
    assert told(folder) == []


def test_b10_what_was_learnt_is_not_gone_on_with_on_another_ground(folder):
    told(folder)
    noted = (folder / "recipe.json").read_text()
    for change, words in (
        ({"seed": 3}, "seed was 0, is 3"),
        ({"tower": {"width": 16}}, r"tower\.width was 8, is 16"),
    ):
        with pytest.raises(UsageError, match=rf"B10.*begun differently: {words} .*another folder"):
            told(folder, steps=5200, **change)
    assert (folder / "recipe.json").read_text() == noted


def test_nothing_is_noted_of_any_part_where_one_is_refused(folder):
    told(folder)
    other = RunPart(folder / "other", BEFORE, fixed=())
    part = RunPart(folder, {**BEFORE, "seed": 1}, fixed=("seed",))
    with pytest.raises(UsageError, match="B10"):
        begin_or_go_on([other, part], report=print)
    assert not (folder / "other").exists()


def test_before_the_first_checkpoint_everything_may_change(folder):
    told(folder)
    (folder / "checkpoint.safetensors").unlink()
    assert told(folder, seed=3) == []
    (folder / "checkpoint.safetensors").write_bytes(b"learnt")
    assert told(folder, seed=3) == []


def test_what_an_older_version_did_not_note_is_no_change(folder):
    assert told(folder, seed=3) == []
    noted = json.loads((folder / "recipe.json").read_text())
    for table in noted.values():
        del table["seed"]
    (folder / "recipe.json").write_text(json.dumps(noted))
    assert told(folder, seed=4) == []
    with pytest.raises(UsageError, match="seed was 4, is 5"):
        told(folder, seed=5)


def toon(run, *, start=None, seed=0, threads=1, **optimiser):
    """The lines of a run of the key-point net."""
    shown = ToonTraining(threads=threads)
    keypoints = replace(
        shown.keypoints,
        seed=seed,
        size=32,
        batch=2,
        chunk=2,
        optimiser=replace(SHORT, **optimiser),
    )
    lines = []
    settings = replace(shown, keypoints=keypoints)
    train_toon("keypoints", settings, run, start=start, report=lines.append)
    return lines


def test_the_built_in_models_training_goes_on_with_more_steps_and_says_so(tmp_path):
    assert len(toon(tmp_path)) == 2
    first, *log = toon(tmp_path, steps=3, checkpoint_every=1, threads=2)
    assert first.startswith(f"warning: {tmp_path / 'keypoints'} continues with changes: ")
    assert "optimiser.steps was 2, is 3" in first
    assert "optimiser.checkpoint_every was 500, is 1" in first
    assert "threads was 1, is 2" in first
    assert [line.split()[:2] for line in log] == [["step", "3"]]


def test_b10_the_built_in_models_training_keeps_its_seed_and_its_beginning(tmp_path):
    toon(tmp_path)
    with pytest.raises(UsageError, match=r"B10.*keypoints.*seed was 0, is 5"):
        toon(tmp_path, seed=5)
    with pytest.raises(UsageError, match=r"B10.*start was none, is .*other"):
        toon(tmp_path, start=tmp_path / "other")
    assert toon(tmp_path) == []


@pytest.fixture
def encoder(tiny_model, tmp_path):
    return EncoderTraining(
        model=str(tiny_model),
        small_tower=SmallTower(side=16, patch=8, width=16, depth=2, heads=2),
        pictures=str(write_samples(tmp_path / "pictures")),
        layout_optimiser=SHORT,
        optimiser=SHORT,
        size=32,
        batch=2,
    )


def test_an_encoders_training_goes_on_with_more_steps_and_moved_pictures_and_says_so(
    encoder, tmp_path
):
    lines = []
    train_encoder(encoder, tmp_path / "run", report=lines.append)
    assert len(lines) == 4
    moved = tmp_path / "moved"
    (tmp_path / "pictures").rename(moved)
    lines.clear()
    changed = replace(encoder, pictures=str(moved), optimiser=replace(SHORT, steps=3))
    train_encoder(changed, tmp_path / "run", report=lines.append)
    layout, first, *log = lines
    assert f"pictures was {encoder.pictures}, is {moved}" in layout
    assert "optimiser.steps was 2, is 3" not in layout
    assert "optimiser.steps was 2, is 3" in first
    assert [line.split()[:2] for line in log] == [["step", "3"]]


def test_b10_an_encoder_is_not_taught_further_on_other_pictures_or_as_another_one(
    encoder, tmp_path
):
    train_encoder(encoder, tmp_path / "run", report=lambda line: None)
    wider = replace(encoder.small_tower, width=32)
    changes = {
        r"small_tower\.width was 16, is 32": {"small_tower": wider},
        r"seed was 0, is 1": {"seed": 1},
        r"samples was 2 of .*, is drawn": {"pictures": ""},
        r"layout_steps was 2, is 9": {"layout_optimiser": replace(SHORT, steps=9)},
    }
    for words, change in changes.items():
        with pytest.raises(UsageError, match=rf"B10.*{words}"):
            train_encoder(replace(encoder, **change), tmp_path / "run", report=print)
    (tmp_path / "pictures" / "red.txt").write_text("another word")
    with pytest.raises(UsageError, match=r"B10.*samples was 2 of"):
        train_encoder(encoder, tmp_path / "run", report=print)
