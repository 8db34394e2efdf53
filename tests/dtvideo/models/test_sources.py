import pytest

from dtvideo.errors import ModelError
from dtvideo.models import sources
from dtvideo.models.sources import find_model, is_hub_id, is_toon, toon_folder


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.chdir(tmp_path)


def test_toon_is_the_models_that_the_package_carries():
    assert find_model("toon").path == toon_folder()
    assert (toon_folder() / "model_index.json").is_file()


def test_a_folder_called_toon_is_given_as_a_path(tmp_path):
    (tmp_path / "toon").mkdir()
    assert find_model("toon").kind == "toon"
    assert find_model("./toon").kind == "folder"


def test_the_folder_of_the_built_in_model_is_the_built_in_model(tmp_path):
    (tmp_path / "link").symlink_to(toon_folder())
    (tmp_path / "other").mkdir()
    names = ("toon", str(toon_folder()), "link", "./toon", "other", "owner/name")
    assert [is_toon(name) for name in names] == [True, True, True, False, False, False]


def test_m1_a_package_without_its_weights_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "WEIGHTS", tmp_path / "toon" / "weights")
    with pytest.raises(ModelError, match=r"M1.*/toon/weights .*reinstall"):
        toon_folder()


def test_a_folder_wins_over_a_hub_id_of_the_same_name(tmp_path):
    (tmp_path / "owner" / "name").mkdir(parents=True)
    assert find_model("owner/name").kind == "folder"


@pytest.mark.parametrize("name", ["owner/name", "stable-diffusion-v1-5/stable-diffusion-v1-5"])
def test_owner_and_name_make_a_hub_id(name):
    assert is_hub_id(name)


@pytest.mark.parametrize("name", ["name", "a/b/c", "/a", "../a", "./a", "a/b.safetensors", "a/ b"])
def test_what_looks_like_a_file_is_no_hub_id(name):
    assert not is_hub_id(name)
    with pytest.raises(ModelError, match=r"M1.*no such file or folder"):
        find_model(name)


def test_m3_a_file_of_an_unknown_kind_is_refused(tmp_path):
    (tmp_path / "model.gguf").touch()
    with pytest.raises(ModelError, match=r"M3.*model\.gguf: is not a \.safetensors file"):
        find_model(str(tmp_path / "model.gguf"))
