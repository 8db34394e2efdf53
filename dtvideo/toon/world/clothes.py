"""The torso and what is worn on it: shirts, jackets, dresses, skirts, belts, capes and bags."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np

from dtvideo.toon.world.canvas import Canvas, Mark, mixed, scaled
from dtvideo.toon.world.figure import Figure
from dtvideo.toon.world.identity import ANIMALS, Cloth, Identity, letter_of
from dtvideo.toon.world.palette import WHITE
from dtvideo.toon.world.patterns import emblem_mark, letter_marks, pattern_marks
from dtvideo.toon.world.solids import Ball, Tube, capsule, hull

Part = tuple[float, Callable[[Canvas], None]]

_TURN = np.linspace(0, 2 * np.pi, 16, endpoint=False)


def torso_part(identity: Identity, figure: Figure) -> Part:
    """Return the torso with its clothes, and its depth."""
    joints = figure.joints
    depth = float(joints["neck"][2] + joints["pelvis"][2]) / 2

    def paint(canvas: Canvas) -> None:
        _paint_neck(canvas, identity, figure)
        _paint_lower(canvas, identity, figure)
        _paint_upper(canvas, identity, figure)
        if identity.outfit.scarf:
            _paint_scarf(canvas, identity, figure)

    return depth, paint


def torso_tube(figure: Figure, *, hem: float, loose: float = 1.0, boxy: bool = False) -> Tube:
    """Return the trunk from a hem (0: the pelvis, 1: the neck) to the neck."""
    build, joints = figure.build, figure.joints
    spine = joints["neck"] - joints["pelvis"]
    hips = build.hip + build.leg_width * 0.95
    shoulders = build.shoulder + build.arm_width * 0.35
    levels = np.array([hem, 0.1, 0.36, 0.68, 0.86, 0.95, 1.0])
    widths = loose * np.array(
        [hips, hips, (build.waist + hips) / 2 * 0.97, build.shoulder * 1.0, shoulders,
         shoulders * 0.74, build.arm_width * 1.15]
    )  # fmt: skip
    deep = build.chest_depth
    depths = np.minimum([deep * 1.02, deep, deep * 0.97, deep, deep * 0.85, deep * 0.6,
                         build.arm_width], widths)  # fmt: skip
    if boxy:
        widths[:5], depths[:5] = build.shoulder + build.arm_width * 0.2, deep * 1.1
    share = np.clip(levels, 0, 1)[:, None]
    lefts = figure.hips.left * (1 - share) + figure.torso.left * share
    return Tube(
        joints["pelvis"] + levels[:, None] * spine,
        lefts * widths[:, None],
        figure.torso.forward * depths[:, None],
        boxy,
    )


def is_boxy(identity: Identity) -> bool:
    """Return whether the trunk is a box: that of most robots."""
    return identity.kind == "robot" and identity.head_power > 2


def skirt_tube(figure: Figure, *, length: float, flare: float) -> Tube:
    """Return a skirt from the waist to a hem that follows the thighs; length in thighs."""
    build, joints = figure.build, figure.joints
    pelvis, spine = joints["pelvis"], joints["neck"] - joints["pelvis"]
    hips = build.hip + build.leg_width * 1.0
    knees = [
        joints[f"{side}_hip"] + (joints[f"{side}_knee"] - joints[f"{side}_hip"]) * length
        for side in ("right", "left")
    ]
    apart = (knees[1] - knees[0]) / 2
    middle = (knees[0] + knees[1]) / 2
    left, forward = figure.hips.left, figure.hips.forward
    wide = max(abs(float(apart @ left)) + build.leg_width * 1.25, hips * flare)
    deep = max(abs(float(apart @ forward)) + build.leg_width * 1.2, build.chest_depth * flare)
    centres = np.stack([pelvis + spine * 0.3, pelvis, middle])
    return Tube(
        centres,
        np.stack([left * build.waist, left * hips * 1.03, left * wide]),
        np.stack([forward * build.chest_depth, forward * build.chest_depth * 1.05, forward * deep]),
    )


def _paint_neck(canvas: Canvas, identity: Identity, figure: Figure) -> None:
    joints, width = figure.joints, figure.build.arm_width
    low = joints["neck"] - (joints["chin"] - joints["neck"]) * 0.3
    high = joints["chin"] * 0.85 + joints["skull"] * 0.15
    canvas.paint([capsule(low, high, radii=(width, width))], identity.skin)


def _paint_lower(canvas: Canvas, identity: Identity, figure: Figure) -> None:
    """Paint the hips: trousers, shorts, a skirt, or bare."""
    bottom, top = identity.outfit.bottom, identity.outfit.top
    cell = figure.build.torso * 0.28
    if top.kind in ("dress", "coat"):
        return
    if bottom.kind == "skirt":
        tube = skirt_tube(figure, length=0.62, flare=1.5)
        marks = pattern_marks(tube, bottom.pattern, bottom.second, cell=cell)
        canvas.paint(tube.shapes(), bottom.colour, marks=marks)
        return
    boxy = is_boxy(identity)
    tube = torso_tube(figure, hem=-0.08, boxy=boxy)
    lower = Tube(tube.centres[:3], tube.lefts[:3] * 1.02, tube.forwards[:3], boxy)
    colour = identity.skin if bottom.kind == "none" else bottom.colour
    canvas.paint(lower.shapes(), colour)


def _paint_upper(canvas: Canvas, identity: Identity, figure: Figure) -> None:
    """Paint the trunk and its clothes."""
    outfit, torso = identity.outfit, figure.build.torso
    top = outfit.top
    cell = torso * 0.28
    if top.kind in ("dress", "coat"):
        length, flare = (1.0, 1.9) if top.kind == "dress" else (0.8, 1.3)
        skirt = skirt_tube(figure, length=length, flare=flare)
        marks = pattern_marks(skirt, top.pattern, top.second, cell=cell)
        if top.kind == "coat":
            marks += _front_line(skirt, colour=scaled(top.colour, 0.6), width=torso * 0.03)
        canvas.paint(skirt.shapes(), top.colour, marks=marks)
    tucked = outfit.belt and top.kind == "shirt" and outfit.bottom.kind != "none"
    hem = 0.02 if top.kind in ("dress", "coat", "none") or tucked else -0.1
    tube = torso_tube(
        figure,
        hem=hem,
        loose=1.06 if top.kind in ("jacket", "coat") else 1.0,
        boxy=is_boxy(identity),
    )
    seamless = top.kind in ("dress", "coat")
    colour = identity.skin if top.kind == "none" else top.colour
    canvas.paint(tube.shapes(), colour, marks=_upper_marks(identity, figure, tube))
    if seamless:
        middle = Tube(tube.centres[:3], tube.lefts[:3] * 0.94, tube.forwards[:3] * 0.94)
        canvas.paint([middle.band(0.0, 0.25)], top.colour, outlined=False, shaded=False)
    if (outfit.belt and top.kind != "none") or top.kind == "dress":
        _paint_belt(canvas, identity, figure, tube)


def _upper_marks(identity: Identity, figure: Figure, tube: Tube) -> list[Mark]:
    outfit, torso = identity.outfit, figure.build.torso
    top, marks = outfit.top, []
    if top.kind == "none":
        return _bare_marks(identity, figure, tube)
    marks += pattern_marks(tube, top.pattern, top.second, cell=torso * 0.28)
    if top.kind == "jacket":
        marks += _opening(tube, top.second, identity, torso=torso)
    elif outfit.bottom.kind == "overalls" and top.kind == "shirt":
        marks += _bib(tube, outfit.bottom, torso=torso)
    else:
        marks += _neckline(identity, tube, torso=torso)
        marks += _details(identity, tube, torso=torso)
    if top.kind != "jacket":
        marks += _emblem(identity, tube, torso=torso)
    return marks


def _bare_marks(identity: Identity, figure: Figure, tube: Tube) -> list[Mark]:
    """Return a pale belly, or the panel of a robot."""
    torso = figure.build.torso
    if identity.kind == "robot":
        plate = _patch(tube, [(-0.7, 0.5), (0.7, 0.5), (0.7, 0.84), (-0.7, 0.84)])
        dark = scaled(identity.skin, 0.55)
        lamps = [
            _disc(tube, angle, 0.68, radius=torso * 0.06, colour=colour)
            for angle, colour in (
                (-0.4, (240, 90, 80)),
                (0.0, (250, 210, 90)),
                (0.4, (110, 210, 130)),
            )
        ]
        return [Mark(plate, dark), *lamps]
    if identity.kind in ANIMALS or identity.kind == "monster":
        turned = 0.75 * np.cos(_TURN), 0.42 + 0.34 * np.sin(_TURN)
        return [Mark(tube.place(*turned), identity.light)]
    return []


def _patch(tube: Tube, corners: list[tuple[float, float]]) -> np.ndarray:
    points = np.array(corners)
    closed = np.concatenate([points, points[:1]])
    dense = np.concatenate([np.linspace(a, b, 4, endpoint=False) for a, b in pairwise(closed)])
    return tube.place(dense[:, 0], dense[:, 1])


def _disc(
    tube: Tube, angle: float, along: float, *, radius: float, colour: tuple[int, int, int]
) -> Mark:
    across = angle + radius / tube.girth * np.cos(_TURN)
    return Mark(tube.place(across, along + radius / tube.length * np.sin(_TURN)), colour)


def _front_line(
    tube: Tube, *, colour: tuple[int, int, int], width: float, low: float = 0.0, high: float = 1.0
) -> list[Mark]:
    if np.cos(tube.facing) < 0.1:
        return []
    return [Mark(tube.place(np.zeros(5), np.linspace(low, high, 5)), colour, width=width)]


def _opening(
    tube: Tube, inner: tuple[int, int, int], identity: Identity, *, torso: float
) -> list[Mark]:
    """Return the open front of a jacket, with what is worn beneath."""
    shirt = _patch(tube, [(-0.22, 0.0), (0.22, 0.0), (0.34, 1.0), (-0.34, 1.0)])
    marks = [Mark(shirt, inner)]
    dark = scaled(identity.outfit.top.colour, 0.7)
    for side in (-1.0, 1.0):
        lapel = _patch(
            tube, [(side * 0.22, 0.45), (side * 0.62, 0.8), (side * 0.5, 1.0), (side * 0.3, 1.0)]
        )
        marks.append(Mark(lapel, dark))
    return marks


def _bib(tube: Tube, cloth: Cloth, *, torso: float) -> list[Mark]:
    bib = _patch(tube, [(-1.7, -0.05), (1.7, -0.05), (1.7, 0.3), (0.62, 0.36), (0.62, 0.68),
                        (-0.62, 0.68), (-0.62, 0.36), (-1.7, 0.3)])  # fmt: skip
    marks = [Mark(bib, cloth.colour)]
    for side in (-0.55, 0.55):
        if np.cos(side - tube.facing) > 0.1:
            strap = tube.place(np.full(4, side), np.linspace(0.62, 0.98, 4))
            marks.append(Mark(strap, cloth.colour, width=torso * 0.09))
        marks.append(_disc(tube, side, 0.62, radius=torso * 0.035, colour=cloth.second))
    pocket = _patch(tube, [(-0.3, 0.4), (0.3, 0.4), (0.3, 0.56), (-0.3, 0.56)])
    return [*marks, Mark(pocket, scaled(cloth.colour, 0.82))]


def _neckline(identity: Identity, tube: Tube, *, torso: float) -> list[Mark]:
    kind, top = identity.outfit.neckline, identity.outfit.top
    if kind == "round":
        shape = _patch(tube, [(-0.55, 0.97), (-0.35, 0.9), (0.35, 0.9), (0.55, 0.97), (0.6, 1.0),
                              (-0.6, 1.0)])  # fmt: skip
        return [Mark(shape, identity.skin)]
    if kind == "v":
        return [Mark(_patch(tube, [(0.0, 0.76), (0.55, 1.0), (-0.55, 1.0)]), identity.skin)]
    if kind == "collar":
        white = mixed(top.second, WHITE, 0.6)
        return [
            Mark(
                _patch(tube, [(0.0, 0.9), (side * 0.5, 0.82), (side * 0.7, 1.0), (0.0, 1.0)]), white
            )
            for side in (-1.0, 1.0)
        ]
    return []


def _details(identity: Identity, tube: Tube, *, torso: float) -> list[Mark]:
    kind, top = identity.outfit.detail, identity.outfit.top
    if kind == "buttons":
        return [
            _disc(tube, 0.0, along, radius=torso * 0.035, colour=top.second)
            for along in (0.16, 0.38, 0.6, 0.82)
        ]
    if kind == "zip":
        return _front_line(tube, colour=top.second, width=torso * 0.04, high=0.88)
    if kind == "pocket":
        pocket = _patch(tube, [(0.3, 0.56), (0.8, 0.56), (0.8, 0.74), (0.3, 0.74)])
        return [Mark(pocket, scaled(top.colour, 0.8))]
    return []


def _emblem(identity: Identity, tube: Tube, *, torso: float) -> list[Mark]:
    outfit = identity.outfit
    if outfit.emblem == "none":
        return []
    colour = outfit.emblem_colour
    if outfit.emblem == "letter":
        return letter_marks(tube, letter_of(identity), colour, along=0.63, height=torso * 0.32)
    return [emblem_mark(tube, outfit.emblem, colour, along=0.64, radius=torso * 0.17)]


def _paint_belt(canvas: Canvas, identity: Identity, figure: Figure, tube: Tube) -> None:
    outfit = identity.outfit
    colour = scaled(outfit.shoes.colour, 0.75) if outfit.belt else outfit.top.second
    band = hull(np.concatenate([tube.band(0.13, 0.17), tube.band(0.23, 0.27)]))
    buckle = _disc(tube, 0.0, 0.2, radius=figure.build.torso * 0.055, colour=(244, 206, 90))
    marks = [buckle] if outfit.belt and np.cos(tube.facing) > 0 else []
    canvas.paint([band], colour, marks=marks)


def _paint_scarf(canvas: Canvas, identity: Identity, figure: Figure) -> None:
    build, joints = figure.build, figure.joints
    colour = identity.outfit.bottom.second
    neck, axes = joints["neck"], figure.torso
    size = build.arm_width * 1.9
    ring = Ball(neck + axes.up * build.neck * 0.2, axes, (size, build.torso * 0.13, size))
    hang = neck + axes.forward * build.chest_depth + axes.left * size * 0.5
    end = hang - axes.up * build.torso * 0.45
    if axes.forward[2] > -0.1:
        canvas.paint([capsule(hang, end, radii=(size * 0.32, size * 0.4))], colour)
    canvas.paint([ring.outline()], colour)


def back_parts(identity: Identity, figure: Figure, *, depth: float) -> list[Part]:
    """Return a cape, a backpack or a bag, with its depth."""
    cloth, forward = identity.outfit.back, float(figure.torso.forward[2])
    behind = depth - figure.build.chest_depth * 1.6 * forward
    if cloth.kind == "cape":
        return [(behind, lambda canvas: _paint_cape(canvas, cloth, figure))]
    if cloth.kind == "backpack":
        return [
            (behind, lambda canvas: _paint_backpack(canvas, cloth, figure)),
            (depth + 0.001, lambda canvas: _paint_straps(canvas, cloth, figure)),
        ]
    if cloth.kind == "bag":
        side = depth + float(figure.hips.left[2]) * figure.build.hip + 0.015
        return [(side, lambda canvas: _paint_bag(canvas, cloth, figure))]
    return []


def _paint_cape(canvas: Canvas, cloth: Cloth, figure: Figure) -> None:
    build, axes, neck = figure.build, figure.torso, figure.joints["neck"]
    length = build.torso + build.thigh * 1.1
    fall = -axes.up * 0.55 + np.array([0.0, -0.45, 0.0])
    back = neck - axes.forward * build.chest_depth * 0.8
    low = back + fall * length - axes.forward * build.torso * 0.35
    middle = back + fall * length * 0.5 - axes.forward * build.torso * 0.12
    wide = build.shoulder + build.arm_width
    tube = Tube(
        np.stack([back, back + fall * length * 0.12, middle, low]),
        np.stack([axes.left * wide * size for size in (0.5, 1.0, 1.25, 1.6)]),
        np.stack([axes.forward * build.torso * 0.05] * 4),
    )
    marks = pattern_marks(tube, cloth.pattern, cloth.second, cell=build.torso * 0.3)
    canvas.paint(tube.shapes(), cloth.colour, marks=marks)


def _paint_backpack(canvas: Canvas, cloth: Cloth, figure: Figure) -> None:
    build, axes = figure.build, figure.torso
    spine = figure.joints["neck"] - figure.joints["pelvis"]
    centre = figure.joints["pelvis"] + spine * 0.58 - axes.forward * build.chest_depth * 1.5
    size = (build.shoulder * 0.95, build.torso * 0.4, build.chest_depth * 0.9)
    canvas.paint([Ball(centre, axes, size, power=4.0).outline()], cloth.colour)
    pocket = Ball(centre - axes.up * build.torso * 0.16 - axes.forward * size[2] * 0.5, axes,
                  (size[0] * 0.7, size[1] * 0.42, size[2] * 0.7), power=4.0)  # fmt: skip
    if axes.forward[2] < 0:
        canvas.paint([pocket.outline()], cloth.second)


def _paint_straps(canvas: Canvas, cloth: Cloth, figure: Figure) -> None:
    tube = torso_tube(figure, hem=0.02)
    width = figure.build.torso * 0.06
    for side in (-0.75, 0.75):
        if np.cos(side - tube.facing) > 0.2:
            angles = np.full(6, side)
            strap = tube.place(angles, np.linspace(0.45, 0.93, 6))
            aside = np.array([width, 0.0])
            across = np.stack([strap + aside, strap - aside])
            canvas.paint([hull(across.reshape(-1, 2))], cloth.colour, outlined=False)


def _paint_bag(canvas: Canvas, cloth: Cloth, figure: Figure) -> None:
    build, axes = figure.build, figure.hips
    tube = torso_tube(figure, hem=0.02)
    facing = np.cos(tube.facing) > 0
    ends = (-0.8, 1.2) if facing else (np.pi + 0.8, np.pi - 1.2)
    strap = tube.place(np.linspace(*ends, 9), np.linspace(0.95, 0.12, 9))
    size = build.torso * 0.05
    for start, end in pairwise(strap):
        canvas.paint([capsule(start, end, radii=(size, size))], cloth.second, outlined=False)
    centre = figure.joints["left_hip"] + axes.left * (build.leg_width + build.torso * 0.1)
    ball = Ball(centre, axes, (build.torso * 0.14, build.torso * 0.2, build.torso * 0.22), 4.0)
    canvas.paint([ball.outline()], cloth.colour)
