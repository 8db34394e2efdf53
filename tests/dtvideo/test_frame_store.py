import numpy as np
import pytest
import torch

from dtvideo.frame_store import FrameStore


def frame(index, channels=3):
    return np.random.default_rng(index).integers(0, 256, (6, 5, channels), dtype=np.uint8)


def latents(index, dtype=torch.float32):
    return torch.randn(1, 4, 3, 2, generator=torch.Generator().manual_seed(index)).to(dtype)


def filled(folder, count):
    store = FrameStore(folder)
    for index in range(count):
        store.add(index, frame(index), latents(index))
    return store


@pytest.mark.parametrize("channels", [3, 4])
def test_a_frame_comes_back_to_the_bit(tmp_path, channels):
    store = FrameStore(tmp_path)
    store.add(0, frame(7, channels), latents(7))
    assert np.array_equal(store.read(0), frame(7, channels))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_latents_come_back_to_the_bit(tmp_path, dtype):
    store = FrameStore(tmp_path)
    store.add(0, frame(0), latents(3, dtype))
    first, found = store.resume(10)
    assert first == 1
    assert found.dtype is dtype
    assert torch.equal(found, latents(3, dtype))


def test_an_empty_store_begins_at_the_first_frame(tmp_path):
    store = FrameStore(tmp_path / "new")
    assert store.resume(5) == (0, None)
    assert store.is_empty


def test_only_the_last_latents_are_kept(tmp_path):
    filled(tmp_path, 4)
    assert [path.name for path in tmp_path.glob("*.safetensors")] == ["000003.safetensors"]


def test_what_was_written_without_its_frame_does_not_count(tmp_path):
    store = filled(tmp_path, 3)
    store.frame_path(2).rename(tmp_path / "elsewhere")
    (tmp_path / "000001.safetensors").write_bytes((tmp_path / "000002.safetensors").read_bytes())
    assert store.resume(5)[0] == 2


@pytest.mark.parametrize("name", ["000002.png", "000002.safetensors"])
def test_damage_is_found_and_left_behind(tmp_path, name):
    store = filled(tmp_path, 3)
    damaged = tmp_path / name
    damaged.write_bytes(damaged.read_bytes()[:40])
    assert store.resume(5) == (0, None)


def test_clearing_twice_is_harmless(tmp_path):
    store = filled(tmp_path / "x", 2)
    store.clear()
    store.clear()
    assert not (tmp_path / "x").exists()
