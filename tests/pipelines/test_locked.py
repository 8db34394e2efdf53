"""`--locked`: weights that are not those that were noted make no frame."""

import shutil

import pytest

import cli
from dtvideo.models.verify import note_hashes
from pipelines.manifest import load_manifest
from tests.manifests import GOOD, fill, write


@pytest.fixture
def own(tiny_model, tmp_path):
    """A model of one's own whose hashes are noted."""
    folder = tmp_path / "own"
    shutil.copytree(tiny_model, folder)
    note_hashes(folder)
    return folder


@pytest.fixture
def words(own, stage, tmp_path):
    """What renders two frames with the model, locked."""
    words = [stage / "hero.png", "--poses", stage / "dance.json", "--model", own, "--size", "32x32"]
    words += ["--ref-pose", stage / "pose.json", "--frames", "0-1", "-o", tmp_path / "x.mp4"]
    return [*map(str, words), "--progress", "none", "--locked"]


def animate(words):
    return cli.run(cli.animate_parser("animate", cli.animate_command), words)


def test_a_model_that_is_the_one_that_was_noted_renders(words, tmp_path):
    assert animate(words) == 0
    assert (tmp_path / "x.mp4").is_file()


def test_m4_one_changed_byte_is_refused_before_anything_is_made(words, own, tmp_path, capsys):
    path = own / "unet" / "diffusion_pytorch_model.safetensors"
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    assert animate(words) == 4
    told = capsys.readouterr().err
    assert "error[M4]" in told
    assert f"{path}: has the SHA-256" in told
    assert not (tmp_path / "x.mp4").exists()
    assert animate(words[:-1]) == 0


def test_m4_weights_of_which_nothing_was_noted_are_refused(words, own, capsys):
    (own / "SHA256SUMS").unlink()
    assert animate(words) == 4
    assert "has no recorded hash" in capsys.readouterr().err


def test_a_batch_and_pictures_from_words_know_it_too(own, stage, tmp_path, capsys):
    (own / "SHA256SUMS").unlink()
    asked = ["generate", stage / "hero.png", "--prompt", "a girl", "--model", own, "--locked"]
    asked += ["--ref-pose", stage / "pose.json", "--size", "32x32", "-o", tmp_path / "pictures"]
    assert cli.run(cli.toolbox_parser(), [*map(str, asked), "--progress", "none"]) == 4
    assert "error[M4]" in capsys.readouterr().err
    manifest = write(fill(tmp_path / "batch"), GOOD.replace("{seed: 3,", "{locked: true, seed: 3,"))
    assert all(clip.job.locked for clip in load_manifest(manifest))
