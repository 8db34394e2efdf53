"""Find people in the frames of a clip with whichever detector is at hand.

Detectors work beside the reading of frames, several at once if there are several; what they find
does not depend on how many there are. A detector that finds one person looks again, with that
person painted out, once a second, and in every frame of a second that begins with several people.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from fractions import Fraction
from queue import SimpleQueue

import numpy as np

from poses.crowd import find_everyone
from poses.cuts import CutFinder
from poses.detections import Detections
from poses.detectors import Picture, PoseDetector
from poses.errors import PoseError
from poses.types import Joints, Pose, missing_joints, parts_of

FRAMES_AHEAD = 2
LOOK_AGAIN_SECONDS = 1.0


def extract_poses(
    frames: Iterable[Picture],
    detector: PoseDetector | Sequence[PoseDetector],
    *,
    rate: Fraction = Fraction(25),
    subject: str = "video",
    everyone: bool = False,
) -> Detections:
    """Run a detector over frames and keep what it finds; the frames themselves are let go.

    detector: one, or several alike, each of which works in a thread of its own; they must not
    remember earlier frames then. everyone: look for further people in every frame.
    Joints that are not finite, lie outside the frame or at (0, 0) become missing.
    `subject` names the clip in error messages.
    Raises: PoseError V5 without frames, V13 when the size changes, P1 when nobody is found.
    """
    detectors = [detector] if isinstance(detector, PoseDetector) else list(detector)
    watch = _Watch(detectors, every=1 if everyone else _interval(rate), subject=subject)
    with ThreadPoolExecutor(len(detectors)) as pool:
        for frame in frames:
            watch.add(frame, pool)
        watch.finish()
    size, people, first = watch.size, watch.people, detectors[0]
    if size is None:
        raise PoseError("V5", subject, "has 0 frames to find a person in", "give another clip")
    if not any(people):
        count = len(people)
        seen = f"any of {count} frames (0-{count - 1})" if count > 1 else "its only frame"
        raise PoseError(
            "P1",
            subject,
            f"no person found in {seen} by {first.name} on {first.device}",
            "use a clip that shows a whole person, another detector, or key points from a file",
        )
    return Detections(
        people=tuple(people),
        size=size,
        rate=rate,
        detector=first.name,
        licence=first.licence,
        device=first.device,
        cuts=watch.cuts.found,
    )


def _interval(rate: Fraction) -> int:
    return max(1, round(LOOK_AGAIN_SECONDS * float(rate)))


@dataclass(eq=False)
class _Watch:
    """Frames on their way through the detectors; `people` fills up in their order.

    every: how many frames apart a detector that finds one person looks for further ones.
    """

    detectors: list[PoseDetector]
    every: int
    subject: str
    size: tuple[int, int] | None = None
    people: list[tuple[Pose, ...]] = field(default_factory=list)
    cuts: CutFinder = field(default_factory=CutFinder)

    def __post_init__(self) -> None:
        self._free: SimpleQueue[PoseDetector] = SimpleQueue()
        for detector in self.detectors:
            self._free.put(detector)
        self._finds_one = bool(getattr(self.detectors[0], "finds_one", False))
        self._under_way: deque[Future[tuple[Pose, ...]]] = deque()
        self._leader: Future[tuple[Pose, ...]] | None = None
        self._count = 0

    def add(self, frame: Picture, pool: ThreadPoolExecutor) -> None:
        """Hand a frame to the pool; waits while enough others are under way."""
        here = (frame.shape[1], frame.shape[0])
        if self.size is not None and here != self.size:
            problem = f"frame {self._count} is {here}, those before it {self.size}"
            raise PoseError("V13", self.subject, problem, "use one size")
        self.size = here
        self.cuts.add(frame)
        leads = self._count % self.every == 0
        found = pool.submit(self._look, frame, None if leads else self._leader)
        if leads:
            self._leader = found
        self._under_way.append(found)
        self._count += 1
        while len(self._under_way) > FRAMES_AHEAD * len(self.detectors):
            self.people.append(self._under_way.popleft().result())

    def finish(self) -> None:
        """Wait for the frames that are still under way."""
        self.people.extend(found.result() for found in self._under_way)

    def _look(self, frame: Picture, leader: Future[tuple[Pose, ...]] | None) -> tuple[Pose, ...]:
        """Find who is in a frame; more than one only where the leader's frame shows several."""
        several = self._finds_one and (leader is None or len(leader.result()) > 1)
        detector = self._free.get()
        try:
            poses = find_everyone(detector, frame) if several else detector.detect(frame)
        finally:
            self._free.put(detector)
        found = (_without_impossible(pose) for pose in poses)
        return tuple(pose for pose in found if pose.body[:, 2].any())


def _without_impossible(pose: Pose) -> Pose:
    width, height = pose.size
    parts = {
        name: _within(part, width=width, height=height) for name, part in parts_of(pose).items()
    }
    return Pose(size=pose.size, **parts)


def _within(joints: Joints, *, width: int, height: int) -> Joints:
    x, y, confidence = joints.T
    real = np.isfinite(joints).all(axis=1) & (confidence > 0) & ((x != 0) | (y != 0))
    inside = (x >= 0) & (y >= 0) & (x <= width) & (y <= height)
    return np.where((real & inside)[:, None], joints, missing_joints(len(joints)))
