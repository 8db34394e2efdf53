"""Manifests of one stem, `batch.yaml` and `batch.jsonl`, have a folder each."""

import json
from functools import partial

import pytest

import cli
from dtvideo.errors import OutputError
from pipelines.batch import open_store, run_batch
from pipelines.batch_folder import NOTE, batch_folder, take_folder
from tests.batch_workers import act
from tests.manifests import fill

YAML = "characters: {hero: {reference: hero.png}}\nclips: {one: {driver: dance.mp4, prompt: bad}}\n"
LINE = {"name": "walk", "reference": "hero.png", "driver": "dance.mp4", "output": "walk.mp4"}


@pytest.fixture
def folder(tmp_path):
    folder = fill(tmp_path / "batch")
    (folder / "out" / "hero").mkdir(parents=True)
    (folder / "batch.yaml").write_text(YAML)
    (folder / "batch.jsonl").write_text(json.dumps(LINE))
    return folder


@pytest.fixture
def run(folder, monkeypatch, capsys):
    """Run a tool of a batch, with workers that only act; return the exit code and the words."""
    monkeypatch.setattr("pipelines.batch.run_batch", partial(run_batch, worker=act))

    def command(what, name):
        code = cli.run(cli.toolbox_parser(), ["batch", what, str(folder / name)])
        return code, capsys.readouterr()

    return command


def begun_by_an_older_version(folder, *clips):
    """Make the states of clips as they were kept before folders noted their manifest."""
    with open_store(folder / "old.yaml") as store:
        store.take((clip, f"{clip}.mp4") for clip in clips)
    (folder / "old.batch").rename(folder / "batch.batch")


@pytest.mark.parametrize("names", [("batch.yaml", "batch.jsonl"), ("batch.jsonl", "batch.yaml")])
def test_the_second_manifest_of_a_stem_has_a_folder_of_its_own(folder, run, names):
    codes = {"batch.yaml": 6, "batch.jsonl": 0}
    clips = {"batch.yaml": "hero/one", "batch.jsonl": "walk"}
    for name in names:
        code, told = run("run", name)
        assert code == codes[name]
    assert f"{names[1]}.batch" in told.err
    for name in names:
        code, told = run("status", name)
        assert code == codes[name]
        assert clips[name] in told.out
        assert len(told.out.splitlines()) == 2
    assert sorted(path.name for path in folder.glob("*.batch")) == [
        "batch.batch",
        f"{names[1]}.batch",
    ]
    assert all((path / "report.html").exists() for path in folder.glob("*.batch"))


def test_a_manifest_that_was_not_run_does_not_tell_of_another_one(run):
    run("run", "batch.yaml")
    code, told = run("status", "batch.jsonl")
    assert code == 2
    assert "has not been run" in told.err


@pytest.mark.parametrize(
    ("clips", "owner"),
    [(["hero/one"], "batch.yaml"), (["walk"], "batch.jsonl"), (["gone"], "batch.yaml")],
)
def test_a_folder_of_an_older_version_is_that_of_the_manifest_with_its_clips(folder, clips, owner):
    begun_by_an_older_version(folder, *clips)
    (other,) = {"batch.yaml", "batch.jsonl"} - {owner}
    assert batch_folder(folder / owner) == folder / "batch.batch"
    assert batch_folder(folder / other) == folder / f"{other}.batch"


def test_an_older_folder_goes_on_where_there_is_one_manifest_whatever_its_clips(folder, run):
    (folder / "batch.jsonl").unlink()
    begun_by_an_older_version(folder, "gone")
    assert run("run", "batch.yaml")[0] == 6
    assert not (folder / "batch.yaml.batch").exists()


def test_a_spoilt_manifest_beside_it_takes_no_folder_away(folder):
    begun_by_an_older_version(folder, "hero/one")
    (folder / "batch.jsonl").write_text("{")
    (folder / "batch.yml").write_text("[")
    assert batch_folder(folder / "batch.yaml") == folder / "batch.batch"
    assert batch_folder(folder / "batch.yml") == folder / "batch.yml.batch"


def test_a_manifest_keeps_its_folder_when_the_other_one_goes(folder, run):
    run("run", "batch.yaml")
    run("run", "batch.jsonl")
    (folder / "batch.yaml").unlink()
    assert batch_folder(folder / "batch.jsonl") == folder / "batch.jsonl.batch"


def test_a_manifest_that_got_another_ending_keeps_its_folder(folder, run):
    run("run", "batch.yaml")
    (folder / "batch.yaml").rename(folder / "batch.yml")
    assert "hero/one" in run("status", "batch.yml")[1].out


@pytest.mark.parametrize("note", ["", "[]", '{"manifest": "../x"}', '{"manifest": 3}', "\xff"])
def test_a_note_that_cannot_be_read_is_none(folder, run, note):
    run("run", "batch.yaml")
    (folder / "batch.batch" / NOTE).write_text(note, encoding="latin-1")
    assert batch_folder(folder / "batch.yaml") == folder / "batch.batch"


def test_a_folder_that_another_manifest_took_meanwhile_is_refused(folder):
    taken = folder / "batch.batch"
    taken.mkdir()
    take_folder(taken, folder / "batch.yaml")
    with pytest.raises(OutputError, match=r"F7.*is the folder of batch\.yaml"):
        take_folder(taken, folder / "batch.jsonl")
