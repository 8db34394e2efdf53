"""Motions of the drawn world from BVH files, the text format of motion capture."""

from pathlib import Path

import numpy as np

from dtvideo.toon.world.capture import motion_from_joints
from dtvideo.toon.world.motion import Motion
from poses.formats.bvh import bad_bvh, read_bvh

NEEDED = ("crown", "right_toe", "left_toe")


def read_bvh_motion(path: Path) -> Motion:
    """Read a BVH file as `poses.formats.bvh.read_bvh`, and take the motion out of it.

    Raises: PoseError as there, and when the head has no end or a foot no toe.
    """
    capture = read_bvh(path)
    if lacking := [name for name in NEEDED if name not in capture.joints]:
        raise bad_bvh(path, f"no {' and no '.join(lacking)}")
    joints = {**capture.joints, "face": capture.face}
    del joints["head"]
    return motion_from_joints(path.stem, joints, seconds=np.arange(len(capture)) * capture.step)
