"""Faces: marks that lie on the surface of a head and turn with it."""

from collections.abc import Callable

import numpy as np

from dtvideo.toon.world.canvas import Colour, Mark, brightness, mixed, scaled
from dtvideo.toon.world.identity import Face, Identity
from dtvideo.toon.world.palette import INK, WHITE
from dtvideo.toon.world.solids import Ball

_TURN = np.linspace(0, 2 * np.pi, 20, endpoint=False)
_COS, _SIN = np.cos(_TURN), np.sin(_TURN)
_ARC = np.linspace(0, np.pi, 9)
_TONGUE: Colour = (222, 96, 104)


def face_marks(identity: Identity, ball: Ball, *, muzzle: Ball | None) -> list[Mark]:
    """Return everything on the skull: cheeks, eyes, brows, and nose and mouth without a muzzle."""
    face = identity.face
    if ball.axes.forward[2] < -0.75:
        return []
    marks = _cheeks(identity, ball)
    if muzzle is None:
        marks += _nose(identity, ball) + mouth_marks(identity, ball, height=_mouth_height(face))
    marks += _EYES[face.eyes](identity, ball)
    return marks + _brows(identity, ball) + _glasses(identity, ball)


def _mouth_height(face: Face) -> float:
    return face.eye_height - 0.38 - 0.06 * face.eye_size


def _oval(
    ball: Ball, angle: float, height: float, *, wide: float, tall: float, colour: Colour
) -> list[Mark]:
    """Return an ellipse on the surface: half width in radians, half height in half heads."""
    shape = ball.place(angle + wide * _COS, height + tall * _SIN)
    return [] if shape is None else [Mark(shape, colour)]


def _area(
    ball: Ball, points: list[tuple[float, float]], colour: Colour, *, at: tuple[float, float]
) -> list[Mark]:
    corners = np.array(points) + at
    shape = ball.place(corners[:, 0], corners[:, 1])
    return [] if shape is None else [Mark(shape, colour)]


def _line(
    ball: Ball, angles: np.ndarray, heights: np.ndarray, *, colour: Colour, width: float
) -> list[Mark]:
    """Return a line on the surface, or nothing where its middle is turned away; width in heads."""
    _, facing = ball.points(angles, heights)
    shape = ball.place(angles, heights)
    if shape is None or facing[len(facing) // 2] < 0.08:
        return []
    return [Mark(shape, colour, width=width * ball.radii[1] * 2)]


def _sides(face: Face) -> list[tuple[float, float]]:
    """Return the side (-1 right, 1 left) and the angle of each eye."""
    return [(-1.0, -face.eye_gap), (1.0, face.eye_gap)]


def _ink(identity: Identity) -> Colour:
    return INK if brightness(identity.skin) > 95 else scaled(identity.skin, 0.3)


def _oval_eyes(identity: Identity, ball: Ball) -> list[Mark]:
    face, marks = identity.face, []
    size = face.eye_size
    for side, angle in _sides(face):
        at = {"height": face.eye_height}
        marks += _oval(ball, angle, **at, wide=0.2 * size, tall=0.2 * size, colour=_ink(identity))
        marks += _oval(ball, angle, **at, wide=0.175 * size, tall=0.175 * size, colour=WHITE)
        look = angle - side * 0.03 + face.gaze
        marks += _oval(ball, look, **at, wide=0.11 * size, tall=0.12 * size, colour=face.iris)
        marks += _pupil(ball, look, face.eye_height, size=size)
    return marks


def _pupil(ball: Ball, angle: float, height: float, *, size: float) -> list[Mark]:
    marks = _oval(ball, angle, height, wide=0.065 * size, tall=0.075 * size, colour=INK)
    return marks + _oval(
        ball, angle - 0.035 * size, height + 0.05 * size, wide=0.035 * size, tall=0.04 * size,
        colour=WHITE,
    )  # fmt: skip


def _anime_eyes(identity: Identity, ball: Ball) -> list[Mark]:
    face, marks = identity.face, []
    size, height = face.eye_size * 1.05, face.eye_height
    dark = mixed(scaled(face.iris, 0.55), INK, 0.3)
    for side, angle in _sides(face):
        look = angle - side * 0.01
        marks += _oval(ball, angle, height, wide=0.17 * size, tall=0.24 * size, colour=WHITE)
        marks += _oval(ball, look, height - 0.01, wide=0.13 * size, tall=0.22 * size, colour=dark)
        marks += _oval(
            ball, look, height - 0.09 * size, wide=0.1 * size, tall=0.11 * size, colour=face.iris
        )
        marks += _oval(
            ball, look - 0.04 * size, height + 0.1 * size, wide=0.05 * size, tall=0.06 * size,
            colour=WHITE,
        )  # fmt: skip
        lash = angle + 0.2 * size * np.cos(_ARC), height + 0.07 * size + 0.17 * size * np.sin(_ARC)
        marks += _line(ball, *lash, colour=_ink(identity), width=0.035)
    return marks


def _dot_eyes(identity: Identity, ball: Ball) -> list[Mark]:
    face, marks = identity.face, []
    size = face.eye_size
    colour = INK if brightness(identity.skin) > 110 else (250, 246, 236)
    for _, angle in _sides(face):
        height = face.eye_height
        marks += _oval(ball, angle, height, wide=0.085 * size, tall=0.11 * size, colour=colour)
        marks += _oval(
            ball, angle - 0.03, height + 0.045 * size, wide=0.03 * size, tall=0.035 * size,
            colour=WHITE,
        )  # fmt: skip
    return marks


def _ring_eyes(identity: Identity, ball: Ball) -> list[Mark]:
    face, marks = identity.face, []
    size = face.eye_size * 1.15
    for side, angle in _sides(face):
        marks += _oval(
            ball, angle, face.eye_height, wide=0.22 * size, tall=0.22 * size, colour=WHITE
        )
        marks += _oval(
            ball, angle - side * 0.05 + face.gaze, face.eye_height, wide=0.07, tall=0.08, colour=INK
        )
    return marks


def _angry_eyes(identity: Identity, ball: Ball) -> list[Mark]:
    marks = _oval_eyes(identity, ball)
    size, height = identity.face.eye_size, identity.face.eye_height
    for side, angle in _sides(identity.face):
        inner, outer = -side * 0.24 * size, side * 0.24 * size
        lid = [(inner, 0.02), (outer, 0.14 * size), (outer, 0.3 * size), (inner, 0.3 * size)]
        marks += _area(ball, lid, identity.skin, at=(angle, height))
        edge = angle + np.array([inner, 0.0, outer]), height + np.array([0.02, 0.08, 0.14]) * size
        marks += _line(ball, *edge, colour=_ink(identity), width=0.03)
    return marks


def _sleepy_eyes(identity: Identity, ball: Ball) -> list[Mark]:
    marks = _oval_eyes(identity, ball)
    size, height = identity.face.eye_size, identity.face.eye_height
    for _, angle in _sides(identity.face):
        reach = 0.23 * size
        lid = [(-reach, 0.02), (reach, 0.02), (reach, 0.25 * size), (-reach, 0.25 * size)]
        marks += _area(ball, lid, identity.skin, at=(angle, height))
        edge = angle + np.linspace(-reach, reach, 5), np.full(5, height + 0.02)
        marks += _line(ball, *edge, colour=_ink(identity), width=0.025)
    return marks


def _happy_eyes(identity: Identity, ball: Ball) -> list[Mark]:
    marks, face = [], identity.face
    for _, angle in _sides(face):
        arc = angle + 0.15 * face.eye_size * np.cos(_ARC), face.eye_height + 0.12 * np.sin(_ARC)
        marks += _line(ball, *arc, colour=_ink(identity), width=0.035)
    return marks


def _one_eye(identity: Identity, ball: Ball) -> list[Mark]:
    face = identity.face
    size, height = face.eye_size * 1.9, face.eye_height + 0.05
    marks = _oval(ball, 0.0, height, wide=0.21 * size, tall=0.2 * size, colour=_ink(identity))
    marks += _oval(ball, 0.0, height, wide=0.19 * size, tall=0.18 * size, colour=WHITE)
    marks += _oval(ball, 0.0, height, wide=0.11 * size, tall=0.12 * size, colour=face.iris)
    return marks + _pupil(ball, 0.0, height, size=size)


def _lamp_eyes(identity: Identity, ball: Ball) -> list[Mark]:
    marks, face = [], identity.face
    glow = mixed(face.iris, WHITE, 0.55)
    for _, angle in _sides(face):
        for reach, colour in ((0.21, scaled(identity.skin, 0.4)), (0.15, glow)):
            wide = reach * face.eye_size
            box = [(-wide, -wide), (wide, -wide), (wide, wide), (-wide, wide)]
            marks += _area(ball, box, colour, at=(angle, face.eye_height))
    return marks


def _visor_eyes(identity: Identity, ball: Ball) -> list[Mark]:
    face = identity.face
    across = np.linspace(-0.95, 0.95, 11)
    angles = np.concatenate([across, across[::-1]])
    tall = 0.24 * face.eye_size
    heights = face.eye_height + np.repeat([-tall, tall], 11)
    shape = ball.place(angles, heights)
    if shape is None:
        return []
    marks = [Mark(shape, scaled(identity.skin, 0.25))]
    glow = mixed(face.iris, WHITE, 0.5)
    for _, angle in _sides(face):
        marks += _oval(ball, angle, face.eye_height, wide=0.1, tall=0.12, colour=glow)
    return marks


_EYES: dict[str, Callable[[Identity, Ball], list[Mark]]] = {
    "oval": _oval_eyes,
    "anime": _anime_eyes,
    "dot": _dot_eyes,
    "ring": _ring_eyes,
    "angry": _angry_eyes,
    "sleepy": _sleepy_eyes,
    "happy": _happy_eyes,
    "one": _one_eye,
    "lamp": _lamp_eyes,
    "visor": _visor_eyes,
}


def _cheeks(identity: Identity, ball: Ball) -> list[Mark]:
    face, marks = identity.face, []
    pink = mixed(identity.skin, (240, 110, 110), 0.42)
    low = face.eye_height - 0.3
    for side, angle in _sides(face):
        if face.blush:
            marks += _oval(ball, angle * 1.45, low, wide=0.15, tall=0.09, colour=pink)
        if face.freckles:
            for step in (-0.09, 0.0, 0.09):
                marks += _oval(
                    ball, angle * 1.2 + step * side, low + step**2 * 6, wide=0.022, tall=0.025,
                    colour=scaled(identity.skin, 0.72),
                )  # fmt: skip
    if face.beard == "beard":
        across = np.linspace(-1.35, 1.35, 17)
        upper = -0.22 - 0.22 * np.cos(across * 1.3)
        angles = np.concatenate([across, across[::-1]])
        heights = np.concatenate([upper, np.full(17, -0.99)])
        shape = ball.place(angles, heights)
        marks += [] if shape is None else [Mark(shape, identity.hair.colour)]
    return marks


def _brows(identity: Identity, ball: Ball) -> list[Mark]:
    face = identity.face
    marks: list[Mark] = []
    if face.brows == "none" or face.eyes in ("lamp", "visor", "one", "angry"):
        return marks
    colour = scaled(identity.hair.colour, 0.7) if identity.hair.style != "none" else _ink(identity)
    slope = {"worried": 0.07, "stern": -0.07}.get(face.brows, 0.0)
    width = 0.05 if face.brows == "thick" else 0.028
    height = face.eye_height + 0.2 * face.eye_size + 0.13
    for side, angle in _sides(face):
        step = np.array([-0.14, 0.0, 0.14])
        heights = height - slope * np.array([-1.0, 0.0, 1.0]) + np.array([-0.015, 0.02, -0.015])
        marks += _line(ball, angle + step * side, heights, colour=colour, width=width)
    return marks


def _nose(identity: Identity, ball: Ball) -> list[Mark]:
    face = identity.face
    height = nose_height(face)
    dark = scaled(identity.skin, 0.72)
    if face.nose == "dot":
        return _oval(ball, 0.0, height, wide=0.04, tall=0.035, colour=dark)
    if face.nose == "button":
        return _oval(
            ball, 0.0, height, wide=0.085, tall=0.075, colour=mixed(dark, (230, 90, 80), 0.3)
        )
    if face.nose == "line":
        line = np.array([0.0, 0.05, -0.03]), height + np.array([0.1, -0.03, -0.05])
        return _line(ball, *line, colour=dark, width=0.022)
    if face.nose == "wedge":
        return _area(ball, [(0.0, 0.12), (0.09, -0.05), (-0.06, -0.05)], dark, at=(0.0, height))
    return []


def nose_height(face: Face) -> float:
    """Return where the tip of the nose is on the head."""
    return face.eye_height - 0.2


def mouth_marks(identity: Identity, ball: Ball, *, height: float, scale: float = 1.0) -> list[Mark]:
    """Return the mouth at a height of a ball; scale is its size."""
    kind, ink = identity.face.mouth, scaled(identity.skin, 0.38)
    wide = 0.2 * scale
    across = np.linspace(-1.0, 1.0, 9)
    bow = across**2 - 1
    if kind in ("open", "grin"):
        deep = {"open": 0.17, "grin": 0.13}[kind] * scale
        angles = np.concatenate([across, across[::-1]]) * wide
        heights = height + np.concatenate([0.02 * bow, deep * bow[::-1]])
        shape = ball.place(angles, heights)
        if shape is None:
            return []
        inside = WHITE if kind == "grin" else scaled(_TONGUE, 0.5)
        marks = [Mark(shape, inside)]
        if kind == "open":
            marks += _oval(
                ball, 0.0, height - deep * 0.8, wide=wide * 0.45, tall=deep * 0.3, colour=_TONGUE
            )
        outline = np.concatenate([angles, angles[:1]]), np.concatenate([heights, heights[:1]])
        return marks + _line(ball, *outline, colour=ink, width=0.018)
    depth = {"smile": 0.1, "frown": -0.08, "fangs": 0.06}.get(kind, 0.0) * scale
    span = wide * {"small": 0.4}.get(kind, 1.0)
    marks = _line(ball, across * span, height + depth * bow, colour=ink, width=0.026)
    if kind == "fangs":
        for side in (-0.55, 0.55):
            tooth = [(-0.04, 0.0), (0.04, 0.0), (0.0, -0.1)]
            marks += _area(ball, tooth, WHITE, at=(side * wide, height - 0.03))
    return marks


def _glasses(identity: Identity, ball: Ball) -> list[Mark]:
    face, marks = identity.face, []
    if face.glasses == "none" or face.eyes in ("lamp", "visor", "one"):
        return []
    wide, height = 0.8 * face.eye_gap, face.eye_height
    if face.glasses == "mask":
        across = np.linspace(-1.25, 1.25, 11)
        angles = np.concatenate([across, across[::-1]])
        shape = ball.place(angles, height + np.repeat([-0.24, 0.24], 11))
        under = [] if shape is None else [Mark(shape, scaled(identity.outfit.top.colour, 0.6))]
        return under + _EYES[face.eyes](identity, ball)
    frame = scaled(identity.outfit.hat.colour, 0.5)
    for _, angle in _sides(face):
        if face.glasses == "sunglasses":
            marks += _oval(ball, angle, height, wide=wide, tall=0.24, colour=INK)
            marks += _oval(ball, angle - 0.1, height + 0.1, wide=0.06, tall=0.04, colour=WHITE)
        rim = np.append(_TURN, 0.0)
        loop = angle + wide * np.cos(rim), height + 0.25 * np.sin(rim)
        marks += _line(ball, *loop, colour=frame, width=0.03)
    bridge = np.linspace(-1, 1, 3) * (face.eye_gap - wide)
    return marks + _line(ball, bridge, np.full(3, height), colour=frame, width=0.03)
