"""Heads: skull, face, hair and hats."""

from collections.abc import Callable

import numpy as np

from dtvideo.toon.world.canvas import Canvas, Colour, darker
from dtvideo.toon.world.figure import Figure, Vector
from dtvideo.toon.world.identity import ANIMALS, Identity
from dtvideo.toon.world.solids import Ball, Shape2, disc, hull

Part = tuple[float, Callable[[Canvas], None]]

_EYE = (0.42, 0.02)  # angle around and height on the head
_NOSE = (0.0, -0.18)
_EAR = (1.5, -0.05)
_TURN = np.linspace(0, 2 * np.pi, 16, endpoint=False)


def head_points(identity: Identity, figure: Figure) -> dict[int, Vector]:
    """Return the key points of the head that face the viewer, by body-18 index."""
    spots = {0: _NOSE, 14: (-_EYE[0], _EYE[1]), 15: _EYE, 16: (-_EAR[0], _EAR[1]), 17: _EAR}
    ball = skull(identity, figure)
    angles, heights = np.array(list(spots.values())).T
    points, facing = ball.surface(angles, heights)
    return {
        index: point
        for index, point, seen in zip(spots, points, facing, strict=True)
        if seen > (-0.25 if index >= 16 else 0.0)
    }


def skull(identity: Identity, figure: Figure) -> Ball:
    """Return the solid of the head."""
    build = figure.build
    return Ball(
        centre=figure.joints["skull"],
        axes=figure.head,
        radii=(build.head_width, build.head_height / 2, build.head_depth),
        power=identity.head_power,
    )


def head_parts(identity: Identity, figure: Figure) -> list[Part]:
    """Return the parts of the head with their depths."""
    ball = skull(identity, figure)
    depth = float(ball.centre[2]) + 0.02
    parts: list[Part] = [(depth, lambda canvas: _paint_head(canvas, identity, ball))]
    if identity.hair != "none":
        back = depth - 0.3 * figure.build.head_depth * float(figure.head.forward[2])
        parts.append((back, lambda canvas: _paint_back_hair(canvas, identity, ball)))
    return parts


def _paint_head(canvas: Canvas, identity: Identity, ball: Ball) -> None:
    if identity.kind in ANIMALS:
        for side in (-1.0, 1.0):
            centre = ball.surface(np.array([side * 0.75]), np.array([0.7]))[0][0]
            radius = ball.radii[0] * 0.35
            canvas.paint([disc(centre, radius)], identity.skin)
            canvas.paint([disc(centre, radius * 0.55)], (244, 180, 180), outlined=False)
    canvas.paint(ball.shapes(), identity.skin)
    for side in (-1.0, 1.0):
        _paint_eye(canvas, identity, ball, side)
    mouth = _patch(ball, 0.0, -0.48, 0.22, 0.05)
    if mouth is not None and identity.mouth != "none":
        canvas.paint([mouth], darker(identity.skin, 0.5), outlined=False, shaded=False)
    if identity.hair != "none":
        _paint_fringe(canvas, identity, ball)


def _paint_eye(canvas: Canvas, identity: Identity, ball: Ball, side: float) -> None:
    big = identity.eye_size * (1.3 if identity.eyes == "big" else 1.0)
    angle, height = side * _EYE[0], _EYE[1]
    white = _patch(ball, angle, height, 0.19 * big, 0.2 * big)
    pupil = _patch(ball, angle * 0.95, height, 0.11 * big, 0.14 * big)
    if white is None or pupil is None:
        return
    if identity.eyes != "dot":
        canvas.paint([white], (255, 255, 255), outlined=False, shaded=False)
        canvas.paint([pupil], darker(identity.iris, 0.7), outlined=False, shaded=False)
    small = _patch(ball, angle * 0.95, height, 0.07 * big, 0.09 * big)
    if small is not None:
        canvas.paint([small], (30, 26, 32), outlined=False, shaded=False)


def _paint_fringe(canvas: Canvas, identity: Identity, ball: Ball) -> None:
    angles = np.linspace(-1.9, 1.9, 24)
    heights = 0.35 + 0.15 * np.abs(np.sin(angles * 2.5))
    points, facing = ball.surface(angles, heights)
    top = ball.surface(_TURN, np.full_like(_TURN, 0.75))[0]
    seen = points[facing > -0.05]
    crown = ball.axes.up * ball.radii[1] * 1.06 + ball.centre
    outline = hull(np.concatenate([seen, top, crown[None]])) if len(seen) else hull(top)
    canvas.paint([outline], identity.hair_colour)


def _paint_back_hair(canvas: Canvas, identity: Identity, ball: Ball) -> None:
    length = {"long": 1.5, "tailed": 0.6, "bobbed": 0.9}.get(identity.hair, 0.5)
    centre = ball.centre - ball.axes.forward * ball.radii[2] * 0.25
    cap: Colour = darker(identity.hair_colour, 0.9)
    outer = Ball(centre, ball.axes, (ball.radii[0] * 1.1, ball.radii[1] * 1.05, ball.radii[2]))
    low = centre - ball.axes.up * ball.radii[1] * length
    shapes = [hull(np.concatenate([outer.shapes()[0], disc(low, ball.radii[0] * 0.9)]))]
    canvas.paint(shapes, cap)


def _patch(ball: Ball, angle: float, height: float, width: float, tall: float) -> Shape2 | None:
    """Return an ellipse on the surface, or None where it is turned away."""
    points, facing = ball.surface(angle + width * np.cos(_TURN), height + tall * np.sin(_TURN))
    return hull(points) if facing.mean() > 0.12 else None
