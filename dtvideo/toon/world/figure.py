"""A moment of motion without a body, the camera, and the body that the two make together.

World axes: x to the picture's right, y up, z towards the viewer. At yaw 0 the figure faces
the viewer, so its own left is at +x. Lengths are in heights of the figure unless said.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

BODY_DIRECTIONS: tuple[str, ...] = (
    "spine",
    "head",
    "face",
    "chest",
    "shoulders",
    "hips",
    "right_upper_arm",
    "right_forearm",
    "left_upper_arm",
    "left_forearm",
    "right_thigh",
    "right_shin",
    "left_thigh",
    "left_shin",
    "right_foot",
    "left_foot",
)


@dataclass(frozen=True, eq=False)
class Stance:
    """One moment of a motion, for any body.

    directions: one unit vector a bone, in the order of BODY_DIRECTIONS, from the body outwards
    (spine: pelvis to neck; head: neck to crown; face and chest: where they look; shoulders and
    hips: right to left; foot: ankle to toe). root: how far the pelvis is from where it is in
    standing, in torso lengths.
    """

    directions: Float[np.ndarray, "bones 3"]
    root: Float[np.ndarray, "3"]


@dataclass(frozen=True)
class Camera:
    """Where the figure is seen from and where it stands in the picture.

    yaw turns the figure about the vertical (positive: its left side comes to the front),
    pitch raises the camera; both in radians, as is roll (turns the picture counterclockwise).
    scale: height of the standing figure as a fraction of the picture's height.
    centre: where the ground below the standing pelvis lies, as fractions of width and height.
    """

    yaw: float = 0.0
    pitch: float = 0.0
    scale: float = 0.8
    centre: tuple[float, float] = (0.5, 0.92)
    roll: float = 0.0
