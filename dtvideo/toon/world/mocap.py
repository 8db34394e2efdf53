"""Motion capture turned into motions: BVH files, and the clips that come with Bullet.

    python -m dtvideo.toon.world.mocap --bullet DIR --bvh FILES -o motions.npz

remakes the file that `dtvideo.toon.world.motion` reads. DIR is the folder `data/motions` of
the package pybullet_data (PyPI `pybullet` 3.2.7, zlib licence); FILES are `01_01.bvh` and
`01_03.bvh` of the CMU Graphics Lab Motion Capture Database (Debian `assimp-testmodels`).
"""

import argparse
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import numpy as np
from jaxtyping import Float

from dtvideo.toon.world.figure import BODY_DIRECTIONS
from dtvideo.toon.world.motion import Motion, pack, unit
from poses.errors import PoseError

RATE = Fraction(30)
PART_SECONDS = 6  # a long take is cut into parts of about this length
WALK_SECONDS = 0.75  # what the pelvis does in longer than this is a walk, not a sway
HIGHEST = 0.7  # torso lengths above standing; a body that climbs higher stays there
LOOP_DEGREES = 25.0  # a clip whose ends are nearer than this is closed to a loop

Points = Float[np.ndarray, "t 3"]
Joints = Mapping[str, Points]

BULLET_SOURCE = "humanoid3d motions of Bullet Physics (pybullet_data 3.2.7)"
CMU_SOURCE = "CMU Graphics Lab Motion Capture Database, subject 1, BVH conversion by B. Hahne"
CMU_TAKES = {"01_01": "leaps", "01_03": "climb"}
CALIBRATION_FRAMES = 2  # a CMU take begins with the actor in a T

# --------------------------------------------------------------- joints to motions

SIDES = ("right", "left")
LIMBS = {
    "upper_arm": ("shoulder", "elbow"),
    "forearm": ("elbow", "wrist"),
    "thigh": ("hip", "knee"),
    "shin": ("knee", "ankle"),
    "foot": ("ankle", "toe"),
}


def motion_from_joints(name: str, joints: Joints, *, seconds: Float[np.ndarray, "t"]) -> Motion:
    """Turn the paths of a body's joints into a motion at RATE.

    joints: crown, face (where the head looks, a unit vector) and right_ and left_ shoulder,
    elbow, wrist, hip, knee, ankle and toe, in any unit of length, y up; seconds: when.
    The walk over the ground is taken out (the sway stays), and the body is turned so that it
    faces +z on the whole.
    """
    count = int(seconds[-1] * float(RATE) + 0.1) + 1
    times = np.minimum(np.arange(count) / float(RATE), seconds[-1])
    joints = {key: _resample(path, seconds, times) for key, path in joints.items()}
    pelvis = (joints["right_hip"] + joints["left_hip"]) / 2
    neck = (joints["right_shoulder"] + joints["left_shoulder"]) / 2
    torso = float(np.median(np.linalg.norm(neck - pelvis, axis=1)))
    root = (pelvis - [0, _standing_height(joints), 0]) / torso
    directions = _directions(joints, pelvis=pelvis, neck=neck)
    directions, root = _face_viewer(directions, root)
    loop = _gap_degrees(directions) < LOOP_DEGREES
    root = _in_place(root)
    if loop:
        directions, root = unit(_closed(directions)), _closed(root)
    return Motion(name, directions.astype(np.float32), root.astype(np.float32), RATE, loop)


def _directions(joints: Joints, *, pelvis: Points, neck: Points) -> Float[np.ndarray, "t bones 3"]:
    bones = {
        "spine": neck - pelvis,
        "head": joints["crown"] - neck,
        "face": joints["face"],
        "shoulders": joints["left_shoulder"] - joints["right_shoulder"],
        "hips": joints["left_hip"] - joints["right_hip"],
    }
    bones["chest"] = np.cross(bones["shoulders"], bones["spine"])
    for side in SIDES:
        for limb, (start, end) in LIMBS.items():
            bones[f"{side}_{limb}"] = joints[f"{side}_{end}"] - joints[f"{side}_{start}"]
    return unit(np.stack([bones[name] for name in BODY_DIRECTIONS], axis=1))


def _resample(
    path: Points, seconds: Float[np.ndarray, "t"], times: Float[np.ndarray, "n"]
) -> Float[np.ndarray, "n 3"]:
    from scipy.interpolate import CubicSpline

    resampled: np.ndarray = CubicSpline(seconds, path)(times)
    return resampled


def _standing_height(joints: Joints) -> float:
    """Return how high the pelvis is in standing: the length of a leg above the lower ankle."""
    low = np.minimum(joints["right_ankle"][:, 1], joints["left_ankle"][:, 1])
    bones = (("hip", "knee"), ("knee", "ankle"))
    leg = sum(
        np.linalg.norm(joints[f"right_{start}"] - joints[f"right_{end}"], axis=1).mean()
        for start, end in bones
    )
    return float(np.percentile(low, 5) + leg)


def _face_viewer(
    directions: Float[np.ndarray, "t bones 3"], root: Points
) -> tuple[Float[np.ndarray, "t bones 3"], Points]:
    """Turn a body about the vertical until its chest faces +z on the whole."""
    x, _, z = directions[:, BODY_DIRECTIONS.index("chest")].mean(axis=0)
    length = np.hypot(x, z)
    cos, sin = z / length, x / length
    turn = np.array([[cos, 0, -sin], [0, 1, 0], [sin, 0, cos]])
    return directions @ turn.T, root @ turn.T


def _in_place(root: Points) -> Points:
    """Keep a path near its origin: take out the walk, keep the sway, and stop high climbs."""
    from scipy.ndimage import gaussian_filter1d

    part = np.linspace(0, 1, len(root))[:, None]
    path = root - root[0] - (root[-1] - root[0]) * part
    path = path - gaussian_filter1d(path, WALK_SECONDS * float(RATE), axis=0, mode="nearest")
    path[:, 1] = np.minimum(root[:, 1], HIGHEST)
    return path


def _gap_degrees(directions: Float[np.ndarray, "t bones 3"]) -> float:
    cosines = (directions[0] * directions[-1]).sum(axis=-1)
    return float(np.degrees(np.arccos(np.clip(cosines, -1, 1))).max())


def _closed(track: Float[np.ndarray, "t *shape"]) -> Float[np.ndarray, "n *shape"]:
    """Spread the difference between the ends over a track and drop the last frame."""
    part = np.linspace(0, 1, len(track)).reshape(-1, *[1] * (track.ndim - 1))
    closed: np.ndarray = (track - (track[-1] - track[0]) * (part - 0.5))[:-1]
    return closed


def parts(take: Motion) -> list[Motion]:
    """Cut a long take into parts "NAME/1", "NAME/2", ... ; a short one stays whole."""
    count = round(take.seconds / PART_SECONDS)
    if count < 2:
        return [take]
    pieces = np.array_split(np.arange(len(take)), count)
    return [
        Motion(f"{take.name}/{number}", take.directions[piece], take.root[piece], RATE, False)
        for number, piece in enumerate(pieces, start=1)
    ]


# --------------------------------------------------------------- BVH

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
    nodes = _nodes(path, header)
    frames, step = _frames(path, body, channels=sum(len(node.channels) for node in nodes))
    places, turns = _forward(nodes, frames)
    joints = _named_joints(path, nodes, places) | {"face": _face(nodes, places, turns)}
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
    values = np.array(body[step.end() :].split(), dtype=np.float64)
    wanted = int(count[1]) * channels
    if int(count[1]) < 2 or len(values) < wanted:
        raise _bad(path, f"{len(values)} numbers, not {count[1]} frames of {channels} channels")
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
    path: Path, nodes: Sequence[_Node], places: Sequence[Points]
) -> dict[str, Points]:
    index = {_plain(node.name): number for number, node in enumerate(nodes)}
    joints = {"crown": places[_child(nodes, _head(path, nodes))]}
    for side in SIDES:
        for joint, words in BVH_JOINTS.items():
            names = [name for word in words for name in (side + word, side[0] + word)]
            found = next((index[name] for name in names if name in index), None)
            if found is None:
                raise _bad(path, f"no joint named {' or '.join(names)}")
            joints[f"{side}_{joint}"] = places[found]
    return joints


def _face(
    nodes: Sequence[_Node], places: Sequence[Points], turns: Sequence[Float[np.ndarray, "t 3 3"]]
) -> Points:
    """Return where the head looks: +z of the rest pose, turned with the head."""
    head = next(n for n, node in enumerate(nodes) if _plain(node.name) == "head")
    return turns[head][:, :, 2]


def _head(path: Path, nodes: Sequence[_Node]) -> int:
    for number, node in enumerate(nodes):
        if _plain(node.name) == "head":
            return number
    raise _bad(path, "no joint named head")


def _child(nodes: Sequence[_Node], parent: int) -> int:
    return next(number for number, node in enumerate(nodes) if node.parent == parent)


def _plain(name: str) -> str:
    return name.split(":")[-1].replace("_", "").lower()


# --------------------------------------------------------------- Bullet

BULLET_OFFSETS = {  # metres; x forward, y up, z to the figure's right; arms and legs hang
    "chest": (0.0, 0.236151, 0.0),
    "neck": (0.0, 0.223894, 0.0),
    "crown": (0.0, 0.30, 0.0),
    "shoulder": (-0.02405, 0.24350, 0.18311),
    "elbow": (0.0, -0.274788, 0.0),
    "wrist": (0.0, -0.258947, 0.0),
    "hip": (0.0, 0.0, 0.084887),
    "knee": (0.0, -0.421546, 0.0),
    "ankle": (0.0, -0.40987, 0.0),
    "toe": (0.177, -0.03, 0.0),
}
BULLET_QUATERNIONS = {  # the first of the four columns w x y z
    "pelvis": 4, "chest": 8, "neck": 12, "right_hip": 16, "right_ankle": 21,
    "right_shoulder": 25, "left_hip": 30, "left_ankle": 35, "left_shoulder": 39,
}  # fmt: skip
BULLET_HINGES = {"right_knee": 20, "right_elbow": 29, "left_knee": 34, "left_elbow": 43}


def read_bullet(path: Path) -> Motion:
    """Read a `humanoid3d_*.txt` clip of Bullet: 44 numbers a frame, the first its duration."""
    frames = np.array(json.loads(path.read_text())["Frames"], dtype=np.float64)
    seconds = np.concatenate([[0.0], np.cumsum(frames[:-1, 0])])
    name = path.stem.removeprefix("humanoid3d_").replace("_", "-")
    return motion_from_joints(name, _bullet_joints(frames), seconds=seconds)


def _bullet_joints(frames: Float[np.ndarray, "t 44"]) -> dict[str, Points]:
    from scipy.spatial.transform import Rotation

    turns = {
        name: Rotation.from_quat(frames[:, [first + 1, first + 2, first + 3, first]])
        for name, first in BULLET_QUATERNIONS.items()
    } | {
        name: Rotation.from_rotvec(frames[:, [column]] * [[0.0, 0.0, 1.0]])
        for name, column in BULLET_HINGES.items()
    }
    chest = turns["pelvis"] * turns["chest"]
    neck = chest * turns["neck"]
    joints = {"chest": frames[:, 1:4] + turns["pelvis"].apply(BULLET_OFFSETS["chest"])}
    throat = joints["chest"] + chest.apply(BULLET_OFFSETS["neck"])
    joints["crown"] = throat + neck.apply(BULLET_OFFSETS["crown"])
    joints["face"] = neck.apply([1.0, 0.0, 0.0])
    for side in SIDES:
        for base, limb in (
            (chest, ("shoulder", "elbow", "wrist")),
            (turns["pelvis"], ("hip", "knee", "ankle", "toe")),
        ):
            place = joints["chest"] if base is chest else frames[:, 1:4]
            turn = base
            for joint in limb:
                across = np.array([1, 1, 1 if side == "right" else -1])
                place = place + turn.apply(BULLET_OFFSETS[joint] * across)
                joints[f"{side}_{joint}"] = place
                turn = turn * turns.get(f"{side}_{joint}", Rotation.identity())
    return {name: path[:, [2, 1, 0]] * [-1, 1, 1] for name, path in joints.items()}


# --------------------------------------------------------------- the file


def gather(bullet: Path, bvh: Iterable[Path]) -> dict[str, np.ndarray]:
    """Return the arrays of motions.npz, from a folder of Bullet clips and CMU files."""
    takes: list[Motion] = []
    about: list[dict[str, str]] = []
    for path in sorted(bullet.glob("humanoid3d_*.txt")):
        takes.append(read_bullet(path))
        about.append({"source": BULLET_SOURCE, "file": path.name, "licence": "Zlib"})
    for path in sorted(bvh):
        take = read_bvh(path)
        name = CMU_TAKES.get(path.stem, path.stem)
        body = slice(CALIBRATION_FRAMES, None)
        for part in parts(Motion(name, take.directions[body], take.root[body], RATE, False)):
            takes.append(part)
            about.append({"source": CMU_SOURCE, "file": path.name, "licence": "CMU-Mocap"})
    return pack(takes, about)


def main() -> None:
    """Read the command line and write the file."""
    parser = argparse.ArgumentParser(description="Make the file of captured motions.")
    parser.add_argument("--bullet", type=Path, required=True, metavar="DIR")
    parser.add_argument("--bvh", type=Path, nargs="+", required=True, metavar="FILE")
    parser.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args()
    np.savez_compressed(options.output, **gather(options.bullet, options.bvh))


if __name__ == "__main__":
    main()
