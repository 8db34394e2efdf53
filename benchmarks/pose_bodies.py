"""What a real detector finds of rendered people, and what tracking and repair make of it.

python benchmarks/pose_bodies.py [--cases "two cross" small] [--seconds 2] [--sheet sheet.png]

Bodies with exactly known joints (`benchmarks/bodies.py`) perform motion capture before a drawn
ground, 480 x 480 pixels, and are found, told apart, repaired and smoothed as by `animate`. Joints
outside the picture do not count; those that the body itself or a pillar hides do.
"""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import groupby
from pathlib import Path

import numpy as np
from bodies import Board, Body, Lens, body, posed, render, truth
from jaxtyping import Float
from PIL import Image
from pose_seen import Film, Picture, compressed, uneven
from pose_truth import Places, acceleration, places

from dtvideo.toon.world.backgrounds import paint_background
from dtvideo.toon.world.motion import motion_by_name
from poses.detections import Detections
from poses.detectors import create_detector
from poses.extract import extract_poses
from poses.heads import HEAD_POINTS, find_attitudes, learn_head, seen_heads
from poses.limbs import tree_places
from poses.people import Person, find_people
from poses.render import draw_pose
from poses.repair import repair
from poses.smooth import smooth
from poses.types import Pose, PoseSequence, confident, missing_joints

TAKES = ("dance-b", "dance-a", "kick")
CAST = (
    ("man", (60, 90, 160), (70, 65, 60)),
    ("woman", (170, 60, 60), (60, 70, 110)),
    ("child", (80, 140, 80), (120, 100, 70)),
)
LENS = Lens()
GROUNDS = ("room", "park")
SHUTTER = 0.5  # of a frame
PILLAR_WIDTH = 0.35
PICTURES = 6
NEAR = 0.5  # of a torso's length
FRAMES_OF_A_SWITCH = 3
HEAD_ROOM = 1.5  # side of what is pixelated, in distances from the neck to the middle of the face
FIGURES = (
    *("frames", "joints", "rough", "error", "pixels", "close", "near", "jitter", "added", "nods"),
)

Way = Callable[[float], tuple[float, float]]


@dataclass(frozen=True)
class Actor:
    """Who performs what, turned by degrees, on a way over the stage by the part of the clip."""

    body: Body
    take: str
    turn: float
    way: Way
    late: float = 0.0


@dataclass(frozen=True)
class Case:
    """How people are filmed. pillar: where one stands; gone: for how many frames nobody is there;
    cut: in the middle to another lens and place; cells: of a mosaic over each face, on a side.
    """

    name: str
    people: int = 1
    lens: Lens = LENS
    turn: float = 0.0
    way: Way = lambda part: (0.0, 0.0)
    pillar: Callable[[float], float] | None = None
    gone: int = 0
    cut: Lens | None = None
    rate: Fraction = Fraction(25)
    exposures: int = 1
    cells: int = 0
    film: Film = list


@dataclass(frozen=True, eq=False)
class Track:
    """Where one actor truly is, and how long a torso is there in each frame, in pixels."""

    sequence: PoseSequence
    torsos: Float[np.ndarray, " t"]


def cases() -> list[Case]:
    """Return the cases, an easy one first."""
    near, far = Lens(distance=3.4, height=1.35), Lens(distance=8.0)
    rates = (Fraction(24), Fraction(30000, 1001), Fraction(30), Fraction(60))
    return [
        Case("from the front"),
        Case("from the side", turn=90),
        Case("from behind", turn=180),
        Case("a face in 5 x 5 cells", cells=5),
        Case("a face in 5 x 5 cells at 45 degrees", turn=45, cells=5),
        Case("small in the picture", lens=Lens(distance=14.0)),
        Case("upper half", lens=near),
        Case("lower half", lens=replace(near, height=0.55)),
        Case("a pillar goes by", pillar=lambda part: 1.2 - 2.4 * part),
        Case("comes near", way=lambda part: (0.0, -6.0 * (1 - part))),
        Case("gone for 10 frames", gone=10),
        Case("gone for 20 frames", gone=20),
        Case("two cross", people=2, lens=far),
        Case("three cross", people=3, lens=far),
        Case("a cut to the upper half", cut=near),
        Case("motion blur", exposures=5),
        Case("few bits (CRF 44)", film=compressed),
        Case("variable rate", film=uneven),
        *(Case(f"at {float(rate):.4g} frames a second", rate=rate) for rate in rates),
    ]


def main() -> None:
    """Print a line for each case."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--cases", nargs="+", default=[""], help="beginnings of their names")
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--takes", nargs="+", default=TAKES)
    parser.add_argument("--sheet", type=Path, help="a picture of what was seen and found")
    arguments = parser.parse_args()
    print(
        "| case | frames | joints | found, repaired | px | PCK 0.1, 0.2 | jitter | added | ", end=""
    )
    print("nods | switches |\n|---|---|---|---|---|---|---|---|---|---|", flush=True)
    rows: list[Picture] = []
    for case in cases():
        if case.name.startswith(tuple(arguments.cases)):
            print(line(case, arguments.takes, seconds=arguments.seconds, sheet=rows), flush=True)
    if arguments.sheet:
        Image.fromarray(np.vstack(rows)).save(arguments.sheet)


def line(case: Case, takes: Sequence[str], *, seconds: float, sheet: list[Picture]) -> str:
    """Return the figures of a case over all takes and people, as a line of the table."""
    figures, switches = [], 0
    for number in range(len(takes)):
        frames, tracks = filmed(case, actors(case, takes, number), seconds=seconds)
        found = extract_poses(
            frames, create_detector("mediapipe"), rate=case.rate, everyone=case.people > 1
        )
        people = find_people(found)
        switches += sum(count_switches(person, tracks) for person in people)
        rough = [sequence_of(nearest(people, track), found) for track in tracks]
        mended = [smooth(repair(one, cuts=found.cuts)[0], cuts=found.cuts) for one in rough]
        figures += [
            judge(*three, cuts=found.cuts) for three in zip(rough, mended, tracks, strict=True)
        ]
        if number == 0:
            sheet.append(contact(frames, mended, tracks))
    mean = dict(zip(FIGURES, np.nanmean(figures, axis=0), strict=True))
    return (
        f"| {case.name} | {mean['frames']:.0%} | {mean['joints']:.0%} "
        f"| {mean['rough']:.1%}, {mean['error']:.1%} | {mean['pixels']:.1f} "
        f"| {mean['close']:.0%}, {mean['near']:.0%} | {mean['jitter']:.1f} x "
        f"| {mean['added']:+.2f} px | {mean['nods']:.2f} | {switches} |"
    )


def actors(case: Case, takes: Sequence[str], number: int) -> list[Actor]:
    """Return who performs: one, or several who walk across each other's way, one behind another."""
    cast = [body(*CAST[(number + k) % len(CAST)]) for k in range(case.people)]
    starts = np.linspace(-1.5, 1.5, case.people) if case.people > 1 else [0.0]
    return [
        Actor(
            one,
            takes[(number + k) % len(takes)],
            turn=case.turn,
            way=_across(float(start), depth=-0.7 * k) if case.people > 1 else case.way,
            late=0.4 * k,
        )
        for k, (one, start) in enumerate(zip(cast, starts, strict=True))
    ]


def _across(start: float, *, depth: float) -> Way:
    return lambda part: (start * (1 - 2 * part), depth)


def filmed(
    case: Case, cast: Sequence[Actor], *, seconds: float
) -> tuple[list[Picture], list[Track]]:
    """Render a case; each frame is the mean of what moves while the shutter is open."""
    count = round(seconds * case.rate)
    absent = range((count - case.gone) // 2, (count + case.gone) // 2)
    moments = (np.arange(case.exposures) - case.exposures // 2) / case.exposures * SHUTTER
    grounds = [paint_background(kind, 3, size=case.lens.size) for kind in GROUNDS]
    frames: list[Picture] = []
    poses: list[list[tuple[Pose, float]]] = []
    for frame in range(count):
        later = case.cut is not None and frame >= count // 2
        lens, ground = case.cut if case.cut and later else case.lens, grounds[later]
        shown = [] if frame in absent else cast
        drawn = []
        for moment in moments:
            part = (frame + moment) / count
            stage = [(one.body, vertices_of(one, part, seconds=seconds)) for one in shown]
            drawn.append(render(stage, ground, lens, boards(case, part)))
            if moment == 0:
                poses.append([truth(vertices, lens) for _, vertices in stage])
        frames.append(np.mean(drawn, axis=0).round().astype(np.uint8))
    tracks = [track_of([now[k] if now else None for now in poses], case) for k in range(len(cast))]
    if case.cells:
        for track in tracks:
            frames = [
                mosaic(*pair, case.cells) for pair in zip(frames, track.sequence, strict=True)
            ]
    return case.film(frames)[:count], tracks


def mosaic(frame: Picture, pose: Pose, cells: int) -> Picture:
    """Make the face of a picture unreadable: means of square cells, so many on a side."""
    face, neck = pose.body[list(HEAD_POINTS), :2], pose.body[1, :2]
    middle = face.mean(axis=0)
    radius = HEAD_ROOM / 2 * np.linalg.norm(neck - middle)
    if not np.isfinite(radius):
        return frame
    made, side = frame.copy(), max(2, round(2 * radius / cells))
    (left, top), (right, bottom) = (
        (middle - radius).clip(0).astype(int),
        (middle + radius).astype(int),
    )
    for y in range(top, bottom, side):
        for x in range(left, right, side):
            cell = made[y : min(y + side, bottom), x : min(x + side, right)]
            if cell.size:
                cell[:] = cell.mean(axis=(0, 1))
    return made


def vertices_of(actor: Actor, part: float, *, seconds: float) -> np.ndarray:
    """Return where an actor is at a part of the clip."""
    stance = motion_by_name(actor.take).at(actor.late + part * seconds)
    return posed(actor.body, stance, turn=actor.turn, at=actor.way(part))


def boards(case: Case, part: float) -> list[Board]:
    """Return the pillar, if there is one, where it is at a part of the clip."""
    if case.pillar is None:
        return []
    middle = case.pillar(part)
    return [Board(middle - PILLAR_WIDTH / 2, middle + PILLAR_WIDTH / 2)]


def track_of(poses: Sequence[tuple[Pose, float] | None], case: Case) -> Track:
    """Gather where an actor is; the torso of someone absent is of no length."""
    nobody = Pose(body=missing_joints(18), size=case.lens.size)
    known = [pair or (nobody, np.nan) for pair in poses]
    sequence = PoseSequence.from_poses([pose for pose, _ in known], rate=case.rate)
    return Track(sequence, np.array([torso for _, torso in known]))


def distance(pose: Pose, track: Track, frame: int) -> float:
    """Return how far a found person is from an actor, infinitely where there is nothing."""
    gaps = places(track.sequence)[frame] - pose.body[:, :2]
    known = np.isfinite(gaps).all(axis=1) & confident(pose.body)
    return float(np.median(np.linalg.norm(gaps[known], axis=1))) if known.any() else np.inf


def nearest(people: Sequence[Person], track: Track) -> Person:
    """Return who was found in most frames within a torso's length of an actor."""

    def weight(person: Person) -> int:
        pairs = zip(person.frames, person.poses, strict=True)
        return sum(distance(pose, track, frame) < track.torsos[frame] for frame, pose in pairs)

    return max(people, key=weight)


def count_switches(person: Person, tracks: Sequence[Track]) -> int:
    """Return how often somebody who was found turns into another actor, for three frames or more.

    A find that is near nobody, or near another for a moment only, is false, but no switch.
    """
    owners = []
    for frame, pose in zip(person.frames, person.poses, strict=True):
        apart = [distance(pose, track, frame) / track.torsos[frame] for track in tracks]
        if np.nanmin([*apart, np.inf]) < NEAR:
            owners.append(int(np.nanargmin(apart)))
    lasting = [
        owner for owner, frames in groupby(owners) if len(list(frames)) >= FRAMES_OF_A_SWITCH
    ]
    return int(np.count_nonzero(np.diff(lasting)))


def sequence_of(person: Person, found: Detections) -> PoseSequence:
    """Return a person through the clip, missing where not found."""
    nobody = Pose(body=missing_joints(18), size=found.size)
    known = dict(zip(person.frames, person.poses, strict=True))
    poses = [known.get(frame, nobody) for frame in range(len(found))]
    return PoseSequence.from_poses(poses, rate=found.rate)


def judge(
    rough: PoseSequence, mended: PoseSequence, track: Track, *, cuts: Sequence[int] = ()
) -> tuple[float, ...]:
    """Compare what was found and what was made of it with the truth; returns FIGURES.

    Shares of frames and of joints; errors in torsos before and after, after in pixels; shares of
    joints within 0.1 and 0.2 of a torso; how much less what is left of the noise jitters; the
    error that repair adds to joints that were found, in pixels; and how far nods of the head
    follow the true ones, as a correlation.
    """
    true = places(track.sequence)
    known = np.isfinite(true[..., 0])
    before, after = gaps(rough, true), gaps(mended, true)
    apart = after / track.torsos[:, None]
    wrong = places(rough) - true
    left = places(mended) - places(smooth(track.sequence, cuts=cuts))
    return (
        float(confident(rough.body).any(axis=1)[known.any(axis=1)].mean()),
        float(confident(mended.body)[known].mean()),
        float(np.nanmean(before / track.torsos[:, None])),
        float(np.nanmean(apart)),
        float(np.nanmean(after)),
        float((apart[known] < 0.1).mean()),
        float((apart[known] < 0.2).mean()),
        acceleration(wrong) / acceleration(left),
        float(np.nanmean(after - before)),
        alike(nods(mended), nods(track.sequence)),
    )


def nods(sequence: PoseSequence) -> Float[np.ndarray, " t"]:
    """Return by how many radians the head looks down in each frame; NaN where there is none."""
    seen = seen_heads(tree_places(sequence.body))
    head = learn_head(seen, level=0.0)
    if head is None:
        return np.full(len(sequence), np.nan)
    turns, middles = find_attitudes(seen, head)
    return np.where(np.isfinite(middles[:, 0]), np.arcsin(turns[:, 2, 1].clip(-1, 1)), np.nan)


def alike(found: Float[np.ndarray, " t"], true: Float[np.ndarray, " t"]) -> float:
    """Return the correlation of two courses where both are known; NaN where one stands still."""
    known = np.isfinite(found) & np.isfinite(true)
    pair = np.array([found[known], true[known]])
    if not pair.size or (np.ptp(pair, axis=1) == 0).any():
        return np.nan
    return float(np.corrcoef(pair)[0, 1])


def gaps(sequence: PoseSequence, true: Places) -> Float[np.ndarray, "t 18"]:
    """Return how far joints are from the truth in pixels, NaN where one of both is missing."""
    distances: np.ndarray = np.linalg.norm(places(sequence) - true, axis=-1)
    return distances


def contact(
    frames: Sequence[Picture], mended: Sequence[PoseSequence], tracks: Sequence[Track]
) -> Picture:
    """Return some frames with what was found as limbs and the truth as white dots."""
    chosen = np.linspace(0, len(frames) - 1, PICTURES).round().astype(int)
    pictures = []
    for frame in chosen:
        picture = frames[frame] // 2
        for one in mended:
            picture = np.maximum(picture, draw_pose(one[frame], one.size))
        for track in tracks:
            for x, y in places(track.sequence)[frame]:
                if np.isfinite(x):
                    picture[max(0, int(y) - 1) : int(y) + 2, max(0, int(x) - 1) : int(x) + 2] = 255
        pictures.append(picture)
    return np.hstack(pictures)


if __name__ == "__main__":
    main()
