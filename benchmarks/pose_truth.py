"""What tracking, smoothing and fitting of poses are worth, on motion whose truth is known.

python benchmarks/pose_truth.py [--noise 1.5] [--motions 6]

The figures of the drawn world perform captured and made-up motion that training never sees; all
are scaled to a picture of 512 x 512, in which they stand about 400 pixels high.
"""

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache

import numpy as np
from jaxtyping import Bool, Float

from dtvideo.toon.world import Camera, Identity, identity_from_seed, standing
from dtvideo.toon.world.draw import key_points
from dtvideo.toon.world.motion import Motion, motions
from poses.detections import Detections
from poses.frames import runs
from poses.people import Person, find_people
from poses.repair import repair
from poses.retarget import retarget
from poses.smooth import smooth
from poses.types import Pose, PoseSequence, confident, missing_joints

SIDE = 512
DRAWN = 128
SECONDS = 4
RATES = (Fraction(24), Fraction(25), Fraction(30000, 1001), Fraction(30), Fraction(60))
PLANTED = 0.4
PLANTED_SECONDS = 0.2
ANKLES = (10, 13)
HEAD = (0, 14, 15, 16, 17)
ABSENCES = (5, 10, 15, 30)

Places = Float[np.ndarray, "t 18 2"]


@dataclass(frozen=True)
class Body:
    """A name for the table and a character of the drawn world."""

    name: str
    identity: Identity


@cache
def bodies() -> list[Body]:
    """Return the characters with the longest, the usual and the shortest legs of a hundred."""
    people = [identity_from_seed(1_000_000 + seed) for seed in range(100)]
    ordered = sorted(people, key=lambda one: one.build.leg)
    return [
        Body("long legs", ordered[-1]),
        Body("usual", ordered[len(ordered) // 2]),
        Body("chibi", ordered[0]),
    ]


def perform(
    body: Body, motion: Motion, *, rate: Fraction | int, shift: float = 0.0
) -> PoseSequence:
    """Return the true key points of a motion; shift moves its start, in seconds."""
    frames = int(min(SECONDS, motion.seconds if not motion.loop else SECONDS) * rate)
    camera = Camera(scale=0.78)
    poses = [
        key_points(body.identity, motion.at(shift + float(k / rate)), camera, size=(DRAWN, DRAWN))
        for k in range(frames)
    ]
    small = PoseSequence.from_poses(poses, rate=Fraction(rate))
    scale = np.array([SIDE / DRAWN, SIDE / DRAWN, 1])
    return PoseSequence(body=small.body * scale, size=(SIDE, SIDE), rate=small.rate)


def noisy(truth: PoseSequence, pixels: float, *, key: int = 0) -> PoseSequence:
    """Add normal noise of so many pixels in x and in y."""
    noise = np.random.default_rng((key, 77)).normal(0, pixels, truth.body[..., :2].shape)
    return truth.with_body(np.concatenate([truth.body[..., :2] + noise, truth.body[..., 2:]], -1))


def places(sequence: PoseSequence) -> Places:
    """Return the places of confident joints, NaN elsewhere."""
    return np.where(confident(sequence.body)[..., None], sequence.body[..., :2], np.nan)


def acceleration(path: Places) -> float:
    """Return the RMS of the second differences in pixels per frame squared."""
    return float(np.sqrt(np.nanmean(np.sum(np.diff(path, n=2, axis=0) ** 2, axis=-1))))


def mean_distance(one: Places, other: Places) -> float:
    """Return the mean distance of joints that both show, in pixels."""
    return float(np.nanmean(np.linalg.norm(one - other, axis=-1)))


def smoothing(takes: list[Motion], *, noise: float) -> Iterator[list[str]]:
    """Yield, per frame rate: fall of the noise's jitter, mean error before and after, added error.

    What smoothing does to clean motion is the added error; what it leaves of the noise is the
    difference of smoothed noisy and smoothed clean motion.
    """
    body = bodies()[1]
    for rate in RATES:
        rows = []
        for number, take in enumerate(takes):
            truth = perform(body, take, rate=rate)
            rough = noisy(truth, noise, key=number)
            steady, clean = smooth(rough), smooth(truth)
            before = acceleration(places(rough) - places(truth))
            after = acceleration(places(steady) - places(clean))
            rows.append(
                (
                    before / after,
                    mean_distance(places(rough), places(truth)),
                    mean_distance(places(steady), places(truth)),
                    mean_distance(places(clean), places(truth)),
                )
            )
        mean = np.mean(rows, axis=0)
        yield [f"{float(rate):.4g}", f"{mean[0]:.1f} x", *(f"{value:.2f} px" for value in mean[1:])]


def fitting(takes: list[Motion], *, noise: float) -> Iterator[list[str]]:
    """Yield, per pair of bodies: errors in torso lengths, longest limb, sliding of feet.

    Errors: of clean and of noisy motion, and of noisy motion without the five points of the head.
    """
    cast = bodies()
    for driver in cast:
        for target in cast:
            rows = [
                _fitted(driver, target, take, noise=noise, key=number)
                for number, take in enumerate(takes)
            ]
            mean = np.nanmean(rows, axis=0)
            yield [
                f"{driver.name} -> {target.name}",
                f"{100 * mean[0]:.1f} %",
                f"{100 * mean[1]:.1f} %",
                f"{100 * mean[2]:.1f} %",
                f"{np.nanmax(rows, axis=0)[3]:.2f}",
                f"{mean[4]:.1f} px",
                f"{np.nanmax(rows, axis=0)[4]:.1f} px",
                f"{mean[5]:.1f} px",
            ]


def _fitted(
    driver: Body, target: Body, take: Motion, *, noise: float, key: int
) -> tuple[float, float, float, float, float, float]:
    own, truth = perform(driver, take, rate=30), perform(target, take, rate=30)
    reference = key_points(target.identity, standing(), Camera(scale=0.78), size=(SIDE, SIDE))
    clean, _ = retarget(smooth(own), reference)
    rough, _ = retarget(smooth(repair(noisy(own, noise, key=key))[0]), reference)
    torso = np.nanmedian(_length(places(truth), 1, (8, 11)))
    body = [joint for joint in range(18) if joint not in HEAD]
    stretch = max(
        np.nanmax(_length(places(rough), a, b)) / np.nanmax(_length(places(truth), a, b))
        for a, b in ((2, 3), (3, 4), (5, 6), (6, 7), (8, 9), (9, 10), (11, 12), (12, 13))
    )
    planted = planted_feet(places(own), rate=30)
    return (
        float(np.nanmean(_centred(clean, truth)) / torso),
        float(np.nanmean(_centred(rough, truth)) / torso),
        float(np.nanmean(_centred(rough, truth, body)) / torso),
        float(stretch),
        sliding(places(clean), planted),
        sliding(places(truth), planted),
    )


def _centred(
    fitted: PoseSequence, truth: PoseSequence, joints: Sequence[int] = range(18)
) -> Float[np.ndarray, "t _"]:
    """Return distances of joints after the clips' median places are laid on each other."""
    gap = (places(fitted) - places(truth))[:, list(joints)]
    distance: np.ndarray = np.linalg.norm(gap - np.nanmedian(gap, axis=(0, 1)), axis=-1)
    return distance


def _length(path: Places, start: int, end: int | tuple[int, int]) -> Float[np.ndarray, " t"]:
    there = path[:, list(end)].mean(axis=1) if isinstance(end, tuple) else path[:, end]
    length: np.ndarray = np.linalg.norm(path[:, start] - there, axis=-1)
    return length


def planted_feet(path: Places, *, rate: int) -> list[tuple[int, slice]]:
    """Return ankle and frames of every stretch in which a foot of the driver stands still."""
    found = []
    for ankle in ANKLES:
        still: Bool[np.ndarray, " t"] = (
            np.linalg.norm(np.diff(path[:, ankle], axis=0, prepend=path[:1, ankle]), axis=-1)
            < PLANTED * 30 / rate
        )
        found += [
            (ankle, slice(first, stop))
            for first, stop in runs(still)
            if stop - first >= PLANTED_SECONDS * rate
        ]
    return found


def sliding(path: Places, planted: list[tuple[int, slice]]) -> float:
    """Return the largest way of a planted foot from where it was put down, averaged over steps."""
    ways = [
        np.nanmax(np.linalg.norm(path[frames, ankle] - path[frames.start, ankle], axis=-1))
        for ankle, frames in planted
        if np.isfinite(path[frames, ankle]).any()
    ]
    return float(np.mean(ways)) if ways else float("nan")


def leaving(takes: list[Motion], *, noise: float) -> Iterator[list[str]]:
    """Yield, per length of an absence: what is shown of it, the error there, what is listed.

    Everything of the body is gone for so many frames, at 30 a second, in the middle of the clip.
    """
    for absent in ABSENCES:
        rows = []
        for number, take in enumerate(takes):
            truth = perform(bodies()[1], take, rate=30)
            gone = slice((len(truth) - absent) // 2, (len(truth) + absent) // 2)
            seen = noisy(truth, noise, key=number).body.copy()
            seen[gone] = missing_joints(18)
            mended, report = repair(truth.with_body(seen))
            known = confident(truth.body[gone])
            shown = confident(mended.body[gone])
            listed = set(range(gone.start, gone.stop)) <= {*report.frames, *report.empty_frames}
            gap = np.linalg.norm(mended.body[gone, :, :2] - truth.body[gone, :, :2], axis=-1)
            rows.append((shown[known].mean(), np.median(gap[shown & known]), listed))
        mean = np.mean(rows, axis=0)
        yield [f"{absent}", f"{mean[0]:.0%}", f"{mean[1]:.1f} px", f"{mean[2]:.0%}"]


def crossing(takes: list[Motion], *, noise: float) -> Iterator[list[str]]:
    """Yield, per number of people: true people, people found, switches and frames in doubt."""
    for count in (2, 3):
        found, switches, doubtful = 0, 0, 0
        for number, take in enumerate(takes):
            crowd = [
                _across(perform(body, take, rate=30, shift=0.4 * place), place, count)
                for place, body in enumerate(bodies()[:count])
            ]
            frames = min(map(len, crowd))
            rough = [noisy(one, noise, key=10 * number + k) for k, one in enumerate(crowd)]
            people = find_people(_seen(rough, frames))
            found += len(people)
            switches += sum(_switches(person, crowd) for person in people)
            doubtful += sum(len(person.doubtful) for person in people)
        clips = len(takes)
        yield [f"{count}", f"{clips}", f"{found / clips:.1f}", f"{switches}", f"{doubtful}"]


def _across(sequence: PoseSequence, place: int, count: int) -> PoseSequence:
    """Move a performance across the picture; everyone meets in the middle."""
    start = np.linspace(-180, 180, count)[place]
    body = sequence.body.copy()
    body[..., 0] += np.linspace(start, -start, len(body))[:, None]
    return sequence.with_body(body)


def _seen(crowd: list[PoseSequence], frames: int) -> Detections:
    """Everyone in a changing order; whoever is behind is hidden for half a second in the middle."""
    people = []
    for frame in range(frames):
        hidden = abs(frame - frames // 2) < 8
        poses = [one[frame] for one in (crowd[:-1] if hidden else crowd)]
        order = np.random.default_rng((frame, 3)).permutation(len(poses))
        people.append(tuple(poses[k] for k in order))
    return Detections(tuple(people), (SIDE, SIDE), crowd[0].rate)


def _switches(person: Person, crowd: list[PoseSequence]) -> int:
    def nearest(frame: int, pose: Pose) -> int:
        gaps = [np.nanmean(np.abs(one.body[frame, :, :2] - pose.body[:, :2])) for one in crowd]
        return int(np.argmin(gaps))

    owners = [nearest(*pair) for pair in zip(person.frames, person.poses, strict=True)]
    return int(np.count_nonzero(np.diff(owners)))


def table(head: list[str], rows: Iterator[list[str]]) -> str:
    """Lay out rows as a table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--noise", type=float, default=1.5, help="of the detector, in pixels")
    parser.add_argument("--motions", type=int, default=6)
    arguments = parser.parse_args()
    takes = list(motions("held-out"))[: arguments.motions]
    noise = arguments.noise
    tables: list[tuple[str, Callable[..., Iterator[list[str]]]]] = [
        ("frames/s, noise jitter falls, error before, after, added to clean", smoothing),
        (
            "driver -> body, clean, noisy, without head, longest limb, sliding, most, of the truth",
            fitting,
        ),
        ("frames absent, shown, median error there, all listed", leaving),
        ("people, clips, found, switches, frames in doubt", crossing),
    ]
    print(f"noise of {noise} px, motions: {', '.join(take.name for take in takes)}\n")
    for head, rows in tables:
        print(table(head.split(", "), rows(takes, noise=noise)), "\n", flush=True)


if __name__ == "__main__":
    main()
