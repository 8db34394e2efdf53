"""Keep one person through a clip in which several are found."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import numpy as np

from poses.detections import Detections
from poses.errors import PoseError
from poses.frames import in_words
from poses.people import Person, box_of, find_people, fullest_frame
from poses.types import Pose, PoseSequence, missing_joints

NamedChoice = Literal["largest", "left", "right"]
PersonChoice = int | NamedChoice | tuple[float, float]
NAMED_CHOICES: Mapping[str, NamedChoice] = MappingProxyType(
    {"largest": "largest", "left": "left", "right": "right"}
)


@dataclass(frozen=True, eq=False)
class Selection:
    """One person through a clip, and how sure the choice is.

    lost: frames in which the person was not found; joined: frames at which the person was found
    again too long or too far away, or after a cut, to be sure that it is the same (possible
    identity switches); doubtful: frames in which another person, crossing, could nearly as well
    be meant; everyone: all people of the clip, whose numbers count from 1; number: who was kept.
    """

    sequence: PoseSequence
    lost: tuple[int, ...]
    joined: tuple[int, ...]
    doubtful: tuple[int, ...]
    everyone: tuple[Person, ...]
    number: int

    @property
    def people(self) -> int:
        """How many people are in the clip."""
        return len(self.everyone)

    @property
    def switches(self) -> int:
        """How often the person may have been exchanged for another."""
        return len(self.joined)

    def describe(self) -> str:
        """Say in one line who was kept and what is doubtful."""
        several = f"kept person {self.number} of {self.people}"
        text = several if self.people > 1 else "one person"
        if self.lost:
            text += f", not found in frames {in_words(self.lost)}"
        if self.joined:
            text += f", perhaps another from frames {in_words(self.joined)}"
        if self.doubtful:
            text += f", close to another in frames {in_words(self.doubtful)}"
        return text


def select_person(detections: Detections, person: PersonChoice = "largest") -> Selection:
    """Choose one person for the whole clip; frames in which that person is lost are missing.

    person: a number, counted from 1 by how much of the clip each fills, as `find_people` orders
    them; "largest", which is 1; "left" or "right", seen by the viewer; or a place (x, y) in
    pixels. Sides and places are those of the first frame that shows most people.
    Raises: PoseError P1 when nobody is in any frame, P3 when there is no such person, or the place
    is outside the frame.
    """
    check_place(person, detections.size)
    people = find_people(detections)
    if not people:
        raise PoseError("P1", "clip", f"no person in any of {len(detections)} frames")
    index = _index(people, person, "person")
    chosen = dict(zip(people[index].frames, people[index].poses, strict=True))
    nobody = Pose(body=missing_joints(18), size=detections.size)
    poses = [chosen.get(frame, nobody) for frame in range(len(detections))]
    return Selection(
        sequence=PoseSequence.from_poses(poses, rate=detections.rate),
        lost=tuple(frame for frame in range(len(detections)) if frame not in chosen),
        joined=people[index].joined,
        doubtful=people[index].doubtful,
        everyone=people,
        number=index + 1,
    )


def choose_pose(poses: Sequence[Pose], person: PersonChoice, *, subject: str = "person") -> int:
    """Return the index of the person meant among the poses of one picture, as `select_person`.

    subject: what the choice was given for. Raises: PoseError P3 when there is no such person.
    """
    return _index(tuple(Person(frames=(0,), poses=(pose,)) for pose in poses), person, subject)


def check_place(person: PersonChoice, size: tuple[int, int], *, subject: str = "person") -> None:
    """Refuse a place outside a frame of (width, height), where nobody can be; others are let be.

    subject: what the choice was given for. Raises: PoseError P3.
    """
    if isinstance(person, tuple) and not (person[0] <= size[0] and person[1] <= size[1]):
        place, frame = ",".join(f"{side:g}" for side in person), f"{size[0]}x{size[1]}"
        problem = f"{place} is outside the picture of {frame} pixels"
        raise PoseError("P3", subject, problem, "give x,y from its upper left corner")


def _index(people: tuple[Person, ...], person: PersonChoice, subject: str) -> int:
    if isinstance(person, int):
        if 1 <= person <= len(people):
            return person - 1
        found = "1 person is" if len(people) == 1 else f"{len(people)} people are"
        raise PoseError(
            "P3", subject, f"{person} does not exist: {found} found", f"choose 1 to {len(people)}"
        )
    if person == "largest":
        return 0
    frame = fullest_frame(people)
    boxes = {index: box_of(pose) for index, one in enumerate(people) if (pose := one.at(frame))}
    if isinstance(person, tuple):
        place = np.array(person)
        return min(boxes, key=lambda index: _distance(boxes[index], place))
    middles = {index: float(box[0] + box[2]) for index, box in boxes.items()}
    return (min if person == "left" else max)(middles, key=middles.__getitem__)


def _distance(box: np.ndarray, place: np.ndarray) -> float:
    """Return how far a place is from a box, and a little for how far from its middle."""
    outside = np.maximum(0, np.maximum(box[:2] - place, place - box[2:]))
    middle = np.linalg.norm((box[:2] + box[2:]) / 2 - place)
    return float(np.linalg.norm(outside) + 1e-3 * middle)
