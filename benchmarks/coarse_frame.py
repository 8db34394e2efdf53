"""What the coarse frame costs on one core, which skirts and hair it tells, what shirts give.

python benchmarks/coarse_frame.py [--references 300] [--clips 60]
"""

import argparse
import time
from collections import defaultdict
from collections.abc import Callable
from unittest import mock

import cv2
import numpy as np

from dtvideo import metrics
from dtvideo.puppet import Puppet, claims
from dtvideo.toon.trials import Trial, toon_trials
from dtvideo.toon.world import HELD_OUT_IDENTITIES, Scene, sample_scene, scene_drawings
from pipelines.enlarge import Enlarger

ROUNDS = 15
MODEL_SIDE = 128


def main() -> None:
    """Print milliseconds at two sizes, skirts and hair found, and decibels of shirts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--references", type=int, default=300)
    parser.add_argument("--clips", type=int, default=60, help="of each of three seeds (60)")
    given = parser.parse_args()
    cv2.setNumThreads(1)
    for side in (MODEL_SIDE, 512):
        print(costs(side))
    print(worn(given.references))
    print(worth_of_shirts(given.clips))


def costs(side: int) -> str:
    """Time one character at a size, in medians of some rounds."""
    first, other = scene_drawings(scene_of(0), 2, size=(side, side))
    puppet = Puppet.prepare(first.image, first.mask, first.pose)
    small = np.zeros((MODEL_SIDE, MODEL_SIDE, 3), np.uint8)
    told = {
        "cut": lambda: Puppet.prepare(first.image, first.mask, first.pose),
        "a frame": lambda: puppet.frame(other.pose),
        "a frame enlarged": lambda: Enlarger(puppet).enlarge(small, other.pose),
    }
    return f"{side} x {side}: " + ", ".join(
        f"{name} {timed(do):.0f} ms" for name, do in told.items()
    )


def timed(do: Callable[[], object]) -> float:
    """Return the median time of a call in milliseconds of one core, whatever runs beside it."""
    taken = []
    for _ in range(ROUNDS):
        start = time.process_time()
        do()
        taken.append(time.process_time() - start)
    return 1000 * float(np.median(taken))


def worn(count: int) -> str:
    """Count the skirts, dresses and coats, and the long hair, found among held-out references."""
    skirts: dict[bool, list[bool]] = {True: [], False: []}
    hair: dict[bool, list[bool]] = {True: [], False: []}
    for number in range(count):
        scene = scene_of(number)
        (drawing,) = scene_drawings(scene, 1, key=scene.identity.seed)
        outfit = scene.identity.outfit
        skirt = outfit.top.kind in ("dress", "coat") or outfit.bottom.kind == "skirt"
        puppet = Puppet.prepare(drawing.image, drawing.mask, drawing.pose)
        skirts[skirt].append(puppet.skirt is not None)
        hair[scene.identity.hair.style == "long"].append("hair" in puppet.parts)
    return "\n".join(
        f"{name}: {sum(found[True])} of {len(found[True])} found, "
        f"{sum(found[False])} in {len(found[False])} others"
        for name, found in (("skirts", skirts), ("long hair", hair))
    )


def worth_of_shirts(clips: int) -> str:
    """Return what it gives on the figure, in dB, that shirts over the thighs go with the trunk."""
    gains: dict[str, list[float]] = defaultdict(list)
    found = 0
    for trial in (each for seed in (1, 2, 3) for each in toon_trials(clips, 3, seed=seed)):
        whole = cut(trial)
        with mock.patch.object(claims, "find_shirt_hem", return_value=None):
            parted = cut(trial)
        pairs = [(whole.frame(pose), parted.frame(pose)) for pose in trial.poses]
        if all(np.array_equal(*pair) for pair in pairs):
            continue
        found += 1
        for pair, truth, view in zip(pairs, trial.truths, trial.views, strict=True):
            after, before = (
                metrics.foreground_psnr(frame, truth.image, mask=truth.mask) for frame in pair
            )
            gains[view].append(after - before)
    told = ", ".join(f"{view} {np.mean(gain):+.2f} dB" for view, gain in gains.items())
    return f"shirts over the thighs: {found} of {3 * clips} characters; {told}"


def cut(trial: Trial) -> Puppet:
    """Cut a trial's reference."""
    drawing = trial.reference
    return Puppet.prepare(drawing.image, drawing.mask, drawing.pose)


def scene_of(number: int) -> Scene:
    """Return a scene of the held-out character of a number."""
    return sample_scene(HELD_OUT_IDENTITIES.start + number, split="held-out")


if __name__ == "__main__":
    main()
