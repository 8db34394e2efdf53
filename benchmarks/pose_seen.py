"""What is left of poses once a detector has looked through a bad film; the truth is known.

python benchmarks/pose_seen.py [--motions 3] [--seconds 2]

Figures of the drawn world that training never sees perform motions that it never sees; the
detector is the built-in one for drawn figures. Files are written and read as any driving video.
"""

import argparse
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from jaxtyping import Float, UInt8

from dtvideo.toon.keypoints import ToonDetector
from dtvideo.toon.world import Camera, Identity, draw, identity_from_seed
from dtvideo.toon.world.backgrounds import BACKGROUNDS, paint_background
from dtvideo.toon.world.motion import Motion, motions
from dtvideo.video import probe, read_frames
from poses.cuts import CutFinder
from poses.extract import extract_poses
from poses.repair import repair
from poses.select import select_person
from poses.smooth import smooth
from poses.types import Pose, PoseSequence, confident

SIDE = 192
RATE = 25
FIRST_IDENTITY = 1_000_100
TORSO = ((1,), (8, 11))

Picture = UInt8[np.ndarray, "h w 3"]
Film = Callable[[list[Picture]], list[Picture]]


@dataclass(frozen=True)
class Condition:
    """One way in which a film is hard to read: the camera, the exposure, and what a file does."""

    name: str
    camera: Camera
    exposures: int = 1
    film: Film = list


def main() -> None:
    """Print a line for each condition, and how many cuts are found."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--motions", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2.0)
    arguments = parser.parse_args()
    takes = list(motions("held-out"))[: arguments.motions]
    people = [identity_from_seed(FIRST_IDENTITY + number) for number in range(len(takes))]
    print(f"motions: {', '.join(take.name for take in takes)}; {arguments.seconds} s each\n")
    print("| film | frames with a person | joints found | median error | mean error | invented |")
    print("|---|---|---|---|---|---|")
    for condition in conditions():
        rows = [
            judge(person, take, condition, seconds=arguments.seconds, key=number)
            for number, (person, take) in enumerate(zip(people, takes, strict=True))
        ]
        seen, found, median, mean, invented = np.nanmean(rows, axis=0)
        print(
            f"| {condition.name} | {seen:.0%} | {found:.0%} | {median:.1%} | {mean:.1%} "
            f"| {invented:.0%} |",
            flush=True,
        )
    print(f"\n{cuts(people, takes, seconds=arguments.seconds)}")


def conditions() -> list[Condition]:
    """Return the conditions, an easy one first."""
    front = Camera(scale=0.78)
    return [
        Condition("from the front", front),
        Condition("from the side", replace(front, yaw=np.pi / 2)),
        Condition("from behind", replace(front, yaw=np.pi)),
        Condition("small in the picture", replace(front, scale=0.35, centre=(0.5, 0.7))),
        Condition("cut off at the knees", replace(front, scale=1.15, centre=(0.5, 1.25))),
        Condition("motion blur of half a frame", front, exposures=5),
        Condition("H.264 of very few bits (CRF 44)", front, film=compressed),
        Condition("variable rate, every third frame lost", front, film=uneven),
    ]


def judge(
    person: Identity, take: Motion, condition: Condition, *, seconds: float, key: int
) -> tuple[float, float, float, float, float]:
    """Film a motion, find it again, and compare with the truth.

    Returns shares of frames in which someone, and of joints that were found; median and mean error
    in torso lengths of those; and the share of joints told that the picture does not show.
    """
    frames, truth = filmed(person, take, condition, seconds=seconds, key=key)
    frames = condition.film(frames)[: len(truth)]
    detections = extract_poses(frames, ToonDetector(), rate=Fraction(RATE))
    found = smooth(repair(select_person(detections).sequence)[0])
    known, told = confident(truth.body[: len(found)]), confident(found.body)
    errors = np.linalg.norm(found.body[..., :2] - truth.body[: len(found), :, :2], axis=-1)
    errors = errors[known & told] / torso(truth)
    return (
        1 - len(detections.empty_frames) / len(detections),
        float(told[known].mean()),
        float(np.median(errors)),
        float(errors.mean()),
        float(told[~known].mean()) if (~known).any() else float("nan"),
    )


def filmed(
    person: Identity, take: Motion, condition: Condition, *, seconds: float, key: int
) -> tuple[list[Picture], PoseSequence]:
    """Draw a motion before a ground, each frame the mean of what moves while it is exposed."""
    kinds = sorted(BACKGROUNDS)
    ground = paint_background(kinds[key % len(kinds)], key, size=(SIDE, SIDE))
    moments = (np.arange(condition.exposures) / condition.exposures - 0.5) * 0.5
    frames, poses = [], []
    for frame in range(round(seconds * RATE)):
        drawn = [
            draw(
                person,
                take.at(max(0.0, (frame + moment) / RATE)),
                condition.camera,
                size=(SIDE, SIDE),
                background=ground,
            )
            for moment in (moments if condition.exposures > 1 else (0.0,))
        ]
        frames.append(np.mean([one.image for one in drawn], axis=0).round().astype(np.uint8))
        poses.append(middle_of([one.pose for one in drawn]))
    return frames, PoseSequence.from_poses(poses, rate=Fraction(RATE))


def middle_of(poses: Sequence[Pose]) -> Pose:
    """Return the pose in the middle of the exposure."""
    return poses[len(poses) // 2]


def torso(truth: PoseSequence) -> float:
    """Return the median length from the neck to the middle of the hips in pixels."""
    ends: list[Float[np.ndarray, "t 2"]] = [
        truth.body[:, list(at), :2].mean(axis=1) for at in TORSO
    ]
    return float(np.nanmedian(np.linalg.norm(ends[0] - ends[1], axis=-1)))


def compressed(frames: list[Picture]) -> list[Picture]:
    """Return the frames as they come out of a file of very few bits."""
    return through_a_file(frames, range(len(frames)), options={"crf": "44", "preset": "veryfast"})


def uneven(frames: list[Picture]) -> list[Picture]:
    """Return the frames as they are read from a file of variable rate that lacks every third."""
    kept = [k for k in range(len(frames)) if k % 3 != 2 or k == len(frames) - 1]
    return through_a_file([frames[k] for k in kept], kept, options={"crf": "10"})


def through_a_file(
    frames: list[Picture], ticks: Sequence[int], *, options: dict[str, str]
) -> list[Picture]:
    """Write frames with their times as H.264 and read them as any driving video is read."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "film.mp4"
        with av.open(str(path), "w") as container:
            stream = container.add_stream("libx264", rate=RATE, options=options)
            stream.height, stream.width = frames[0].shape[:2]
            stream.pix_fmt = "yuv420p"
            base = Fraction(1, 90_000)
            stream.time_base = stream.codec_context.time_base = base
            for picture, tick in zip(frames, ticks, strict=True):
                frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
                frame.pts, frame.time_base = round(Fraction(tick, RATE) / base), base
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        return list(read_frames(probe(path, rate=Fraction(RATE))))


def cuts(people: Sequence[Identity], takes: Sequence[Motion], *, seconds: float) -> str:
    """Put films of different people one behind the other and say which cuts are found."""
    watch, true = CutFinder(), []
    count = 0
    for number, (person, take) in enumerate(zip(people, takes, strict=True)):
        frames, _ = filmed(person, take, conditions()[0], seconds=seconds, key=number)
        true += [count] if count else []
        count += len(frames)
        for frame in frames:
            watch.add(frame)
    return f"cuts between {len(people)} films: true before frames {true}, found {list(watch.found)}"


if __name__ == "__main__":
    main()
