"""What extraction costs beside its detector alone, and how its memory grows with the clip.

python benchmarks/pose_cost.py [VIDEO] [--rounds 5]

Both are timed in turn in one run, so that what else the machine does falls on both; processor
time tells on a busy machine.
"""

import argparse
import multiprocessing
import resource
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from dtvideo.video import probe, read_frames
from poses.detectors import Picture, create_detector
from poses.extract import extract_poses
from poses.synthetic import stand
from poses.types import Pose

DANCE = Path(__file__).parents[1] / "examples" / "dance.mp4"
LENGTHS = (200, 1600, 12_800)
SIZE = (1280, 720)
DIFFERENT_FRAMES = 8
MEGABYTE = 1024  # ru_maxrss is told in kilobytes


class Instant:
    """A detector that costs nothing, so that memory is that of extraction."""

    name, licence, device = "instant", "none", "cpu"

    def detect(self, image: Picture) -> list[Pose]:
        """Return the same person every time, as a new pose."""
        return [stand(size=(image.shape[1], image.shape[0]))]


def main() -> None:
    """Print the ratio of the times, and peak memory for clips of several lengths."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("video", nargs="?", type=Path, default=DANCE)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    print(cost(arguments.video, rounds=arguments.rounds), flush=True)
    for frames in LENGTHS:
        print(f"{frames} frames of {SIZE[0]}x{SIZE[1]}: at most {peak(frames):.0f} MB", flush=True)


def cost(video: Path, *, rounds: int) -> str:
    """Compare reading, detecting and gathering a video with detecting its frames alone."""
    info, detector = probe(video), create_detector("mediapipe")
    frames = list(read_frames(info))

    def alone() -> None:
        for frame in frames:
            detector.detect(frame)

    def whole() -> None:
        extract_poses(read_frames(info), detector, rate=info.rate)

    whole()
    pairs = np.array([(timed(alone), timed(whole)) for _ in range(rounds)])
    ratios, worked = (pairs[:, 1] / pairs[:, 0]).T
    apart = pairs[..., 0].min(axis=0) / len(frames) * 1000
    looks = len(frames) + len(range(0, len(frames), round(info.rate)))
    return (
        f"{video.name}, {len(frames)} frames of {info.width}x{info.height}: "
        f"detector alone {apart[0]:.1f} ms a frame, extraction {apart[1]:.1f} ms; "
        f"ratio {np.median(ratios):.2f} (from {min(ratios):.2f} to {max(ratios):.2f}), "
        f"of processor time {np.median(worked):.2f} ({min(worked):.2f} to {max(worked):.2f}), "
        f"of which {looks / len(frames):.2f} is looking for a second person once a second"
    )


def timed(work: Callable[[], None]) -> tuple[float, float]:
    """Return how many seconds some work takes, by the clock and of processors."""
    start, worked = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - start, time.process_time() - worked


def peak(frames: int) -> float:
    """Return the most memory, in megabytes, that a process needs to extract a clip so long."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_peak, (frames,))


def _peak(frames: int) -> float:
    extract_poses(_clip(frames), Instant())
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / MEGABYTE


def _clip(frames: int) -> Iterator[Picture]:
    draw = np.random.default_rng(1)
    shape = (SIZE[1], SIZE[0], 3)
    pictures = [draw.integers(0, 255, shape, np.uint8) for _ in range(DIFFERENT_FRAMES)]
    for number in range(frames):
        yield pictures[number % DIFFERENT_FRAMES].copy()


if __name__ == "__main__":
    main()
