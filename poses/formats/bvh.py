"""BVH, the text format of motion capture: a body's joints in space, read by the names they have.

Files do not agree on names: CMU's, Mixamo's, Biovision's and those that end in a side
(`UpperArm_L`, `upper_arm.L`) are understood. The y axis points up.
"""

import re
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import numpy as np
from jaxtyping import Float

from poses.errors import PoseError
from poses.formats.safe_json import MAX_BYTES, MAX_FRAMES

SIDES = ("right", "left")
MOST_FRAMES_PER_SECOND = 1000
WHOLE_WITHIN = 0.005
NAMES = {  # what files call the joints; the first that a file has is taken
    "shoulder": ("arm", "upperarm", "shoulder", "shldr"),
    "elbow": ("forearm", "elbow", "lowerarm"),
    "wrist": ("hand", "wrist"),
    "hip": ("upleg", "hip", "thigh", "upperleg"),
    "knee": ("leg", "knee", "shin", "lowerleg"),
    "ankle": ("foot", "ankle"),
    "toe": ("toebase", "toes", "toe"),
}
DISPENSABLE = ("toe",)

Points = Float[np.ndarray, "t 3"]
Turns = Float[np.ndarray, "t 3 3"]


@dataclass(frozen=True, eq=False)
class Capture:
    """The joints of a captured body through a take, in the file's unit of length, y up.

    joints: head and right_ and left_ shoulder, elbow, wrist, hip, knee and ankle; where the file
    has them, crown (the end of the head), right_toe and left_toe. face: where the head looks,
    unit vectors. step: seconds from frame to frame.
    """

    joints: Mapping[str, Points]
    face: Points
    step: float

    def __len__(self) -> int:
        return len(self.face)

    @property
    def rate(self) -> Fraction:
        """Frames per second: a whole number or one of NTSC's if that is within half a per cent."""
        rate = 1 / self.step
        near = [Fraction(round(rate)), Fraction(round(rate * 1.001) * 1000, 1001)]
        best = min(near, key=lambda known: abs(float(known) - rate))
        if best > 0 and abs(float(best) - rate) <= WHOLE_WITHIN * rate:
            return best
        return Fraction(rate).limit_denominator(1001)


@dataclass
class _Node:
    """One joint of the hierarchy: its parent's place in the list, and its channels."""

    name: str
    parent: int
    offset: list[float] = field(default_factory=list)
    channels: list[str] = field(default_factory=list)


def is_bvh(path: Path) -> bool:
    """Tell whether a file begins as BVH files do, whatever its name; one that is unreadable not."""
    try:
        if not path.is_file():
            return False
        with path.open("rb") as file:
            return file.read(64).removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"HIERARCHY")
    except OSError:
        return False


def read_bvh(path: Path) -> Capture:
    """Read a BVH file of a whole body.

    Raises: PoseError V1 when it cannot be read, P6 when it is no BVH file, is cut short, too
    large or lacks a joint.
    """
    header, found, body = _text(path).partition("MOTION")
    if not found or "HIERARCHY" not in header:
        raise bad_bvh(path, "no HIERARCHY and MOTION sections")
    try:
        nodes = _nodes(path, header)
        frames, step = _frames(path, body, channels=sum(len(node.channels) for node in nodes))
        places, turns = _forward(nodes, frames)
    except ValueError as error:
        raise bad_bvh(path, f"a number or a channel cannot be read ({error})") from error
    return _named(path, nodes, places, turns, step=step)


def bad_bvh(path: Path, problem: str) -> PoseError:
    """Return the error for a BVH file that cannot be used."""
    return PoseError("P6", path, problem, "give a BVH file of a whole body")


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise bad_bvh(path, f"is {path.stat().st_size} bytes long, more than {MAX_BYTES}")
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise PoseError("V1", path, f"cannot be read ({error.strerror})", "check it") from error


def _nodes(path: Path, header: str) -> list[_Node]:
    """Read the hierarchy word by word, for lines and spaces about braces mean nothing."""
    nodes: list[_Node] = []
    open_nodes: list[int] = []
    words = deque(re.findall(r"[{}]|[^\s{}]+", header))
    while words:
        match words.popleft():
            case "ROOT" | "JOINT" | "End":
                name = []
                while words and words[0] not in "{}":
                    name.append(words.popleft())
                nodes.append(_Node(" ".join(name), open_nodes[-1] if open_nodes else -1))
            case "{":
                open_nodes.append(len(nodes) - 1)
            case "}" if open_nodes:
                open_nodes.pop()
            case "OFFSET" if nodes:
                nodes[-1].offset = [float(word) for word in _taken(words, 3)]
            case "CHANNELS" if nodes and words:
                nodes[-1].channels = _taken(words, int(words.popleft()))
    if not nodes or any(len(node.offset) != 3 for node in nodes):
        raise bad_bvh(path, "a joint has no OFFSET")
    if not all(np.isfinite(node.offset).all() for node in nodes):
        raise bad_bvh(path, "an OFFSET is not finite")
    return nodes


def _taken(words: deque[str], count: int) -> list[str]:
    """Take the next words away, as many as there are."""
    return [words.popleft() for _ in range(min(count, len(words)))]


def _frames(
    path: Path, body: str, *, channels: int
) -> tuple[Float[np.ndarray, "t channels"], float]:
    count = re.search(r"Frames:\s*(\d{1,9})\s", body)
    step = re.search(r"Frame Time:\s*(\S+)", body)
    if not count or not step:
        raise bad_bvh(path, "no Frames or no Frame Time")
    frames, seconds = int(count[1]), float(step[1])
    if not 2 <= frames <= MAX_FRAMES or not 1 / MOST_FRAMES_PER_SECOND <= seconds <= 10:
        raise bad_bvh(path, f"{count[1]} frames, {step[1]} seconds apart")
    values = np.array(body[step.end() :].split(), dtype=np.float64)
    wanted = frames * channels
    if len(values) < wanted:
        raise bad_bvh(path, f"{len(values)} numbers, not {count[1]} frames of {channels} channels")
    if not np.isfinite(values).all():
        raise bad_bvh(path, "a number is not finite")
    return values[:wanted].reshape(frames, channels), seconds


def _forward(
    nodes: Sequence[_Node], frames: Float[np.ndarray, "t channels"]
) -> tuple[list[Points], list[Turns]]:
    """Follow the hierarchy: the place and the turn of every joint in every frame."""
    places: list[Points] = []
    turns: list[Turns] = []
    first = 0
    for node in nodes:
        values = frames[:, first : first + len(node.channels)]
        first += len(node.channels)
        offset, turn = _local(node, values)
        if node.parent >= 0:
            offset = places[node.parent] + np.einsum("tij,tj->ti", turns[node.parent], offset)
            turn = turns[node.parent] @ turn
        places.append(offset)
        turns.append(turn)
    return places, turns


def _local(node: _Node, values: Float[np.ndarray, "t channels"]) -> tuple[Points, Turns]:
    from scipy.spatial.transform import Rotation

    axes = [channel[0].upper() for channel in node.channels]
    turning = [channel.lower().endswith("rotation") for channel in node.channels]
    offset = np.tile(np.array(node.offset), (len(values), 1))
    for column, axis in enumerate(axes):
        if not turning[column]:
            offset[:, "XYZ".index(axis)] += values[:, column]
    order = "".join(axis for axis, turns in zip(axes, turning, strict=True) if turns)
    if not order:
        return offset, np.tile(np.eye(3), (len(values), 1, 1))
    return offset, Rotation.from_euler(order, values[:, turning], degrees=True).as_matrix()


def _named(
    path: Path,
    nodes: Sequence[_Node],
    places: Sequence[Points],
    turns: Sequence[Turns],
    *,
    step: float,
) -> Capture:
    index = {_plain(node.name): number for number, node in enumerate(nodes)}
    head = _find(path, index, ["head"])
    joints = {"head": places[head]}
    for number, node in enumerate(nodes):
        if node.parent == head:
            joints.setdefault("crown", places[number])
    for side in SIDES:
        for joint, words in NAMES.items():
            names = [name for word in words for name in _sided(word, side)]
            if joint not in DISPENSABLE or any(name in index for name in names):
                joints[f"{side}_{joint}"] = places[_find(path, index, names)]
    # The head looks along +z of the rest pose, turned with it.
    return Capture(joints, turns[head][:, :, 2], step)


def _sided(word: str, side: str) -> tuple[str, ...]:
    return side + word, side[0] + word, word + side, word + side[0]


def _find(path: Path, index: Mapping[str, int], names: Sequence[str]) -> int:
    for name in names:
        if name in index:
            return index[name]
    raise bad_bvh(path, f"no joint named {' or '.join(names)}")


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.rpartition(":")[2].lower())
