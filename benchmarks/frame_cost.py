"""Seconds and FLOPs of one frame of the demo, part by part; loading, memory and size.

python benchmarks/frame_cost.py [--model toon] [--frames 8] [--threads 2]
"""

import argparse
import resource
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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
    """Adds up what a counter gains while modules run: seconds of a clock, or FLOPs."""

    def __init__(self, modules: dict[str, Any], read: Callable[[], float]) -> None:
        self.calls: dict[str, int] = defaultdict(int)
        self.gained: dict[str, float] = defaultdict(float)
        self._modules = modules
        self._read = read

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Measure the modules while the block runs."""
        handles = [handle for each in self._modules.items() for handle in self._watch(*each)]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _watch(self, name: str, module: Any) -> list[Any]:
        start = 0.0

        def before(*_: Any) -> None:
            nonlocal start
            start = self._read()

        def after(*_: Any) -> None:
            self.calls[name] += 1
            self.gained[name] += self._read() - start

        return [
            module.register_forward_pre_hook(before),
            module.register_forward_hook(after, always_call=True),  # a source's pass is left early
        ]


def main() -> None:
    """Render a few frames twice, once for seconds and once for FLOPs, and print a table."""
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
    modules = {
        name: part for name in PARTS if (part := part_of(prepared.pipeline, name)) is not None
    }

    def frames() -> int:
        with open_clip(job, prepared) as clip:
            return sum(1 for _ in clip)

    clock = Meter(modules, time.perf_counter)
    with clock.watching():
        start = time.perf_counter()
        count = frames()
        seconds = time.perf_counter() - start
    peak = peak_megabytes()  # before FLOPs are counted, which takes memory of its own
    with FlopCounterMode(display=False) as counter:
        flops = Meter(modules, counter.get_total_flops)
        with flops.watching():
            frames()
    total = counter.get_total_flops()
    print_table(clock, flops, count=count, seconds=seconds, total=total)
    print(f"preparation (s): {prepared.sidecar.timings}")
    weights, megabytes = size_in_half_precision(prepared.pipeline)
    print(f"{weights / 1e6:.2f} M weights, {megabytes:.1f} MB in half precision")
    print(f"peak memory of the process: {peak:.0f} MB")


def part_of(pipeline: Any, name: str) -> Any:
    """Return a part by its dotted name, for example `vae.decoder`; None where there is none."""
    owner, _, inner = name.partition(".")
    return dict(getattr(pipeline, owner).named_modules()).get(inner)


def peak_megabytes() -> float:
    """Return the most memory that this process has held: everything, libraries included."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def size_in_half_precision(pipeline: Any) -> tuple[int, float]:
    """Return how many weights the pipeline's networks have, and their MB at two bytes each."""
    networks = [part for part in pipeline.components.values() if isinstance(part, torch.nn.Module)]
    weights = sum(each.numel() for part in networks for each in part.parameters())
    return weights, 2 * weights / 1e6


def print_table(clock: Meter, flops: Meter, *, count: int, seconds: float, total: float) -> None:
    """Print seconds and GFLOPs per frame; the reference's pass is spread over the frames."""
    print(f"{'part':<14}{'calls':>8}{'s/frame':>10}{'GFLOP/frame':>14}")
    for name in filter(clock.calls.get, PARTS):
        spent, cost = clock.gained[name] / count, flops.gained[name] / count / 1e9
        print(f"{name:<14}{clock.calls[name]:>8}{spent:>10.4f}{cost:>14.3f}")
    rest = (seconds - sum(clock.gained.values())) / count
    print(f"{'the rest':<14}{'':>8}{rest:>10.4f}")
    print(f"{'whole':<14}{'':>8}{seconds / count:>10.4f}{total / count / 1e9:>14.3f}")
    print(f"{count / seconds:.2f} frames/s of {count}, {torch.get_num_threads()} threads")


if __name__ == "__main__":
    main()
