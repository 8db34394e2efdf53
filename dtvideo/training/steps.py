"""The optimiser loop that every training job shares: one function, resumable to the bit."""

import json
import math
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dtvideo.errors import ModelError, QualityError, UsageError
from dtvideo.files import atomic_path
from dtvideo.training.checkpoints import TrainingState, load_checkpoint, save_checkpoint
from poses.requirement import require

LossAt = Callable[[int], tuple[Tensor, Mapping[str, float]]]
"""The loss of a step and further figures for the log, as a function of the step alone."""
Report = Callable[[str], None]
RateOf = Callable[[str], float]
"""What the learning rate is multiplied by for the parameter of a name."""
OnStep = Callable[[int], None]
"""Called with the number of steps that are done."""
CHECKPOINT, LOG, BOARD = "checkpoint.safetensors", "log.jsonl", "tensorboard"


@dataclass(frozen=True)
class OptimiserSettings:
    """How weights are moved, averaged and kept."""

    steps: int
    """Number of optimiser steps of the whole run."""
    learning_rate: float = 3e-4
    warmup: int = 200
    """Steps in which the learning rate rises from 0."""
    decay: float = 0.3
    """Last part of the run in which the learning rate falls to 0 along a cosine."""
    weight_decay: float = 0.01
    gradient_norm: float = 1.0
    """Gradients are scaled down to this norm."""
    average: float = 0.999
    """Decay of the exponential moving average of the weights."""
    checkpoint_every: int = 500
    """Steps between checkpoints; at most so many are lost when a run is stopped."""
    log_every: int = 50
    """Steps between lines of the log; a line holds the means of its steps."""
    tensorboard: bool = False
    """Write the log for TensorBoard too, into `tensorboard/` beside it."""

    def __post_init__(self) -> None:
        for name in ("steps", "checkpoint_every", "log_every"):
            if getattr(self, name) < 1:
                raise UsageError("M11", name, f"is {getattr(self, name)}", "give at least 1")


def learning_rate_at(step: int, settings: OptimiserSettings) -> float:
    """Return the learning rate of a step: linear warm-up, constant, cosine decay."""
    rise = min(1.0, (step + 1) / max(1, settings.warmup))
    tail = max(1, round(settings.steps * settings.decay))
    into_tail = max(0, step - (settings.steps - tail)) / tail
    return settings.learning_rate * rise * 0.5 * (1 + math.cos(math.pi * min(1.0, into_tail)))


def optimise(
    module: nn.Module,
    loss_at: LossAt,
    settings: OptimiserSettings,
    *,
    folder: Path,
    report: Report = print,
    rate_of: RateOf | None = None,
    on_step: OnStep | None = None,
) -> TrainingState:
    """Minimise `loss_at(step)` from the last checkpoint in `folder` to the last step.

    Since the loss is a function of the step alone, a run that was stopped goes on exactly as
    one that was not. Writes `checkpoint.safetensors` and one JSON line per log into `folder`.
    A run that has more steps behind it already is left as it is, and `report` is told.
    rate_of: for models of which parts learn at rates of their own. on_step: called after each
    step, and its checkpoint.
    Raises: ModelError as `load_checkpoint`; QualityError M7 when the loss or its gradient is not
    finite, before the weights are moved.
    """
    state = _open_state(module, settings, folder, rate_of or _same_rate)
    path = folder / CHECKPOINT
    if state.step > settings.steps:
        report(
            f"{folder} has learnt for {state.step} steps, more than the {settings.steps} asked; "
            "none is taken back: begin in another folder for fewer"
        )
    with ExitStack() as stack:
        board = _open_board(folder, stack, since=state.step) if settings.tensorboard else None
        log = _Log(folder / LOG, report, since=state.step, board=board)
        while state.step < settings.steps:
            _advance(state, loss_at, settings, log)
            if state.step % settings.checkpoint_every == 0 or state.step == settings.steps:
                save_checkpoint(state, path)
            if on_step is not None:
                on_step(state.step)
    return state


def _open_board(folder: Path, stack: ExitStack, *, since: int) -> Any:
    """Return TensorBoard's writer, closed with the stack; it forgets steps after `since`."""
    module = require(
        "torch.utils.tensorboard", subject="--tensorboard", install="tensorboard", error=ModelError
    )
    board = module.SummaryWriter(str(folder / BOARD), purge_step=since + 1)
    stack.callback(board.close)
    return board


def _same_rate(name: str) -> float:
    return 1.0


def _open_state(
    module: nn.Module, settings: OptimiserSettings, folder: Path, rate_of: RateOf
) -> TrainingState:
    folder.mkdir(parents=True, exist_ok=True)
    groups: dict[float, list[nn.Parameter]] = {}
    for name, parameter in module.named_parameters():
        if parameter.requires_grad:
            groups.setdefault(rate_of(name), []).append(parameter)
    optimiser = torch.optim.AdamW(
        [{"params": group, "factor": factor} for factor, group in groups.items()],
        lr=settings.learning_rate,
        weight_decay=settings.weight_decay,
        betas=(0.9, 0.99),
        fused=True,
    )
    average = {name: value.detach().clone() for name, value in module.named_parameters()}
    state = TrainingState(module, optimiser, average)
    if (folder / CHECKPOINT).exists():
        load_checkpoint(state, folder / CHECKPOINT)
    return state


def _advance(
    state: TrainingState, loss_at: LossAt, settings: OptimiserSettings, log: "_Log"
) -> None:
    for group in state.optimiser.param_groups:
        group["lr"] = group["factor"] * learning_rate_at(state.step, settings)
    loss, figures = loss_at(state.step)
    _check_finite("the training loss", loss.item(), step=state.step)
    state.optimiser.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    norm = nn.utils.clip_grad_norm_(state.module.parameters(), settings.gradient_norm)
    _check_finite("the gradient", float(norm), step=state.step)
    state.optimiser.step()
    state.step += 1
    _update_average(state, settings.average)
    log.add(
        state.step,
        {"loss": loss.item(), "gradient": float(norm), **figures},
        every=settings.log_every,
    )


def _check_finite(name: str, value: float, *, step: int) -> None:
    if not math.isfinite(value):
        problem = f"is {value} at step {step}"
        raise QualityError("M7", name, problem, "lower the learning rate")


@torch.no_grad()
def _update_average(state: TrainingState, decay: float) -> None:
    decay = min(decay, (1 + state.step) / (10 + state.step))
    parameters = dict(state.module.named_parameters())
    averages = [state.average[name] for name in parameters]
    torch._foreach_lerp_(averages, list(parameters.values()), 1 - decay)


class _Log:
    """Means of the figures since the last line, as JSON lines and as text."""

    def __init__(self, path: Path, report: Report, *, since: int, board: Any) -> None:
        """Begin after step `since`: lines of later steps, which are done again, are dropped."""
        if path.exists():
            lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
            kept = [line for line in lines if line.endswith("}\n")]
            kept = [line for line in kept if json.loads(line)["step"] <= since]
            with atomic_path(path) as temporary:
                temporary.write_text("".join(kept), encoding="utf-8")
        self._path, self._report, self._board = path, report, board
        self._sums: dict[str, list[float]] = {}
        self._since = time.perf_counter()

    def add(self, step: int, figures: Mapping[str, float], *, every: int) -> None:
        for name, value in figures.items():
            self._sums.setdefault(name, []).append(value)
        if step % every:
            return
        means = {name: sum(values) / len(values) for name, values in self._sums.items()}
        seconds = (time.perf_counter() - self._since) / every
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"step": step, "seconds": round(seconds, 4), **means}) + "\n")
        for name, value in means.items() if self._board is not None else ():
            self._board.add_scalar(name, value, step)
        told = " ".join(f"{name} {value:.4f}" for name, value in means.items())
        self._report(f"step {step} {told} ({seconds:.2f} s a step)")
        self._sums, self._since = {}, time.perf_counter()
