"""Tell the people of a clip apart: who is who from frame to frame.

Everyone is expected where the way so far leads. Expected and found are matched at the least total
cost, made of the overlap of their boxes and the distance of their joints. What belongs to one
person but is interrupted for long, or by a cut, is joined afterwards and named as doubtful.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Float
from scipy.optimize import linear_sum_assignment

from poses.detections import Detections
from poses.types import Pose, confident

MAX_COST = 1.0
MAX_ABSENCE_SECONDS = 1.0
LEAST_PATIENCE_SECONDS = 0.2
MOTION_SECONDS = 0.2
MAX_FORESIGHT_SECONDS = 0.5
MAX_SCALE_CHANGE = 1.6
MINIMUM_SHARE = 0.02
DOUBT = 0.15

Box = Float[np.ndarray, "4"]


@dataclass(frozen=True, eq=False)
class Person:
    """One person of a clip: poses[k] belongs to frame frames[k].

    joined: frames at which the person came back too late, too far away or after a cut, so that
    it may be another; doubtful: frames in which another could nearly as well be taken.
    """

    frames: tuple[int, ...]
    poses: tuple[Pose, ...]
    joined: tuple[int, ...] = ()
    doubtful: tuple[int, ...] = ()

    @property
    def weight(self) -> float:
        """How much of the clip the person fills: the sum of heights over the frames, in pixels."""
        return sum(height_of(pose) for pose in self.poses)

    def at(self, frame: int) -> Pose | None:
        """Return the pose in a frame, or None where the person is not seen."""
        return self.poses[self.frames.index(frame)] if frame in self.frames else None


def find_people(detections: Detections) -> tuple[Person, ...]:
    """Return everyone in the clip, who is largest for longest first.

    Whoever fills less than a fiftieth of what the first does is taken for a false find.
    """
    rest = sorted(
        _link(detections), key=lambda track: sum(map(height_of, track.poses)), reverse=True
    )
    people: list[Person] = []
    while rest:
        parts = _join(rest, cuts=detections.cuts)
        people.append(_person(parts))
        rest = [track for track in rest if track not in parts]
    people.sort(key=lambda person: person.weight, reverse=True)
    return tuple(one for one in people if one.weight >= MINIMUM_SHARE * people[0].weight)


def fullest_frame(people: Sequence[Person]) -> int:
    """Return the first frame that shows most of these people."""
    frames = [frame for person in people for frame in person.frames]
    numbers, counts = np.unique(frames, return_counts=True)
    return int(numbers[counts.argmax()])


def link_cost(one: Pose, other: Pose) -> float:
    """How unlike two poses of neighbouring frames are: 0 the same, 1 and more another person.

    Half of it is 1 - IoU of the boxes; the other half the mean distance of shared joints in
    units of a quarter of the larger box's diagonal.
    """
    box, other_box = box_of(one), box_of(other)
    shared = confident(one.body) & confident(other.body)
    if not shared.any():
        return 2 * MAX_COST
    distance = np.linalg.norm(one.body[shared, :2] - other.body[shared, :2], axis=1).mean()
    diagonal = max(np.hypot(*(box[2:] - box[:2])), np.hypot(*(other_box[2:] - other_box[:2])), 1.0)
    return float((1 - _overlap(box, other_box)) / 2 + 2 * distance / diagonal)


def box_of(pose: Pose) -> Box:
    """Return left, top, right, bottom of the confident joints, of which there must be one."""
    known = pose.body[confident(pose.body), :2]
    return np.concatenate([known.min(axis=0), known.max(axis=0)])


def height_of(pose: Pose) -> float:
    """Return the larger side of the body's box in pixels."""
    box = box_of(pose)
    return float(max(box[2:] - box[:2]))


@dataclass(eq=False)
class _Track:
    """One person as far as linked without interruption."""

    frames: list[int] = field(default_factory=list)
    poses: list[Pose] = field(default_factory=list)
    doubtful: list[int] = field(default_factory=list)

    def expected(self, frame: int, rate: float) -> Pose:
        """Return the last pose, carried on at the speed of the last moments."""
        back = bisect_left(self.frames, self.frames[-1] - max(1, round(MOTION_SECONDS * rate)))
        last, earlier = self.poses[-1], self.poses[back]
        shared = confident(last.body) & confident(earlier.body)
        if self.frames[back] == self.frames[-1] or not shared.any():
            return last
        way = np.median(last.body[shared, :2] - earlier.body[shared, :2], axis=0)
        ahead = min(frame - self.frames[-1], max(1, round(MAX_FORESIGHT_SECONDS * rate)))
        shift = way * ahead / (self.frames[-1] - self.frames[back])
        return replace(last, body=last.body + np.append(shift, 0.0))


def _link(detections: Detections) -> list[_Track]:
    """Follow everyone from frame to frame; a track survives a second of absence, but no cut.

    Whoever was seen for less is waited for no longer than that, so that a false find of a moment
    does not take the place of somebody who comes back; but a fifth of a second at least.
    """
    rate = float(detections.rate)
    least, most = (
        max(1, round(seconds * rate)) for seconds in (LEAST_PATIENCE_SECONDS, MAX_ABSENCE_SECONDS)
    )
    tracks: list[_Track] = []
    first_open = 0
    for frame, people in enumerate(detections.people):
        if frame in detections.cuts:
            first_open = len(tracks)
        visible = [pose for pose in people if confident(pose.body).any()]
        within = [
            track
            for track in tracks[first_open:]
            if frame - track.frames[-1] <= min(max(least, len(track.frames)), most)
        ]
        matched = _match(within, visible, frame=frame, rate=rate)
        for index, pose in enumerate(visible):
            if index not in matched:
                tracks.append(_Track())
            track = matched.get(index, tracks[-1])
            track.frames.append(frame)
            track.poses.append(pose)
    return tracks


def _match(
    tracks: list[_Track], people: list[Pose], *, frame: int, rate: float
) -> dict[int, _Track]:
    """Assign people to tracks at the least total cost; too dear a pair stays unmatched."""
    if not tracks or not people:
        return {}
    expected = [track.expected(frame, rate) for track in tracks]
    costs = np.array([[link_cost(pose, found) for found in people] for pose in expected])
    costs = np.minimum(costs, MAX_COST)
    rows, columns = linear_sum_assignment(costs)
    pairs = [pair for pair in zip(rows, columns, strict=True) if costs[pair] < MAX_COST]
    left_over = set(range(len(tracks))) - {row for row, _ in pairs}
    for row, column in pairs:
        others = [(one, other) for one, other in pairs if one != row]
        exchanged = [
            costs[row, other] + costs[one, column] - costs[row, column] - costs[one, other]
            for one, other in others
        ]
        exchanged += [costs[one, column] - costs[row, column] for one in left_over]
        if min(exchanged, default=MAX_COST) < DOUBT:
            tracks[row].doubtful.append(frame)
    return {int(column): tracks[row] for row, column in pairs}


def _join(ordered: list[_Track], *, cuts: Sequence[int]) -> list[_Track]:
    """Return the weightiest track and, in order of time, others that may carry it on.

    Another track carries on where no chosen one is present and the body is of like size, or a
    cut lies between.
    """
    chosen = [ordered[0]]
    for track in ordered[1:]:
        if all(_apart(track, other) for other in chosen) and any(
            _like_size(track, other) or _cut_between(track, other, cuts) for other in chosen
        ):
            chosen.append(track)
    return sorted(chosen, key=lambda track: track.frames[0])


def _person(parts: list[_Track]) -> Person:
    return Person(
        frames=tuple(frame for track in parts for frame in track.frames),
        poses=tuple(pose for track in parts for pose in track.poses),
        joined=tuple(track.frames[0] for track in parts[1:]),
        doubtful=tuple(frame for track in parts for frame in track.doubtful),
    )


def _apart(one: _Track, other: _Track) -> bool:
    return one.frames[-1] < other.frames[0] or other.frames[-1] < one.frames[0]


def _like_size(one: _Track, other: _Track) -> bool:
    heights = [float(np.median([height_of(pose) for pose in part.poses])) for part in (one, other)]
    return max(heights) <= MAX_SCALE_CHANGE * min(heights)


def _cut_between(one: _Track, other: _Track, cuts: Sequence[int]) -> bool:
    first, second = sorted((one, other), key=lambda track: track.frames[0])
    return any(first.frames[-1] < cut <= second.frames[0] for cut in cuts)


def _overlap(one: Box, other: Box) -> float:
    """Return the intersection over union of two boxes."""
    shared = np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2])
    inside = float(np.prod(shared.clip(min=0)))
    areas = float(np.prod(one[2:] - one[:2]) + np.prod(other[2:] - other[:2]))
    return inside / (areas - inside) if areas > inside else 0.0
