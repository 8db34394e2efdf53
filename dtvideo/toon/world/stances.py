"""Random stances within the limits of joints."""

import numpy as np
from jaxtyping import Float

from dtvideo.toon.world.figure import BODY_DIRECTIONS, LEGS_PER_TORSO, Stance, stance_from
from dtvideo.toon.world.identity import pick

Vector = Float[np.ndarray, "3"]
Direction = tuple[float, float, float]


def random_stance(rng: np.random.Generator) -> Stance:
    """Return a plausible stance: arms anywhere in reach, kicks, crouches, bends and turns."""
    bend, sway, turn = rng.normal(0, (0.15, 0.12, 0.3))
    nod, tilt, look = rng.normal(0, (0.15, 0.12, 0.35))
    trunk = _turned(pitch=bend, roll=sway, yaw=turn)
    skull = trunk @ _turned(pitch=nod, roll=tilt, yaw=look)
    bones: dict[str, Direction] = {
        "spine": _tuple(trunk[:, 1]),
        "chest": _tuple(trunk[:, 2]),
        "shoulders": _tuple(trunk[:, 0]),
        "head": _tuple(skull[:, 1]),
        "face": _tuple(skull[:, 2]),
        "hips": (float(np.cos(turn * 0.4)), 0.0, float(-np.sin(turn * 0.4))),
    }
    crouch = float(rng.uniform(0.3, 1.1)) if rng.random() < 0.2 else 0.0
    kick = str(rng.choice(["none", "right", "left"], p=[0.7, 0.15, 0.15]))
    for side, sign in (("right", -1.0), ("left", 1.0)):
        bones |= _arm(rng, side=side, sign=sign, trunk=trunk)
        bones |= _leg(rng, side=side, sign=sign, crouch=crouch, kick=kick == side)
    upright = stance_from(**bones)
    return stance_from(root=(0.0, _ground(upright), 0.0), **bones)


def relaxed_stance(rng: np.random.Generator) -> Stance:
    """Return a natural reference pose: upright, arms a little or far out, looking ahead."""
    out = float(pick(rng, {0.25: 2, 0.5: 5, 1.0: 1, 3.0: 1}))
    jitter = rng.normal(0, 0.05, 4)
    return stance_from(
        right_upper_arm=(-out, -1.0, float(jitter[0])),
        right_forearm=(-out * 0.8, -1.0, 0.15 + float(jitter[1])),
        left_upper_arm=(out, -1.0, float(jitter[2])),
        left_forearm=(out * 0.8, -1.0, 0.15 + float(jitter[3])),
    )


def _arm(
    rng: np.random.Generator, *, side: str, sign: float, trunk: Float[np.ndarray, "3 3"]
) -> dict[str, Direction]:
    """Return an arm: raised by up to 170 degrees, swung forward or back, bent at the elbow."""
    raised = float(rng.beta(1.2, 1.8)) * 2.9 + 0.1
    swing = float(rng.normal(0.25, 0.5))
    across = np.sin(raised)
    upper = np.array([sign * across * np.cos(swing), -np.cos(raised), across * np.sin(swing)])
    bend = float(np.abs(rng.normal(0.0, 0.8)).clip(0.05, 2.4))
    target = np.array([-sign * 0.4, rng.normal(0.5, 0.7), rng.uniform(0.3, 1.0)])
    axis = np.cross(upper, target)
    axis /= max(float(np.linalg.norm(axis)), 1e-6)
    fore = upper * np.cos(bend) + np.cross(axis, upper) * np.sin(bend)
    return {f"{side}_upper_arm": _tuple(trunk @ upper), f"{side}_forearm": _tuple(trunk @ fore)}


def _leg(
    rng: np.random.Generator, *, side: str, sign: float, crouch: float, kick: bool
) -> dict[str, Direction]:
    """Return a leg: the knee bends backward only, both knees bend alike in a crouch."""
    forward = float(rng.normal(0, 0.25)) + crouch
    bend = abs(float(rng.normal(0, 0.2))) + 1.8 * crouch
    if kick:
        forward, bend = float(rng.uniform(0.3, 1.7)), float(rng.uniform(0.0, 1.5))
    wide = float(np.clip(rng.normal(0.12, 0.12), -0.05, 0.6))
    lower = forward - bend
    thigh = (sign * np.sin(wide), -np.cos(forward), np.sin(forward))
    shin = (sign * np.sin(wide) * 0.8, -np.cos(lower), np.sin(lower))
    foot = (sign * 0.3, -0.25, 1.0)
    return {f"{side}_thigh": thigh, f"{side}_shin": shin, f"{side}_foot": foot}


def _ground(stance: Stance) -> float:
    """Return the height of the root, in torso lengths, that puts the lower foot on the ground."""
    bones = dict(zip(BODY_DIRECTIONS, stance.directions, strict=True))
    drops = [
        -(bones[f"{side}_thigh"][1] + bones[f"{side}_shin"][1]) / 2 for side in ("right", "left")
    ]
    return float((max(drops) - 1.0) * LEGS_PER_TORSO)


def _turned(*, pitch: float, roll: float, yaw: float) -> Float[np.ndarray, "3 3"]:
    """Return a rotation: bend forward by pitch, lean by roll, turn by yaw."""
    forward = np.array(
        [[1, 0, 0], [0, np.cos(pitch), -np.sin(pitch)], [0, np.sin(pitch), np.cos(pitch)]]
    )
    lean = np.array([[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]])
    turn = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
    return np.asarray(turn @ lean @ forward)


def _tuple(vector: Vector) -> Direction:
    return float(vector[0]), float(vector[1]), float(vector[2])
