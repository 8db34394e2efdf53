import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from dtvideo.errors import QualityError, UsageError
from dtvideo.seeds import keyed_noise
from dtvideo.training.checkpoints import TrainingState
from dtvideo.training.steps import CHECKPOINT, LOG, OptimiserSettings, learning_rate_at, optimise

SETTINGS = OptimiserSettings(
    steps=6, learning_rate=0.1, warmup=2, decay=0.5, checkpoint_every=3, log_every=2
)


def quiet(_: str) -> None:
    """Take a line of the log and keep it from the terminal."""


class Stopped(Exception):
    """What a run is stopped by."""


def small_net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))


def run(folder: Path, settings: OptimiserSettings = SETTINGS, *, stop_at: int = -1) -> nn.Module:
    net = small_net()

    def loss_at(step: int) -> tuple[Tensor, dict[str, float]]:
        if step == stop_at:
            raise Stopped
        loss = (net(keyed_noise((5, 3), 1, "inputs", step)) - 2).square().mean()
        return loss, {"number": float(step)}

    optimise(net, loss_at, settings, folder=folder, report=quiet)
    return net


def lines(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / LOG).read_text().splitlines()]


def test_the_learning_rate_rises_stays_and_falls_along_a_cosine():
    settings = OptimiserSettings(steps=100, learning_rate=1.0, warmup=10, decay=0.4)
    rates = [learning_rate_at(step, settings) for step in (0, 4, 9, 59, 60, 70, 80, 90, 100)]
    half = math.sqrt(0.5)
    assert rates == pytest.approx(
        [0.1, 0.5, 1, 1, 1, (1 + half) / 2, 0.5, (1 - half) / 2, 0], abs=1e-12
    )


@pytest.mark.parametrize("stop_at", [0, 2, 3, 4, 5])
def test_a_run_that_was_stopped_ends_with_the_same_bits_as_a_straight_one(tmp_path, stop_at):
    straight = run(tmp_path / "straight")
    with pytest.raises(Stopped):
        run(tmp_path / "stopped", stop_at=stop_at)
    resumed = run(tmp_path / "stopped")
    for name, value in straight.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name
    whole, mended = (load_file(tmp_path / name / CHECKPOINT) for name in ("straight", "stopped"))
    assert whole.keys() == mended.keys()
    assert all(torch.equal(whole[name], mended[name]) for name in whole)
    assert [line["step"] for line in lines(tmp_path / "stopped")] == [2, 4, 6]


def test_a_finished_run_is_left_as_it_is(tmp_path):
    run(tmp_path)
    before = (tmp_path / CHECKPOINT).read_bytes()
    run(tmp_path, stop_at=0)
    assert (tmp_path / CHECKPOINT).read_bytes() == before


@pytest.mark.parametrize(("steps", "is_told"), [(4, True), (6, False)])
def test_a_run_with_more_steps_behind_it_than_asked_for_says_so(tmp_path, steps, is_told):
    run(tmp_path)
    told: list[str] = []
    settings = replace(SETTINGS, steps=steps)

    def never(step: int) -> tuple[Tensor, dict[str, float]]:
        raise AssertionError("a step was taken")

    state = optimise(small_net(), never, settings, folder=tmp_path, report=told.append)
    assert state.step == 6
    assert [f"has learnt for 6 steps, more than the {steps} asked" in line for line in told] == (
        [True] if is_told else []
    )


def test_the_log_holds_the_means_of_its_steps_and_loses_a_broken_last_line(tmp_path):
    run(tmp_path, replace(SETTINGS, steps=4, checkpoint_every=4))
    assert [line["step"] for line in lines(tmp_path)] == [2, 4]
    with (tmp_path / LOG).open("a") as file:
        file.write('{"step": 6, "lo')
    run(tmp_path)
    assert [line["step"] for line in lines(tmp_path)] == [2, 4, 6]
    assert [line["gradient"] > 0 for line in lines(tmp_path)] == [True] * 3


def test_figures_of_a_step_are_averaged_into_the_log(tmp_path):
    net = nn.Linear(1, 1)
    told: list[str] = []
    optimise(
        net,
        lambda step: (net.weight.sum() + net.bias.sum(), {"apples": 10.0 * step}),
        replace(SETTINGS, steps=4),
        folder=tmp_path,
        report=told.append,
    )
    assert [line["apples"] for line in lines(tmp_path)] == [5.0, 25.0]
    assert told[0].startswith("step 2 ")
    assert "apples 5.0000" in told[0]


def test_the_average_follows_the_weights_by_hand(tmp_path):
    """Early on, the decay is (1 + step) / (10 + step): 2/11 after step 1, 3/12 after step 2."""
    net = nn.Linear(1, 1, bias=False)
    nn.init.constant_(net.weight, 1.0)
    seen: list[float] = []

    def loss_at(step: int) -> tuple[Tensor, dict[str, float]]:
        seen.append(net.weight.item())
        return net.weight.sum(), {}

    settings = replace(SETTINGS, steps=2, average=0.999)
    state: TrainingState = optimise(net, loss_at, settings, folder=tmp_path, report=quiet)
    first, second, third = *seen, net.weight.item()
    after_one = first * 2 / 11 + second * 9 / 11
    expected = after_one * 3 / 12 + third * 9 / 12
    assert state.average["weight"].item() == pytest.approx(expected, abs=1e-6)
    assert third < second < first


def test_gradients_are_scaled_down_to_the_norm(tmp_path):
    net = nn.Linear(1, 1, bias=False)

    def loss_at(step: int) -> tuple[Tensor, dict[str, float]]:
        return 1000 * net.weight.sum(), {}

    state = optimise(net, loss_at, replace(SETTINGS, steps=1), folder=tmp_path, report=quiet)
    first_moment = state.optimiser.state_dict()["state"][0]["exp_avg"].item()
    assert first_moment == pytest.approx(0.1, rel=1e-3)  # 1 - 0.9, of a gradient of 1


def test_a_loss_that_is_not_finite_stops_the_run_and_names_the_step(tmp_path):
    net = nn.Linear(1, 1)

    def loss_at(step: int) -> tuple[Tensor, dict[str, float]]:
        return net.weight.sum() * (math.nan if step == 2 else 1.0), {}

    with pytest.raises(QualityError, match="is nan at step 2") as caught:
        optimise(net, loss_at, SETTINGS, folder=tmp_path, report=quiet)
    assert caught.value.code == "M7"
    assert not (tmp_path / CHECKPOINT).exists()


@pytest.mark.parametrize("wrong", [math.nan, math.inf])
def test_m7_a_gradient_that_is_not_finite_moves_no_weight_and_a_mended_run_goes_on(tmp_path, wrong):
    """The loss is finite, its gradient not, as where a square root is drawn of nothing."""

    def start(*, bad_at: int) -> nn.Module:
        net = small_net()

        def loss_at(step: int) -> tuple[Tensor, dict[str, float]]:
            loss = net(keyed_noise((5, 3), 1, "inputs", step)).square().mean()
            loss.register_hook(lambda gradient: gradient * (wrong if step == bad_at else 1.0))
            return loss, {}

        optimise(net, loss_at, SETTINGS, folder=tmp_path, report=quiet)
        return net

    with pytest.raises(QualityError, match=r"the gradient: is (nan|inf) at step 5") as caught:
        start(bad_at=5)
    assert caught.value.code == "M7"
    kept = load_file(tmp_path / CHECKPOINT)
    assert all(value.isfinite().all() for value in kept.values())
    net = start(bad_at=-1)
    assert all(value.isfinite().all() for value in net.parameters())


def test_a_log_that_is_cleaned_when_a_run_goes_on_is_replaced_whole(tmp_path):
    """Whoever has the old log open reads on in it: it is never cut in place."""
    run(tmp_path, replace(SETTINGS, steps=4, checkpoint_every=4))
    before = (tmp_path / LOG).read_text()
    with (tmp_path / LOG).open() as reader:
        run(tmp_path)
        assert reader.read() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == [CHECKPOINT, LOG]


@pytest.mark.parametrize("name", ["steps", "checkpoint_every", "log_every"])
def test_counts_below_one_are_refused(name):
    with pytest.raises(UsageError, match=f"{name}: is 0"):
        replace(SETTINGS, **{name: 0})
