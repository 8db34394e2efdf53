"""Seconds and FLOPs of one frame of the demo, part by part.

python benchmarks/frame_cost.py [--model toon] [--frames 8] [--threads 2]
"""

import argparse
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from pipelines.job import RenderJob
from pipelines.progress import SilentProgress
from pipelines.render import open_clip, prepare

EXAMPLES = Path(__file__).parents[1] / "examples"
PARTS = ("text_encoder", "vae.encoder", "vae.decoder", "controlnet", "unet")


class Meter:
    """Counts calls, seconds and FLOPs of modules by forward hooks."""

    def __init__(self) -> None:
        self.calls: dict[str, int] = defaultdict(int)
        self.seconds: dict[str, float] = defaultdict(float)
        self._starts: dict[str, float] = {}

    def watch(self, name: str, module: Any) -> list[Any]:
        """Measure a module until the returned handles are removed."""

        def before(*_: Any) -> None:
            self._starts[name] = time.perf_counter()

        def after(*_: Any) -> None:
            self.calls[name] += 1
            self.seconds[name] += time.perf_counter() - self._starts[name]

        return [
            module.register_forward_pre_hook(before),
            module.register_forward_hook(after),
        ]


def main() -> None:
    """Render a few frames twice: once for seconds, once for FLOPs, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="toon")
    parser.add_argument("--frames", type=int, default=8)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    job = RenderJob(
        reference=EXAMPLES / "hero.png",
        driver=EXAMPLES / "dance.mp4",
        model=options.model,
        frames=(0, options.frames - 1),
        overwrite=True,
    )
    prepared = prepare(job, SilentProgress())
    modules = {name: prepared.pipeline.unet.get_submodule("") for name in ()}
    for name in PARTS:
        owner, _, inner = name.partition(".")
        modules[name] = getattr(prepared.pipeline, owner).get_submodule(inner)

    def frames() -> int:
        with open_clip(job, prepared) as clip:
            return sum(1 for _ in clip)

    meter = Meter()
    handles = [handle for name in PARTS for handle in meter.watch(name, modules[name])]
    count, seconds = _timed(frames)
    for handle in handles:
        handle.remove()
    flops = _count_flops(frames, prepared.pipeline)
    _print_table(meter, flops, count=count, seconds=seconds)
    print(f"preparation (s): {prepared.sidecar.timings}")


def _timed(job: Callable[[], int]) -> tuple[int, float]:
    start = time.perf_counter()
    return job(), time.perf_counter() - start


def _count_flops(job: Callable[[], int], pipeline: Any) -> dict[str, int]:
    """Return the FLOPs of each part, text encoder and autoencoder included."""
    totals = {}
    with FlopCounterMode(display=False) as counter:
        job()
    for name, counts in counter.get_flop_counts().items():
        totals[name] = sum(counts.values())
    return totals


def _print_table(meter: Meter, flops: dict[str, int], *, count: int, seconds: float) -> None:
    print(f"{'part':<14}{'calls':>8}{'s/frame':>10}{'GFLOP/frame':>14}")
    for name in PARTS:
        cost = flops.get(name, 0) / count / 1e9
        print(f"{name:<14}{meter.calls[name]:>8}{meter.seconds[name] / count:>10.4f}{cost:>14.3f}")
    rest = seconds - sum(meter.seconds.values())
    total = flops.get("Global", 0) / count / 1e9
    print(f"{'the rest':<14}{'':>8}{rest / count:>10.4f}")
    print(f"{'whole':<14}{count:>8}{seconds / count:>10.4f}{total:>14.3f}")
    print(f"{count / seconds:.2f} frames/s with {torch.get_num_threads()} threads")


if __name__ == "__main__":
    main()
