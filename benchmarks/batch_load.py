"""A batch under load: many short clips, workers killed at random, and what it costs.

python benchmarks/batch_load.py [--part timed|killed] [--clips 200] [--workers 2] [--kill-seconds 4]

Three things are shown, each in a folder of its own under --folder:
 - with a worker killed by SIGKILL every few seconds, every clip ends done, exactly once, and with
   the frames that a batch without kills gives;
 - clips an hour with the workers beside one worker, and beside one worker with all threads;
 - resident memory of the run and its workers over time.
"""

import argparse
import json
import os
import random
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread

import numpy as np
import psutil

from pipelines.batch import BatchSettings, run_batch
from pipelines.job_store import ClipRecord
from pipelines.manifest import ClipJob, load_manifest
from pipelines.verify import find_faults
from poses.io import write_clip
from poses.synthetic import walk
from poses.types import PoseSequence

EXAMPLES = Path(__file__).parents[1] / "examples"
MEGABYTE = 2**20
SAMPLE_SECONDS = 1.0
MANIFEST = """
output: "out/{{clip}}.mp4"
settings: {{model: toon, size: 128x128, threads: {threads}}}
characters: {{hero: {{reference: hero.png}}}}
clips:
{clips}
"""


@dataclass
class Watch:
    """What a thread beside a run saw: memory in MB over time, and how many workers it killed."""

    seconds: list[float] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)
    kills: int = 0


@dataclass(frozen=True)
class Outcome:
    """How a batch went; done: how often each clip was; frames: the hashes of each clip."""

    seconds: float
    done: Counter[str]
    frames: dict[str, list[str]]
    watch: Watch


def main() -> None:
    """Run the batches and print what was asked."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--part", choices=("timed", "killed"), help="one of the two (both)")
    parser.add_argument("--clips", type=int, default=200)
    parser.add_argument("--frames", type=int, default=4, help="of each clip")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--kill-seconds", type=float, default=4.0, help="mean time between kills")
    parser.add_argument("--compared", type=int, help="clips of the runs that are timed (all)")
    parser.add_argument("--all-threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    root = options.folder or Path(tempfile.mkdtemp(prefix="batch-load-"))
    usable = len(os.sched_getaffinity(0))
    print(f"results in {root}; {usable} processors may be used, load {os.getloadavg()[0]:.1f}")
    calm = batch(
        root / "workers", options, clips=options.compared or options.clips, workers=options.workers
    )
    print_memory("without kills", calm.watch)
    if options.part != "killed":
        time_others(root, options, calm)
    if options.part != "timed":
        kill_workers(root, options, calm)


def time_others(root: Path, options: argparse.Namespace, calm: Outcome) -> None:
    """Render the clips with one worker, with one thread and with all, and compare the times."""
    clips, threads = options.compared or options.clips, options.all_threads
    one = batch(root / "one", options, clips=clips, workers=1)
    every = batch(root / "all", options, clips=clips, workers=1, threads=threads)
    print_throughput({"workers": calm, "one": one, "all": every}, options.workers)


def kill_workers(root: Path, options: argparse.Namespace, calm: Outcome) -> None:
    """Render all clips while workers are killed, and compare with those of the calm run."""
    killed = batch(
        root / "killed",
        options,
        clips=options.clips,
        workers=options.workers,
        kill_seconds=options.kill_seconds,
    )
    print_care(root / "killed", killed, truth=calm.frames)
    print_memory("with kills", killed.watch)


def batch(
    folder: Path,
    options: argparse.Namespace,
    *,
    clips: int,
    workers: int,
    threads: int = 1,
    kill_seconds: float | None = None,
) -> Outcome:
    """Write a manifest of short clips, render it, and return how it went."""
    manifest = write_stage(folder, clips=clips, frames=options.frames, threads=threads)
    jobs = load_manifest(manifest)
    settings = BatchSettings(workers, retry_seconds=0.1)
    done: Counter[str] = Counter()
    watch = Watch()

    def tell(record: ClipRecord) -> None:
        done.update([record.name] if record.state == "done" else [])

    start = time.monotonic()
    with watching(watch, kill_seconds, seed=options.seed):
        records = run_batch(manifest, jobs, settings, tell=tell)
        while any(record.state == "failed" for record in records):  # three kills of one clip
            records = run_batch(manifest, jobs, settings, states=("failed",), tell=tell)
    return Outcome(time.monotonic() - start, done, frames_of(jobs), watch)


def write_stage(folder: Path, *, clips: int, frames: int, threads: int) -> Path:
    """Write a picture, a motion for each clip and the manifest; return its path."""
    folder.mkdir(parents=True)
    (folder / "hero.png").write_bytes((EXAMPLES / "hero.png").read_bytes())
    motion = walk(clips + frames)
    lines = []
    for start in range(clips):
        name = f"c{start:03}"
        part = PoseSequence(
            body=motion.body[start : start + frames], size=motion.size, rate=motion.rate
        )
        write_clip(part, folder / f"{name}.json")
        lines.append(f"  {name}: {{poses: {name}.json, seed: {start}}}")
    manifest = folder / "batch.yaml"
    manifest.write_text(MANIFEST.format(threads=threads, clips="\n".join(lines)))
    return manifest


@contextmanager
def watching(watch: Watch, kill_seconds: float | None, *, seed: int) -> Iterator[None]:
    """Note the memory of this process and its workers, and kill one of them now and then."""
    stop = Event()
    draw = random.Random(seed)

    def look() -> None:
        begun = time.monotonic()
        until_kill = draw.expovariate(1 / kill_seconds) if kill_seconds else float("inf")
        while not stop.wait(min(SAMPLE_SECONDS, until_kill)):
            now = time.monotonic() - begun
            workers = worker_processes()
            watch.seconds.append(now)
            watch.memory.append(sum(map(resident, [psutil.Process(), *workers])))
            if kill_seconds and now >= until_kill and workers:
                draw.choice(workers).kill()
                watch.kills += 1
                until_kill = now + draw.expovariate(1 / kill_seconds)

    thread = Thread(target=look, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def worker_processes() -> list[psutil.Process]:
    """Return the workers that this process has started."""
    found = []
    for child in psutil.Process().children():
        try:
            if "spawn_main" in " ".join(child.cmdline()):
                found.append(child)
        except psutil.Error:
            continue
    return found


def resident(process: psutil.Process) -> float:
    """Return the resident memory of a process in MB; none when it has just ended."""
    try:
        return float(process.memory_info().rss) / MEGABYTE
    except psutil.Error:
        return 0.0


def frames_of(jobs: list[ClipJob]) -> dict[str, list[str]]:
    """Return the hashes of the frames of every clip that has a side-car."""
    found = {}
    for clip in jobs:
        sidecar = clip.job.beside(".json")
        if sidecar.exists():
            found[clip.name] = json.loads(sidecar.read_text())["frames"]["sha256_of_rgb"]
    return found


def print_throughput(timed: dict[str, Outcome], workers: int) -> None:
    """Print clips an hour and the two ratios."""
    speeds = {name: len(each.done) / each.seconds for name, each in timed.items()}
    for name, title in (
        ("workers", f"{workers} workers with one thread each"),
        ("one", "one worker with one thread"),
        ("all", "one worker with all threads"),
    ):
        print(f"{title:<32}{timed[name].seconds:>8.1f} s{speeds[name] * 3600:>9.0f} clips an hour")
    for name in ("one", "all"):
        print(f"ratio of {workers} workers to {name}: {speeds['workers'] / speeds[name]:.2f}")
    assert timed["workers"].frames == timed["one"].frames, "frames depend on the workers"
    print("frames are the same with one worker and with several")


def print_care(folder: Path, killed: Outcome, *, truth: dict[str, list[str]]) -> None:
    """Print whether every clip was done, once, with the right frames and nothing left over."""
    results = list((folder / "out").iterdir())
    faults = [fault for path in results if path.suffix == ".json" for fault in find_faults(path)]
    often = [name for name, count in killed.done.items() if count > 1]
    shared = sorted(set(killed.frames) & set(truth))
    same = sum(killed.frames[name] == truth[name] for name in shared)
    print(
        f"{killed.watch.kills} workers killed in {killed.seconds:.0f} s: {len(killed.done)} clips "
        f"done, {len(often)} of them more than once; {len(faults)} faults in the results; "
        f"{sum(path.suffix == '.work' for path in results)} work folders left"
    )
    print(f"frames as without kills: {same} of {len(shared)} clips that both rendered")


def print_memory(name: str, watch: Watch) -> None:
    """Print the resident memory of each quarter of a run: it should not grow."""
    quarters = [part for part in np.array_split(np.array(watch.memory), 4) if len(part)]
    told = "  ".join(f"{np.median(part):.0f}" for part in quarters)
    print(f"{name}: memory of the run and its workers by quarters of the time, MB: {told}")


if __name__ == "__main__":
    main()
