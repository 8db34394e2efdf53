from pathlib import Path

import pytest
import torch
from torch import nn

from dtvideo.errors import ModelError
from dtvideo.training.checkpoints import (
    TrainingState,
    load_average,
    load_checkpoint,
    save_checkpoint,
)


def trained_state(seed: int, *, width: int = 4, steps: int = 3) -> TrainingState:
    torch.manual_seed(seed)
    net = nn.Sequential(nn.Linear(2, width), nn.BatchNorm1d(width), nn.Linear(width, 1))
    optimiser = torch.optim.AdamW(net.parameters(), lr=0.1)
    average = {name: value.detach() + 1 for name, value in net.named_parameters()}
    for _ in range(steps):
        net(torch.randn(3, 2)).sum().backward()
        optimiser.step()
    return TrainingState(net, optimiser, average, step=steps)


@pytest.fixture
def saved(tmp_path: Path) -> tuple[TrainingState, Path]:
    state = trained_state(0)
    save_checkpoint(state, tmp_path / "deep" / "checkpoint.safetensors")
    return state, tmp_path / "deep" / "checkpoint.safetensors"


def test_a_state_comes_back_whole(saved):
    state, path = saved
    other = trained_state(1, steps=1)
    load_checkpoint(other, path)
    assert other.step == 3
    for name, value in state.module.state_dict().items():
        assert torch.equal(value, other.module.state_dict()[name]), name
    for name, value in state.average.items():
        assert torch.equal(value, other.average[name]), name
    slots, found = (each.optimiser.state_dict()["state"] for each in (state, other))
    assert slots.keys() == found.keys()
    for index in slots:
        assert all(torch.equal(slots[index][slot], found[index][slot]) for slot in slots[index])


def test_only_the_checkpoint_is_left_in_its_folder(saved):
    assert [path.name for path in saved[1].parent.iterdir()] == ["checkpoint.safetensors"]


def test_averaged_weights_are_loaded_with_the_buffers(saved):
    state, path = saved
    net = trained_state(1).module
    assert load_average(net, path) == 3
    for name, value in net.named_parameters():
        assert torch.equal(value, state.average[name]), name
    assert torch.equal(net[1].running_mean, state.module[1].running_mean)


@pytest.mark.parametrize("kept", [0, 5, 40, -1])
def test_a_damaged_checkpoint_is_refused(saved, kept):
    path = saved[1]
    path.write_bytes(path.read_bytes()[:kept])
    for load in (lambda: load_checkpoint(trained_state(1), path),
                 lambda: load_average(trained_state(1).module, path)):  # fmt: skip
        with pytest.raises(ModelError, match=r"checkpoint\.safetensors: is no checkpoint") as error:
            load()
        assert error.value.code == "M2"


def test_a_safetensors_file_that_is_no_checkpoint_is_refused(tmp_path):
    from safetensors.torch import save_file

    save_file({"weight": torch.zeros(1)}, tmp_path / "plain.safetensors")
    with pytest.raises(ModelError, match="is no checkpoint"):
        load_average(nn.Linear(1, 1), tmp_path / "plain.safetensors")


def test_a_checkpoint_of_another_architecture_is_refused_with_the_weight(saved):
    with pytest.raises(
        ModelError, match=r"does not fit this model: size mismatch for 2\."
    ) as error:
        load_checkpoint(trained_state(1, width=8), saved[1])
    assert error.value.code == "M5"
    with pytest.raises(ModelError, match="does not fit this model"):
        load_average(nn.Linear(2, 1), saved[1])
