"""The parts of a character below the head: limbs, torso and what is worn on them."""

from collections.abc import Callable

import numpy as np

from dtvideo.toon.world.canvas import Canvas, Colour, darker
from dtvideo.toon.world.figure import Figure, Vector
from dtvideo.toon.world.identity import Identity
from dtvideo.toon.world.solids import Tube, capsule, chain, disc

Part = tuple[float, Callable[[Canvas], None]]


def body_parts(identity: Identity, figure: Figure) -> list[Part]:
    """Return the parts of the body with their depths."""
    parts = [_torso(identity, figure)]
    for side in ("right", "left"):
        parts += [_leg(identity, figure, side), _foot(identity, figure, side)]
        parts += _arm(identity, figure, side)
    return parts


def _torso(identity: Identity, figure: Figure) -> Part:
    build, joints = figure.build, figure.joints
    spine = joints["neck"] - joints["pelvis"]
    hem = -0.1
    levels = (hem, 0.3, 0.72, 0.9, 1.0)
    hip = build.hip + build.leg_width * 0.9
    widths = (
        hip,
        build.waist * 0.9,
        build.shoulder * 1.02,
        build.shoulder * 0.9,
        build.arm_width * 0.9,
    )
    if identity.top.kind == "dress":
        levels, widths = (-0.55, *levels[1:]), (hip * 1.6, *widths[1:])
    depths = [min(build.chest_depth, width) for width in widths]
    tube = Tube(
        centres=np.stack([joints["pelvis"] + level * spine for level in levels]),
        lefts=np.stack([figure.torso.left * width for width in widths]),
        forwards=np.stack([figure.torso.forward * depth for depth in depths]),
    )
    depth = float((joints["neck"] + joints["pelvis"])[2] / 2)

    def paint(canvas: Canvas) -> None:
        neck = capsule(joints["neck"], joints["skull"], radii=(build.arm_width, build.arm_width))
        canvas.paint([neck], identity.skin)
        canvas.paint(tube.shapes(), identity.top.colour)

    return depth, paint


def _leg(identity: Identity, figure: Figure, side: str) -> Part:
    hip, knee, ankle = (figure.joints[f"{side}_{name}"] for name in ("hip", "knee", "ankle"))
    width = figure.build.leg_width
    cloth = identity.bottom

    def paint(canvas: Canvas) -> None:
        radii = (width * 1.15, width, width * 0.75)
        if cloth.kind == "trousers":
            canvas.paint(chain((hip, knee, ankle), radii), cloth.colour)
            return
        canvas.paint(chain((hip, knee, ankle), radii), identity.skin)
        middle = hip * 0.35 + knee * 0.65
        canvas.paint([capsule(hip, middle, radii=(width * 1.2, width * 1.2))], cloth.colour)

    return float((knee[2] * 2 + hip[2]) / 3) - 0.02, paint


def _foot(identity: Identity, figure: Figure, side: str) -> Part:
    ankle, toe = figure.joints[f"{side}_ankle"], figure.joints[f"{side}_toe"]
    radius = figure.build.ankle * 0.95

    def paint(canvas: Canvas) -> None:
        canvas.paint([capsule(ankle, toe, radii=(radius, radius))], identity.shoes.colour)

    return float((ankle[2] + toe[2]) / 2) - 0.02, paint


def _arm(identity: Identity, figure: Figure, side: str) -> list[Part]:
    shoulder, elbow, wrist = (
        figure.joints[f"{side}_{name}"] for name in ("shoulder", "elbow", "wrist")
    )
    width = figure.build.arm_width
    radii = (width, width * 0.9, width * 0.75)
    hand = wrist + _unit(wrist - elbow) * figure.build.hand * 0.8
    sleeve: Colour = identity.top.colour if identity.sleeve == "long" else identity.skin

    def paint(canvas: Canvas) -> None:
        glove = darker(identity.top.colour, 0.7) if identity.gloves else identity.skin
        canvas.paint([disc(hand, figure.build.hand)], glove)
        canvas.paint(chain((shoulder, elbow, wrist), radii), sleeve)
        if identity.sleeve == "short":
            middle = (shoulder + elbow) / 2
            canvas.paint(
                [capsule(shoulder, middle, radii=(width * 1.15, width * 1.15))], identity.top.colour
            )

    return [(float((elbow[2] + wrist[2]) / 2) + 0.01, paint)]


def _unit(vector: Vector) -> Vector:
    return vector / max(float(np.linalg.norm(vector)), 1e-9)
