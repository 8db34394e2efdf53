"""A figure that stands upright, its arms held straight out; tests draw it themselves."""

import numpy as np

from poses.types import Pose

SIDE = 128
HIP, KNEE, ANKLE = 72, 92, 112


def body() -> np.ndarray:
    """Return its joints in pixels."""
    points = [
        (64, 28), (64, 42), (54, 44), (40, 44), (26, 44), (74, 44), (88, 44), (102, 44), (57, HIP),
        (57, KNEE), (57, ANKLE), (71, HIP), (71, KNEE), (71, ANKLE), (60, 26), (68, 26), (53, 27),
        (75, 27),
    ]  # fmt: skip
    return np.column_stack([np.array(points, dtype=float), np.ones(18)])


def pose(joints: np.ndarray) -> Pose:
    """Return joints as a pose, each in the middle of its pixel."""
    return Pose(body=joints + np.array((0.5, 0.5, 0.0)), size=(SIDE, SIDE))
