"""Heads: skull, ears, muzzle and what a head alone has; with the key points on it."""

from collections.abc import Callable

import numpy as np

from dtvideo.toon.world.canvas import Canvas, Colour, mixed, scaled
from dtvideo.toon.world.faces import face_marks, mouth_marks, nose_height
from dtvideo.toon.world.figure import Figure, Vector
from dtvideo.toon.world.hair import hair_parts, paint_front_hair, paint_hat
from dtvideo.toon.world.identity import PEOPLE, Identity
from dtvideo.toon.world.palette import INK
from dtvideo.toon.world.solids import Ball, Shape, capsule, disc, hull

Part = tuple[float, Callable[[Canvas], None]]

_INNER: Colour = (248, 178, 178)
_EAR = (1.45, -0.05)
_MUZZLES = {"cat": 0.5, "dog": 0.8, "bear": 0.75, "rabbit": 0.45, "fox": 0.9, "mouse": 0.65,
            "pig": 0.55}  # fmt: skip


def head_points(identity: Identity, figure: Figure) -> dict[int, Vector]:
    """Return the key points of the head that are on the viewer's side, by body-18 index."""
    face = identity.face
    gap = 0.18 if face.eyes == "one" else face.eye_gap
    angle, height = _EAR
    spots = {
        0: (0.0, nose_height(face)),
        14: (-gap, face.eye_height),
        15: (gap, face.eye_height),
        16: (-angle, height),
        17: (angle, height),
    }
    ball = skull(identity, figure)
    places = np.array(list(spots.values()))
    points, facing = ball.points(places[:, 0], places[:, 1])
    inner = points * 0.93 + ball.centre * 0.07
    return {
        index: inner[k] if index >= 16 else points[k]
        for k, index in enumerate(spots)
        if facing[k] > (-0.3 if index >= 16 else -0.05)
    }


def skull(identity: Identity, figure: Figure) -> Ball:
    """Return the solid of the head."""
    build = figure.build
    return Ball(
        centre=figure.joints["skull"],
        axes=figure.head,
        radii=(build.head_width, build.head_height / 2, build.head_depth),
        power=identity.head_power,
        taper=identity.head_taper,
    )


def head_parts(identity: Identity, figure: Figure) -> list[Part]:
    """Return the parts of the head with their depths."""
    ball = skull(identity, figure)
    depth = float(ball.centre[2]) + 0.02
    parts: list[Part] = [(depth, lambda canvas: _paint_head(canvas, identity, ball))]
    parts += hair_parts(identity, ball, depth=depth)
    return parts


def _paint_head(canvas: Canvas, identity: Identity, ball: Ball) -> None:
    """Paint the head from back to front: what sticks out ahead comes last unless it faces away."""
    muzzle = _muzzle(identity, ball)
    away = ball.axes.forward[2] < -0.1
    if muzzle is not None and away:
        _paint_muzzle(canvas, identity, muzzle)
    _paint_ears(canvas, identity, ball)
    canvas.paint([ball.outline()], identity.skin, marks=face_marks(identity, ball, muzzle=muzzle))
    if muzzle is not None and not away:
        _paint_muzzle(canvas, identity, muzzle)
    if identity.kind == "robot":
        _paint_antenna(canvas, identity, ball)
    if identity.kind == "monster":
        _paint_horns(canvas, identity, ball)
    paint_front_hair(canvas, identity, ball)
    paint_hat(canvas, identity, ball)


def _at(ball: Ball, angle: float, height: float, *, out: float = 1.0) -> Vector:
    """Return a point on the surface, or beyond it by a factor."""
    point = ball.points(np.array([angle]), np.array([height]))[0][0]
    return np.asarray(ball.centre + (point - ball.centre) * out)


def _paint_ears(canvas: Canvas, identity: Identity, ball: Ball) -> None:
    """Paint the ears, the far one first."""
    far = -1.0 if ball.axes.left[2] > 0 else 1.0
    for side in (far, -far):
        _EARS.get(identity.kind, _no_ear)(canvas, identity, ball, side)


def _no_ear(canvas: Canvas, identity: Identity, ball: Ball, side: float) -> None:
    """A monster has no ears."""


def _human_ear(canvas: Canvas, identity: Identity, ball: Ball, side: float) -> None:
    radius = ball.radii[1] * 0.17
    centre = _at(ball, side * 1.6, -0.12, out=1.02)
    canvas.paint([disc(centre, radius)], identity.skin)


def _pointed_ear(canvas: Canvas, identity: Identity, ball: Ball, side: float) -> None:
    tall = 1.75 if identity.kind == "fox" else 1.6
    base = [_at(ball, side * 1.75, 0.55), _at(ball, side * 0.75, 0.93)]
    tip = _at(ball, side * 1.35, 0.74, out=tall)
    _paint_triangle(canvas, identity, ball, base=base, tip=tip)


def _paint_triangle(
    canvas: Canvas, identity: Identity, ball: Ball, *, base: list[Vector], tip: Vector
) -> None:
    middle = (base[0] + base[1] + tip) / 3
    outer = hull(np.stack([*base, tip]))
    canvas.paint([outer], identity.skin)
    if ball.axes.forward[2] > -0.2:
        inner = hull(np.stack([middle + (point - middle) * 0.55 for point in (*base, tip)]))
        canvas.paint([inner], _INNER, outlined=False, shaded=False)


def _round_ear(canvas: Canvas, identity: Identity, ball: Ball, side: float) -> None:
    size = {"bear": 0.36, "mouse": 0.58, "pig": 0.3}.get(identity.kind, 0.4)
    angle = 1.57 if identity.kind == "mouse" else 1.45
    radius = ball.radii[1] * size
    centre = _at(ball, side * angle, 0.68, out=1.1)
    canvas.paint([disc(centre, radius)], identity.skin)
    if ball.axes.forward[2] > -0.2:
        inner = centre + ball.axes.forward * radius * 0.1
        canvas.paint([disc(inner, radius * 0.6)], _INNER, outlined=False, shaded=False)


def _long_ear(canvas: Canvas, identity: Identity, ball: Ball, side: float) -> None:
    radius = ball.radii[1] * 0.2
    root = _at(ball, side * 1.4, 0.85)
    tip = root + (ball.axes.up + ball.axes.left * side * 0.25) * ball.radii[1] * 1.0
    canvas.paint([capsule(root, tip, radii=(radius, radius * 0.8))], identity.skin)
    if ball.axes.forward[2] > -0.2:
        inner = capsule(root, tip, radii=(radius * 0.5, radius * 0.4))
        canvas.paint([inner], _INNER, outlined=False, shaded=False)


def _floppy_ear(canvas: Canvas, identity: Identity, ball: Ball, side: float) -> None:
    radius = ball.radii[1] * 0.24
    root = _at(ball, side * 1.6, 0.62, out=1.0)
    tip = root + (ball.axes.left * side * 0.35 - ball.axes.up * 0.9) * ball.radii[1] * 0.8
    colour = scaled(identity.skin, 0.78)
    canvas.paint([capsule(root, tip, radii=(radius * 0.8, radius * 1.1))], colour)


def _frog_eye(canvas: Canvas, identity: Identity, ball: Ball, side: float) -> None:
    radius = ball.radii[1] * 0.3
    centre = _at(ball, side * 0.75, 0.88, out=1.02)
    canvas.paint([disc(centre, radius)], identity.skin)


def _bolt_ear(canvas: Canvas, identity: Identity, ball: Ball, side: float) -> None:
    centre = _at(ball, side * np.pi / 2, 0.0)
    tip = centre + ball.axes.left * side * ball.radii[0] * 0.18
    radius = ball.radii[1] * 0.2
    canvas.paint([capsule(centre, tip, radii=(radius, radius))], scaled(identity.skin, 0.7))


_EARS: dict[str, Callable[[Canvas, Identity, Ball, float], None]] = {
    **dict.fromkeys(PEOPLE, _human_ear),
    "cat": _pointed_ear,
    "fox": _pointed_ear,
    "bear": _round_ear,
    "mouse": _round_ear,
    "pig": _round_ear,
    "rabbit": _long_ear,
    "dog": _floppy_ear,
    "frog": _frog_eye,
    "robot": _bolt_ear,
}


def _muzzle(identity: Identity, ball: Ball) -> Ball | None:
    """Return the snout of an animal."""
    if identity.kind not in _MUZZLES:
        return None
    size = _MUZZLES[identity.kind]
    width, height, depth = ball.radii
    low = identity.face.eye_height - 0.36
    return Ball(
        centre=_at(ball, 0.0, low, out=0.9),
        axes=ball.axes,
        radii=(width * (0.3 + 0.14 * size), height * 0.27, depth * 0.38 * size),
    )


def _paint_muzzle(canvas: Canvas, identity: Identity, muzzle: Ball) -> None:
    pig = identity.kind == "pig"
    colour = scaled(identity.skin, 0.86) if pig else identity.light
    marks = [] if pig else mouth_marks(identity, muzzle, height=-0.25, scale=2.2)
    canvas.paint([muzzle.outline()], colour, marks=marks)
    if muzzle.axes.forward[2] < -0.1:
        return
    width = muzzle.radii[0]
    if pig:
        for side in (-0.45, 0.45):
            centre = _at(muzzle, side, 0.0)
            canvas.paint([disc(centre, width * 0.17)], scaled(colour, 0.55), outlined=False)
        return
    nose = Ball(
        _at(muzzle, 0.0, 0.55, out=1.02), muzzle.axes, (width * 0.36, width * 0.25, width * 0.25)
    )
    pink = identity.kind in ("cat", "rabbit", "mouse")
    canvas.paint([nose.outline()], (236, 130, 140) if pink else INK, outlined=False)


def _paint_antenna(canvas: Canvas, identity: Identity, ball: Ball) -> None:
    if identity.outfit.hat.kind != "none":
        return
    root = ball.centre + ball.axes.up * ball.radii[1] * 0.95
    tip = root + ball.axes.up * ball.radii[1] * 0.4
    thin = ball.radii[1] * 0.05
    canvas.paint([capsule(root, tip, radii=(thin, thin))], scaled(identity.skin, 0.6))
    canvas.paint([disc(tip, ball.radii[1] * 0.13)], mixed(identity.face.iris, (255, 255, 255), 0.3))


def _paint_horns(canvas: Canvas, identity: Identity, ball: Ball) -> None:
    for side in (-1.0, 1.0):
        foot = _at(ball, side * 0.9, 0.8, out=0.96)
        tip = foot + (ball.axes.up * 0.42 + ball.axes.left * side * 0.22) * ball.radii[1]
        shape: Shape = hull(np.concatenate([disc(foot, ball.radii[1] * 0.15), tip[None, :2]]))
        canvas.paint([shape], (246, 236, 214))
