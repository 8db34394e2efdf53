"""A small character, its poses, and how clips of it are compared."""

import numpy as np

from dtvideo.guidance import GuidanceSettings
from pipelines.animate import ClipSettings
from poses.types import Pose

WIDTH, HEIGHT = 24, 32
SETTINGS = ClipSettings(seed=7, steps=2)
PLAIN = GuidanceSettings("none")
STANDING = np.array(
    [
        *((12, 5), (12, 9), (9, 9), (8, 13), (8, 17), (15, 9), (16, 13), (16, 17), (10, 17)),
        *((10, 22), (10, 27), (14, 17), (14, 22), (14, 27), (11, 4), (13, 4), (10, 5), (14, 5)),
    ],
    dtype=float,
)


def pose(shift=0.0):
    """A figure whose arms are raised by `shift` pixels."""
    body = np.column_stack([STANDING, np.ones(18)])
    body[[3, 4, 6, 7], 1] -= shift
    return Pose(body=body, size=(WIDTH, HEIGHT))


def frames(clip):
    with clip:
        return [image for _, image in clip]


def assert_same(found, expected):
    assert len(found) == len(expected)
    assert all(np.array_equal(one, other) for one, other in zip(found, expected, strict=True))


def assert_close(found, expected):
    """Equal but for the last bits of a float, which may tip a pixel by one."""
    assert np.abs(np.stack(found).astype(int) - np.stack(expected)).max() <= 1


def differ(found, expected):
    return any(not np.array_equal(one, other) for one, other in zip(found, expected, strict=True))
