"""`dtvideo batch retry` renders what failed or was cancelled, and nothing else."""

import pytest

from pipelines.batch import open_batch, open_store
from pipelines.batch_folder import batch_folder
from tests.manifests import fill

MANIFEST = "characters: {hero: {reference: hero.png}}\nclips:\n"


@pytest.fixture
def folder(tmp_path):
    folder = fill(tmp_path / "batch")
    (folder / "out" / "hero").mkdir(parents=True)
    return folder


@pytest.fixture
def manifest(folder):
    """Write a manifest of clips, each with the prompt that says how its worker acts."""

    def write(**prompts):
        clips = [f"  {name}: {{driver: dance.mp4, prompt: {how}}}" for name, how in prompts.items()]
        path = folder / "batch.yaml"
        path.write_text(MANIFEST + "\n".join(clips))
        return path

    return write


def take(manifest, *names):
    with open_store(manifest) as store:
        results = manifest.parent / "out" / "hero"
        store.take((f"hero/{name}", str(results / f"{name}.mp4")) for name in names)


def states(manifest):
    with open_batch(manifest) as store:
        return {record.name.removeprefix("hero/"): record.state for record in store.records()}


@pytest.mark.parametrize("names", [(), ("hero/one",)])
def test_a_batch_that_was_never_run_is_not_rendered(manifest, run_batch_tool, names):
    path = manifest(one="fine")
    code, told = run_batch_tool("retry", path, *names)
    assert (code, told.out) == (2, "")
    assert told.err == f"error[M11]: {path}: has not been run · dtvideo batch run {path}\n"
    assert not batch_folder(path).exists()
    assert not list(path.parent.rglob("*.tried"))


def test_where_nothing_failed_nothing_is_rendered(manifest, run_batch_tool):
    path = manifest(one="fine")
    run_batch_tool("run", path)
    assert run_batch_tool("retry", path) == (0, ("", "no clip failed or was cancelled\n"))
    assert len((path.parent / "out" / "hero" / "one.tried").read_text()) == 1


def test_a_name_that_no_clip_has_is_told_and_nothing_else(manifest, run_batch_tool):
    path = manifest(one="bad")
    run_batch_tool("run", path)
    line = "error[M11]: hero/zebra: is no clip of this batch · see dtvideo batch status\n"
    assert run_batch_tool("retry", path, "hero/one", "hero/zebra") == (2, ("", line))


def test_clips_that_wait_are_left_to_batch_run(manifest, run_batch_tool):
    """A batch that was stopped, and to which a clip was added since."""
    path = manifest(one="fine", two="fine", new="fine")
    take(path, "one", "two")
    code, told = run_batch_tool("retry", path)
    assert (code, told.out) == (0, "")
    wait = f"2 clips wait · dtvideo batch run {path}\n"
    assert told.err == f"no clip failed or was cancelled; {wait}"
    with open_store(path) as store:
        store.cancel(["hero/one"])
    code, told = run_batch_tool("retry", path)
    assert code == 0
    assert "1 clip; states" in told.err
    assert told.err.endswith(wait)
    assert states(path) == {"one": "done", "two": "waiting", "new": "waiting"}


def test_a_failed_clip_that_left_the_manifest_is_not_asked_for(manifest, run_batch_tool):
    run_batch_tool("run", manifest(one="bad", two="fine"))
    path = manifest(two="fine")
    assert run_batch_tool("retry", path)[1].err == "no clip failed or was cancelled\n"


def test_a_retry_that_was_stopped_goes_on_with_its_clips_alone(
    manifest, run_batch_tool, monkeypatch
):
    path = manifest(one="bad", two="fine", three="fine")
    run_batch_tool("run", path)
    take(path, "one", "two", "three", "four")

    def interrupted(*arguments, **options):
        raise KeyboardInterrupt

    path = manifest(one="fine", two="fine", three="fine", four="fine")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipelines.batch._Run.until_done", interrupted)
        assert run_batch_tool("retry", path)[0] == 130
    assert states(path) == {"one": "waiting", "two": "done", "three": "done", "four": "waiting"}
    assert run_batch_tool("retry", path)[0] == 0
    assert states(path) == {"one": "done", "two": "done", "three": "done", "four": "waiting"}
    assert "no clip failed or was cancelled; 1 clip waits" in run_batch_tool("retry", path)[1].err


def test_a_clip_that_waits_is_rendered_by_its_name(manifest, run_batch_tool):
    path = manifest(one="fine", two="fine")
    take(path, "one", "two")
    assert run_batch_tool("retry", path, "hero/two")[0] == 0
    assert states(path) == {"one": "waiting", "two": "done"}
