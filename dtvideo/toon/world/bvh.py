"""Motions read from BVH files, the text format of motion capture."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Float

from dtvideo.toon.world.capture import SIDES, Points, motion_from_joints
from dtvideo.toon.world.motion import Motion
from poses.errors import PoseError

BVH_JOINTS = {  # what files call the joints; the first that a file has is taken
    "shoulder": ("arm", "shoulder", "shldr", "upperarm"),
    "elbow": ("forearm", "elbow", "lowerarm"),
    "wrist": ("hand", "wrist"),
    "hip": ("upleg", "hip", "thigh", "upperleg"),
    "knee": ("leg", "knee", "shin", "lowerleg"),
    "ankle": ("foot", "ankle"),
    "toe": ("toebase", "toes", "toe"),
}


@dataclass
class _Node:
    """One joint of a BVH hierarchy: its parent's place in the list, and its channels."""

    name: str
    parent: int
    offset: list[float] = field(default_factory=list)
    channels: list[str] = field(default_factory=list)


def read_bvh(path: Path) -> Motion:
    """Read a BVH file: y up, joints named as CMU, Mixamo or Biovision name them.

    Raises: PoseError when it is no BVH file, is cut short or lacks a joint.
    """
    header, found, body = path.read_text(errors="replace").partition("MOTION")
    if not found or "HIERARCHY" not in header:
        raise _bad(path, "no HIERARCHY and MOTION sections")
    try:
        nodes = _nodes(path, header)
        frames, step = _frames(path, body, channels=sum(len(node.channels) for node in nodes))
        places, turns = _forward(nodes, frames)
    except ValueError as error:
        raise _bad(path, f"a number or a channel cannot be read ({error})") from error
    joints = _named_joints(path, nodes, places, turns)
    return motion_from_joints(path.stem, joints, seconds=np.arange(len(frames)) * step)


def _bad(path: Path, problem: str) -> PoseError:
    return PoseError("P6", path, problem, "give a BVH file of a whole body")


def _nodes(path: Path, header: str) -> list[_Node]:
    nodes: list[_Node] = []
    open_nodes: list[int] = []
    for line in header.splitlines():
        words = line.split()
        match words:
            case ["ROOT" | "JOINT" | "End", *name]:
                nodes.append(_Node(" ".join(name), open_nodes[-1] if open_nodes else -1))
            case ["{", *_]:
                open_nodes.append(len(nodes) - 1)
            case ["}", *_] if open_nodes:
                open_nodes.pop()
            case ["OFFSET", x, y, z] if nodes:
                nodes[-1].offset = [float(x), float(y), float(z)]
            case ["CHANNELS", _, *channels] if nodes:
                nodes[-1].channels = channels
    if not nodes or any(len(node.offset) != 3 for node in nodes):
        raise _bad(path, "a joint has no OFFSET")
    return nodes


def _frames(
    path: Path, body: str, *, channels: int
) -> tuple[Float[np.ndarray, "t channels"], float]:
    count = re.search(r"Frames:\s*(\d+)", body)
    step = re.search(r"Frame Time:\s*(\S+)", body)
    if not count or not step:
        raise _bad(path, "no Frames or no Frame Time")
    if int(count[1]) < 2 or not float(step[1]) > 0:
        raise _bad(path, f"{count[1]} frames, {step[1]} seconds apart")
    values = np.array(body[step.end() :].split(), dtype=np.float64)
    wanted = int(count[1]) * channels
    if len(values) < wanted:
        raise _bad(path, f"{len(values)} numbers, not {count[1]} frames of {channels} channels")
    if not np.isfinite(values).all():
        raise _bad(path, "a number is not finite")
    return values[:wanted].reshape(-1, channels), float(step[1])


def _forward(
    nodes: Sequence[_Node], frames: Float[np.ndarray, "t channels"]
) -> tuple[list[Points], list[Float[np.ndarray, "t 3 3"]]]:
    """Follow the hierarchy: the place and the turn of every joint in every frame."""
    places: list[Points] = []
    turns: list[Float[np.ndarray, "t 3 3"]] = []
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


def _local(
    node: _Node, values: Float[np.ndarray, "t channels"]
) -> tuple[Points, Float[np.ndarray, "t 3 3"]]:
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


def _named_joints(
    path: Path,
    nodes: Sequence[_Node],
    places: Sequence[Points],
    turns: Sequence[Float[np.ndarray, "t 3 3"]],
) -> dict[str, Points]:
    index = {_plain(node.name): number for number, node in enumerate(nodes)}
    head = _find(path, index, ["head"])
    crown = next((number for number, node in enumerate(nodes) if node.parent == head), None)
    if crown is None:
        raise _bad(path, "the head has no End Site")
    # The head looks along +z of the rest pose, turned with it.
    joints = {"crown": places[crown], "face": turns[head][:, :, 2]}
    for side in SIDES:
        for joint, words in BVH_JOINTS.items():
            names = [name for word in words for name in (side + word, side[0] + word)]
            joints[f"{side}_{joint}"] = places[_find(path, index, names)]
    return joints


def _find(path: Path, index: Mapping[str, int], names: Sequence[str]) -> int:
    for name in names:
        if name in index:
            return index[name]
    raise _bad(path, f"no joint named {' or '.join(names)}")


def _plain(name: str) -> str:
    return name.split(":")[-1].replace("_", "").lower()
