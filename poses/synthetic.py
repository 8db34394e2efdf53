"""Made-up motion with known truth: a figure that walks, swings its arms, sways and turns.

The figure is a set of 3D segments seen without perspective. The same motion can be performed by
bodies of different proportions, which is what the fitting of poses is measured against.
"""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from jaxtyping import Float

from poses.types import Pose, PoseSequence


@dataclass(frozen=True)
class Proportions:
    """Lengths of a body's segments in units of its standing height."""

    shoulder: float = 0.11
    upper_arm: float = 0.17
    forearm: float = 0.15
    torso: float = 0.30
    hip: float = 0.055
    thigh: float = 0.24
    shin: float = 0.23
    head: float = 0.10
    eye: float = 0.025
    ear: float = 0.03


ADULT = Proportions()
CHIBI = Proportions(
    shoulder=0.09,
    upper_arm=0.10,
    forearm=0.09,
    torso=0.22,
    hip=0.06,
    thigh=0.11,
    shin=0.10,
    head=0.20,
    eye=0.06,
    ear=0.10,
)


def walk(
    frames: int,
    *,
    body: Proportions = ADULT,
    size: tuple[int, int] = (512, 512),
    rate: Fraction = Fraction(25),
    height: float = 0.8,
    turn: float = 0.4,
    sway: float = 0.3,
) -> PoseSequence:
    """Return a walk in place, one double step a second, every joint certain.

    height: the standing body's in units of the picture's; turn: how far it looks to either side,
    in radians; sway: how far it moves to either side, in leg lengths.
    """
    phase = 2 * np.pi * np.arange(frames) / float(rate)
    joints = _joints(body, phase)
    angle = turn * np.sin(phase / 3)
    x = joints[..., 0] * np.cos(angle)[:, None] + joints[..., 2] * np.sin(angle)[:, None]
    x = x + (sway * (body.thigh + body.shin) * np.sin(phase / 2))[:, None]
    y = joints[..., 1] - joints[:, [10, 13], 1].max(axis=1, keepdims=True)
    scale = height * size[1]
    places = [0.5 * size[0] + scale * x, 0.95 * size[1] + scale * y, np.ones_like(x)]
    return PoseSequence(body=np.stack(places, axis=-1), size=size, rate=rate)


def stand(
    *, body: Proportions = ADULT, size: tuple[int, int] = (512, 512), height: float = 0.8
) -> Pose:
    """Return a body that stands upright and looks at the viewer, arms a little away from it."""
    joints = _joints(body, np.zeros(1))[0]
    scale = height * size[1]
    x = 0.5 * size[0] + scale * joints[:, 0]
    y = 0.95 * size[1] + scale * (joints[:, 1] - joints[[10, 13], 1].max())
    return Pose(body=np.stack([x, y, np.ones(18)], axis=-1), size=size)


def _joints(body: Proportions, phase: Float[np.ndarray, " t"]) -> Float[np.ndarray, "t 18 3"]:
    """Return joints about the middle of the hips: x to the viewer's right, y down, z to him."""
    joints = np.zeros((len(phase), 18, 3))
    neck = -_direction(0.1 * np.sin(phase), 0.1 * np.cos(phase)) * body.torso
    joints[:, 1] = neck
    _place_head(joints, body)
    for side, (shoulder, hip), beat in ((-1, (2, 8), phase), (1, (5, 11), phase + np.pi)):
        swing = np.sin(beat)
        joints[:, shoulder] = neck + np.array([side * body.shoulder, 0, 0])
        spread = side * (0.25 + 0.5 * swing**2)
        upper = _direction(-0.5 * swing, spread) * body.upper_arm
        joints[:, shoulder + 1] = joints[:, shoulder] + upper
        lower = _direction(-0.5 * swing + 0.3 * swing**2, spread) * body.forearm
        joints[:, shoulder + 2] = joints[:, shoulder + 1] + lower
        joints[:, hip] = (side * body.hip, 0, 0)
        thigh = _direction(0.5 * swing, side * 0.04) * body.thigh
        joints[:, hip + 1] = joints[:, hip] + thigh
        bend = 0.5 * (1 - np.cos(beat)) * 0.6
        joints[:, hip + 2] = (
            joints[:, hip + 1] + _direction(0.5 * swing - bend, side * 0.04) * body.shin
        )
    return joints


def _place_head(joints: Float[np.ndarray, "t 18 3"], body: Proportions) -> None:
    width = 0.8 * body.eye + body.ear
    middle = joints[:, 1] + np.array([0, -body.head, 0])
    joints[:, 0] = middle + np.array([0, 0, 1.2 * width])
    for side, eye, ear in ((-1, 14, 16), (1, 15, 17)):
        aside = np.array([0.8 * side * body.eye, -0.6 * body.eye, 0])
        joints[:, eye] = middle + aside + np.array([0, 0, 0.95 * width])
        joints[:, ear] = middle + aside + body.ear * np.array([side, 0.2, 0])


def _direction(
    forward: Float[np.ndarray, " t"], sideways: float | Float[np.ndarray, " t"]
) -> Float[np.ndarray, "t 3"]:
    """Return a unit vector that hangs down, swung forward and sideways by angles in radians."""
    sideways = np.broadcast_to(sideways, forward.shape)
    return np.stack(
        [np.sin(sideways), np.cos(forward) * np.cos(sideways), np.sin(forward) * np.cos(sideways)],
        axis=-1,
    )
