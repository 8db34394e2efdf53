"""Fixtures that all tests share: device, dtype, seed, and media made on the spot."""

import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from PIL import Image

from tests.media import write_video

settings.register_profile("no clock", deadline=None)  # a busy machine is no fault
settings.load_profile("no clock")


@pytest.fixture(scope="session", autouse=True)
def _caches_apart(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep what the tests cache out of the user's own cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DTVIDEO_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def device() -> str:
    """The device of tests that do not ask for an accelerator."""
    return "cpu"


@pytest.fixture
def seed() -> int:
    """The seed of tests that need one and do not care which."""
    return 7


@pytest.fixture
def make_video(tmp_path: Path) -> Callable[..., Path]:
    """Write a clip into the test's folder; arguments as `tests.media.write_video`."""

    def make(name: str = "clip.mp4", *arguments: object, **options: object) -> Path:
        return write_video(tmp_path / name, *arguments, **options)  # type: ignore[arg-type]

    return make


@pytest.fixture
def make_picture(tmp_path: Path) -> Callable[..., Path]:
    """Save an array as a picture in the test's folder; options go to Pillow's `save`."""

    def make(name: str, pixels: np.ndarray, *, mode: str | None = None, **options: object) -> Path:
        image = Image.fromarray(pixels)
        path = tmp_path / name
        (image.convert(mode) if mode else image).save(path, **options)
        return path

    return make


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fail the test when the network is asked, also by a client that makes nothing of it."""
    asked = []

    def refuse(*details: object) -> None:
        asked.append(details)
        raise OSError("there is no network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    yield
    assert not asked, f"the network was asked: {asked}"


@pytest.fixture
def empty_hub_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is the hub's local cache for a test, with nothing in it."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny coarse-conditioned pipeline of random weights, for `--model`."""
    from pipelines.animate import AnimationPipeline
    from tests.tiny_models import tiny_components

    folder = tmp_path_factory.mktemp("model") / "tiny"
    components = tiny_components(coarse=True, prediction_type="sample")
    AnimationPipeline(**components, defaults={"steps": 2}).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a drawn hero (hero.png, pose.json) and four poses to take (dance.json)."""
    from tests.drawn import write_stage

    return write_stage(tmp_path_factory.mktemp("stage"))


@pytest.fixture
def real(stage: Path, tiny_model: Path, tmp_path: Path) -> Path:
    """A manifest of one character and two clips that truly render, with all that it names."""
    for name in ("hero.png", "pose.json", "dance.json"):
        (tmp_path / name).write_bytes((stage / name).read_bytes())
    shutil.copytree(tiny_model, tmp_path / "model")
    manifest = tmp_path / "real.yaml"
    manifest.write_text("""
settings: {model: model, size: 32x32, reference_pose: pose.json}
characters: {hero: {reference: hero.png}}
clips:
  one: {poses: dance.json}
  two: {poses: dance.json, seed: 5}
""")
    return manifest
