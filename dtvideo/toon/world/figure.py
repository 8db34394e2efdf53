"""A moment of motion without a body, a camera, and the body that the two make together.

World axes: x to the picture's right, y up, z towards the viewer. At yaw 0 the figure faces
the viewer, so its own left is at +x. Lengths are in heights of the standing figure unless said.
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
LEGS_PER_TORSO = 1.7  # of the body whose torso lengths a stance's root is told in

Vector = Float[np.ndarray, "3"]
Points = Float[np.ndarray, "_ 3"]


@dataclass(frozen=True, eq=False)
class Stance:
    """One moment of a motion, for any body.

    directions: one unit vector a bone, in the order of BODY_DIRECTIONS, from the body outwards
    (spine: pelvis to neck; head: neck to crown; face and chest: where they look; shoulders and
    hips: right to left; foot: ankle to toe). root: how far the pelvis is from where it is in
    standing, in torso lengths of a body whose legs are LEGS_PER_TORSO long; a body with other
    legs moves in proportion to them, so that its feet stay on the ground.
    """

    directions: Float[np.ndarray, "bones 3"]
    root: Float[np.ndarray, "3"]


@dataclass(frozen=True)
class Camera:
    """Where the figure is seen from and where it stands in the picture.

    yaw turns the figure about the vertical (positive: it faces the picture's right), pitch
    raises the camera, roll turns the picture counterclockwise; all in radians.
    scale: height of the standing figure as a fraction of the picture's height.
    centre: where the ground below the standing pelvis lies, as fractions of width and height.
    """

    yaw: float = 0.0
    pitch: float = 0.0
    scale: float = 0.8
    centre: tuple[float, float] = (0.5, 0.92)
    roll: float = 0.0


@dataclass(frozen=True)
class Proportions:
    """How a body is built; lengths in heights of the standing figure, widths are half widths."""

    head_height: float
    head_width: float
    head_depth: float
    neck: float
    torso: float
    shoulder: float
    hip: float
    waist: float
    chest_depth: float
    upper_arm: float
    forearm: float
    thigh: float
    shin: float
    ankle: float
    foot: float
    hand: float
    arm_width: float
    leg_width: float

    @property
    def leg(self) -> float:
        """Length from hip to ankle."""
        return self.thigh + self.shin


@dataclass(frozen=True, eq=False)
class Axes:
    """Three unit vectors at right angles: towards the body's own left, up along it, forward."""

    left: Vector
    up: Vector
    forward: Vector


@dataclass(frozen=True, eq=False)
class Figure:
    """A body in a stance as the camera sees it: x right, y up, z to the viewer, in heights."""

    build: Proportions
    joints: dict[str, Vector]
    torso: Axes
    hips: Axes
    head: Axes


def place_figure(build: Proportions, stance: Stance, camera: Camera) -> Figure:
    """Put a body into a stance and turn it to the camera; the ground below it is the origin."""
    turn = camera_rotation(camera)
    bones = dict(zip(BODY_DIRECTIONS, stance.directions @ turn.T, strict=True))
    root = stance.root * (build.leg / LEGS_PER_TORSO)
    pelvis = turn @ (root + np.array([0.0, build.leg + build.ankle, 0.0]))
    neck = pelvis + build.torso * bones["spine"]
    head = axes_from(bones["head"], bones["face"])
    joints = {"pelvis": pelvis, "neck": neck}
    joints["chin"] = neck + build.neck * bones["head"]
    joints["crown"] = joints["chin"] + build.head_height * bones["head"]
    joints["skull"] = (joints["chin"] + joints["crown"]) / 2
    for side, sign in (("right", -1.0), ("left", 1.0)):
        joints |= _limbs(build, bones, side=side, sign=sign, neck=neck, pelvis=pelvis)
    return Figure(
        build=build,
        joints=joints,
        torso=axes_from(bones["spine"], bones["chest"], left=bones["shoulders"]),
        hips=axes_from(bones["spine"], bones["chest"], left=bones["hips"]),
        head=head,
    )


def _limbs(
    build: Proportions,
    bones: dict[str, Vector],
    *,
    side: str,
    sign: float,
    neck: Vector,
    pelvis: Vector,
) -> dict[str, Vector]:
    """Return the joints of one side's arm and leg."""
    drop = 0.1 * build.torso * bones["spine"]
    shoulder = neck - drop + sign * build.shoulder * bones["shoulders"]
    elbow = shoulder + build.upper_arm * bones[f"{side}_upper_arm"]
    hip = pelvis + sign * build.hip * bones["hips"]
    knee = hip + build.thigh * bones[f"{side}_thigh"]
    ankle = knee + build.shin * bones[f"{side}_shin"]
    return {
        f"{side}_shoulder": shoulder,
        f"{side}_elbow": elbow,
        f"{side}_wrist": elbow + build.forearm * bones[f"{side}_forearm"],
        f"{side}_hip": hip,
        f"{side}_knee": knee,
        f"{side}_ankle": ankle,
        f"{side}_toe": ankle + build.foot * bones[f"{side}_foot"],
    }


def axes_from(up: Vector, forward: Vector, *, left: Vector | None = None) -> Axes:
    """Return axes with exactly this `up`, and `forward` (or `left`, where given) nearly kept."""
    side = cross(up, forward) if left is None else left - up * (left @ up)
    side = side / max(float(np.linalg.norm(side)), 1e-9)
    return Axes(left=side, up=up, forward=cross(side, up))


def cross(first: Vector, second: Vector) -> Vector:
    """Return the vector product: what numpy's does, ten times as fast for a single pair."""
    ax, ay, az = first.tolist()
    bx, by, bz = second.tolist()
    return np.array([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx])


def camera_rotation(camera: Camera) -> Float[np.ndarray, "3 3"]:
    """Return the matrix that turns world directions into the camera's."""
    yaw_cos, yaw_sin = np.cos(camera.yaw), np.sin(camera.yaw)
    pitch_cos, pitch_sin = np.cos(camera.pitch), np.sin(camera.pitch)
    roll_cos, roll_sin = np.cos(camera.roll), np.sin(camera.roll)
    yaw = np.array([[yaw_cos, 0, yaw_sin], [0, 1, 0], [-yaw_sin, 0, yaw_cos]])
    pitch = np.array([[1, 0, 0], [0, pitch_cos, -pitch_sin], [0, pitch_sin, pitch_cos]])
    roll = np.array([[roll_cos, -roll_sin, 0], [roll_sin, roll_cos, 0], [0, 0, 1]])
    return np.asarray(roll @ pitch @ yaw)


def standing() -> Stance:
    """Return the natural reference pose: upright, arms a little out, palms down."""
    return stance_from(
        right_upper_arm=(-0.5, -1.0, 0.0),
        right_forearm=(-0.35, -1.0, 0.1),
        left_upper_arm=(0.5, -1.0, 0.0),
        left_forearm=(0.35, -1.0, 0.1),
    )


def stance_from(
    root: tuple[float, float, float] = (0.0, 0.0, 0.0), **bones: tuple[float, float, float]
) -> Stance:
    """Return the upright stance with the named bones pointing elsewhere (any length).

    Raises: ValueError for a name that is not in BODY_DIRECTIONS.
    """
    if unknown := set(bones) - set(BODY_DIRECTIONS):
        raise ValueError(f"no bones named {sorted(unknown)}; use {BODY_DIRECTIONS}")
    chosen = _UPRIGHT | bones
    directions = np.array([chosen[name] for name in BODY_DIRECTIONS], dtype=np.float64)
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    return Stance(directions=directions, root=np.array(root, dtype=np.float64))


_UPRIGHT: dict[str, tuple[float, float, float]] = {
    "spine": (0.0, 1.0, 0.0),
    "head": (0.0, 1.0, 0.0),
    "face": (0.0, 0.0, 1.0),
    "chest": (0.0, 0.0, 1.0),
    "shoulders": (1.0, 0.0, 0.0),
    "hips": (1.0, 0.0, 0.0),
    "right_upper_arm": (-0.15, -1.0, 0.0),
    "right_forearm": (-0.1, -1.0, 0.1),
    "left_upper_arm": (0.15, -1.0, 0.0),
    "left_forearm": (0.1, -1.0, 0.1),
    "right_thigh": (-0.08, -1.0, 0.02),
    "right_shin": (-0.05, -1.0, -0.02),
    "left_thigh": (0.08, -1.0, 0.02),
    "left_shin": (0.05, -1.0, -0.02),
    "right_foot": (-0.35, -0.25, 1.0),
    "left_foot": (0.35, -0.25, 1.0),
}
