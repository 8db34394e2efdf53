"""Keep one person through a clip in which several are found.

People are linked from frame to frame by the overlap of their boxes and the distance of their
joints (optimal assignment), and the person who is largest for longest is kept.
"""

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float
from scipy.optimize import linear_sum_assignment

from poses.errors import PoseError
from poses.extract import Detections
from poses.frames import in_words
from poses.types import Pose, PoseSequence, confident, missing_joints

MAX_COST = 1.0
MAX_ABSENCE_SECONDS = 1.0
MAX_SCALE_CHANGE = 1.6


@dataclass(frozen=True, eq=False)
class Selection:
    """One person through a clip, and how sure the choice is.

    lost: frames in which the person was not found; joined: frames at which the person was found
    again too long or too far away to be sure that it is the same (possible identity switches);
    people: the most seen at once.
    """

    sequence: PoseSequence
    lost: tuple[int, ...]
    joined: tuple[int, ...]
    people: int

    @property
    def switches(self) -> int:
        """How often the person may have been exchanged for another."""
        return len(self.joined)

    def describe(self) -> str:
        """Say in one line who was kept and what is doubtful."""
        text = f"kept one of {self.people} people" if self.people > 1 else "one person"
        if self.lost:
            text += f", not found in frames {in_words(self.lost)}"
        if self.joined:
            text += f", perhaps another from frames {in_words(self.joined)}"
        return text


@dataclass
class _Track:
    """One person as far as linked: frame indices and the poses there."""

    frames: list[int] = field(default_factory=list)
    poses: list[Pose] = field(default_factory=list)

    def add(self, frame: int, pose: Pose) -> None:
        self.frames.append(frame)
        self.poses.append(pose)

    @property
    def weight(self) -> float:
        return sum(_height(pose) for pose in self.poses)


def select_person(detections: Detections) -> Selection:
    """Choose one person for the whole clip; frames in which that person is lost are missing.

    Raises: PoseError P1 when nobody is in any frame.
    """
    tracks = _link(detections)
    if not tracks:
        raise PoseError("P1", "clip", f"no person in any of {len(detections)} frames")
    parts = _join(tracks)
    chosen = {
        frame: pose
        for track in parts
        for frame, pose in zip(track.frames, track.poses, strict=True)
    }
    nobody = Pose(body=missing_joints(18), size=detections.size)
    poses = [chosen.get(frame, nobody) for frame in range(len(detections))]
    return Selection(
        sequence=PoseSequence.from_poses(poses, rate=detections.rate),
        lost=tuple(frame for frame in range(len(detections)) if frame not in chosen),
        joined=tuple(track.frames[0] for track in parts[1:]),
        people=max(detections.counts),
    )


def link_cost(one: Pose, other: Pose) -> float:
    """How unlike two poses of neighbouring frames are: 0 the same, 1 and more another person.

    Half of it is 1 - IoU of the boxes; the other half the mean distance of shared joints in
    units of a quarter of the larger box's diagonal.
    """
    box, other_box = _box(one), _box(other)
    shared = confident(one.body) & confident(other.body)
    if not shared.any():
        return 2 * MAX_COST
    distance = np.linalg.norm(one.body[shared, :2] - other.body[shared, :2], axis=1).mean()
    diagonal = max(np.hypot(*(box[2:] - box[:2])), np.hypot(*(other_box[2:] - other_box[:2])), 1.0)
    return float((1 - _overlap(box, other_box)) / 2 + 2 * distance / diagonal)


def _link(detections: Detections) -> list[_Track]:
    """Follow everyone from frame to frame; a track survives a second of absence."""
    patience = max(1, round(MAX_ABSENCE_SECONDS * float(detections.rate)))
    tracks: list[_Track] = []
    for frame, people in enumerate(detections.people):
        visible = [pose for pose in people if confident(pose.body).any()]
        open_tracks = [track for track in tracks if frame - track.frames[-1] <= patience]
        matched = _match(open_tracks, visible)
        for index, pose in enumerate(visible):
            if index not in matched:
                tracks.append(_Track())
            track = matched.get(index, tracks[-1])
            track.add(frame, pose)
    return tracks


def _match(tracks: list[_Track], people: list[Pose]) -> dict[int, _Track]:
    """Assign people to tracks at the least total cost; too dear a pair stays unmatched."""
    if not tracks or not people:
        return {}
    costs = np.array([[link_cost(track.poses[-1], pose) for pose in people] for track in tracks])
    rows, columns = linear_sum_assignment(np.minimum(costs, MAX_COST))
    return {
        int(column): tracks[row]
        for row, column in zip(rows, columns, strict=True)
        if costs[row, column] < MAX_COST
    }


def _join(tracks: list[_Track]) -> list[_Track]:
    """Return the weightiest track and, in order of time, others that may carry it on.

    Another track carries on where no chosen one is present and the body is of like size.
    """
    ordered = sorted(tracks, key=lambda track: track.weight, reverse=True)
    chosen = [ordered[0]]
    for track in ordered[1:]:
        if all(_apart(track, other) for other in chosen) and _like_size(track, chosen[0]):
            chosen.append(track)
    return sorted(chosen, key=lambda track: track.frames[0])


def _apart(one: _Track, other: _Track) -> bool:
    return one.frames[-1] < other.frames[0] or other.frames[-1] < one.frames[0]


def _like_size(one: _Track, other: _Track) -> bool:
    heights = [float(np.median([_height(pose) for pose in track.poses])) for track in (one, other)]
    return max(heights) <= MAX_SCALE_CHANGE * min(heights)


def _box(pose: Pose) -> Float[np.ndarray, "4"]:
    """Return left, top, right, bottom of the confident joints."""
    known = pose.body[confident(pose.body), :2]
    return np.concatenate([known.min(axis=0), known.max(axis=0)])


def _height(pose: Pose) -> float:
    """Return the larger side of the body's box."""
    box = _box(pose)
    return float(max(box[2:] - box[:2]))


def _overlap(one: Float[np.ndarray, "4"], other: Float[np.ndarray, "4"]) -> float:
    """Return the intersection over union of two boxes."""
    shared = np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2])
    inside = float(np.prod(shared.clip(min=0)))
    areas = float(np.prod(one[2:] - one[:2]) + np.prod(other[2:] - other[:2]))
    return inside / (areas - inside) if areas > inside else 0.0
