"""Detectors are created by name."""

import pytest

from poses.backends.weights import WEIGHTS
from poses.detectors import create_detector, detector_files, detector_names, register_detector
from poses.errors import DetectorError
from tests.hub import in_cache


def test_an_unknown_detector_is_refused_with_the_names_there_are():
    with pytest.raises(DetectorError, match=r"'nosuch'.*dwpose, mediapipe, openpose") as e:
        create_detector("nosuch")
    assert (e.value.code, e.value.exit_code) == ("M1", 4)


@pytest.mark.parametrize("name", ["file", "mediapipe:here", "dwpose:", "nosuch:here"])
def test_a_name_that_no_one_can_use_is_refused(name):
    with pytest.raises(DetectorError, match="is not known") as caught:
        create_detector(name)
    assert (caught.value.code, caught.value.exit_code) == ("M1", 4)


@pytest.mark.parametrize("kind", sorted(WEIGHTS))
def test_weights_lie_in_the_folder_that_is_named(kind, tmp_path):
    names = WEIGHTS[kind].files
    for name in names[1:]:
        (tmp_path / name).touch()
    with pytest.raises(DetectorError, match=f"lacks {names[0]} .*{WEIGHTS[kind].hub_id}"):
        detector_files(f"{kind}:{tmp_path}")
    (tmp_path / names[0]).touch()
    assert detector_files(f"{kind}:{tmp_path}") == tuple(tmp_path / name for name in names)
    assert detector_files("mediapipe") == ()


@pytest.mark.parametrize("kind", sorted(WEIGHTS))
def test_m1_weights_that_were_never_fetched_are_not_looked_for_on_the_network(
    kind, empty_hub_cache, no_network
):
    with pytest.raises(DetectorError, match=f"hf download .*{kind}:FOLDER") as caught:
        create_detector(kind)
    assert caught.value.code == "M1"
    assert str(empty_hub_cache) in caught.value.problem


@pytest.mark.parametrize("kind", sorted(WEIGHTS))
def test_weights_that_were_fetched_are_found_in_the_hubs_cache(kind, empty_hub_cache):
    folder = in_cache(empty_hub_cache, WEIGHTS[kind].hub_id)
    folder.mkdir()
    for name in WEIGHTS[kind].files:
        (folder / name).touch()
    assert detector_files(kind) == tuple(folder / name for name in WEIGHTS[kind].files)


class Own:
    """A detector that sees nobody."""

    name = licence = device = "own"

    def __init__(self, still):
        self.still = still

    def detect(self, image):
        return []


def test_a_detector_of_ones_own_is_created_by_name_with_its_options(monkeypatch):
    monkeypatch.setattr("poses.detectors._FACTORIES", {})
    register_detector("own", lambda *, still: Own(still))
    assert detector_names() == ("own",)
    assert create_detector("own", still=True).still
