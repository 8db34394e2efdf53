"""The file of captured motions, made from clips that two packages carry.

    python -m dtvideo.toon.world.mocap --bullet DIR --bvh FILES -o motions.npz

remakes the file that `dtvideo.toon.world.motion` reads. DIR is the folder `data/motions` of
the package pybullet_data (PyPI `pybullet` 3.2.7, zlib licence); FILES are `01_01.bvh` and
`01_03.bvh` of the CMU Graphics Lab Motion Capture Database (Debian `assimp-testmodels`).
"""

import argparse
import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from jaxtyping import Float

from dtvideo.toon.world.bvh import read_bvh_motion
from dtvideo.toon.world.capture import RATE, SIDES, Points, motion_from_joints
from dtvideo.toon.world.motion import Motion, pack

BULLET_SOURCE = "humanoid3d motions of Bullet Physics (pybullet_data 3.2.7)"
CMU_SOURCE = "CMU Graphics Lab Motion Capture Database, subject 1, BVH conversion by B. Hahne"
CMU_TAKES = {"01_01": "leaps", "01_03": "climb"}
CALIBRATION_FRAMES = 2  # a CMU take begins with the actor in a T
PART_SECONDS = 6  # a long take is cut into parts of about this length

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


def gather(bullet: Path, bvh: Iterable[Path]) -> dict[str, np.ndarray]:
    """Return the arrays of motions.npz, from a folder of Bullet clips and CMU files."""
    takes: list[Motion] = []
    about: list[dict[str, str]] = []
    for path in sorted(bullet.glob("humanoid3d_*.txt")):
        takes.append(read_bullet(path))
        about.append({"source": BULLET_SOURCE, "file": path.name, "licence": "Zlib"})
    for path in sorted(bvh):
        take = read_bvh_motion(path)
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
    arrays = gather(options.bullet, options.bvh)
    np.savez_compressed(options.output, allow_pickle=False, **arrays)


if __name__ == "__main__":
    main()
