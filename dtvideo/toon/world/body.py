"""Limbs: arms, legs, hands, feet and tails, with what is worn on them."""

from collections.abc import Callable

import numpy as np

from dtvideo.toon.world.canvas import Canvas, Colour, Mark, mixed, scaled
from dtvideo.toon.world.clothes import back_parts, torso_part
from dtvideo.toon.world.figure import Figure, Vector, cross
from dtvideo.toon.world.identity import Cloth, Identity
from dtvideo.toon.world.palette import WHITE
from dtvideo.toon.world.patterns import pattern_marks
from dtvideo.toon.world.solids import Tube, capsule, chain, disc, limb_tube, unit

Part = tuple[float, Callable[[Canvas], None]]


def body_parts(identity: Identity, figure: Figure) -> list[Part]:
    """Return the parts below the head with their depths."""
    torso_depth, paint_torso = torso_part(identity, figure)
    parts = [(torso_depth, paint_torso), *back_parts(identity, figure, depth=torso_depth)]
    skirt = identity.outfit.top.kind in ("dress", "coat") or identity.outfit.bottom.kind == "skirt"
    for side in ("right", "left"):
        depth, paint_leg = _leg(identity, figure, side)
        parts.append((min(depth, torso_depth - 0.005) if skirt else depth, paint_leg))
        parts.append(_arm(identity, figure, side))
    return parts + _tail(identity, figure)


def _leg(identity: Identity, figure: Figure, side: str) -> Part:
    hip, knee, ankle = (figure.joints[f"{side}_{name}"] for name in ("hip", "knee", "ankle"))
    depth = float((knee[2] * 2 + hip[2] + ankle[2]) / 4) - 0.02

    def paint(canvas: Canvas) -> None:
        boots = identity.outfit.shoes.kind == "boots"
        if not boots:
            _paint_foot(canvas, identity, figure, side)
        _paint_leg(canvas, identity, figure, points=(hip, knee, ankle))
        if boots:
            _paint_foot(canvas, identity, figure, side)

    return depth, paint


def _paint_leg(
    canvas: Canvas, identity: Identity, figure: Figure, *, points: tuple[Vector, Vector, Vector]
) -> None:
    hip, knee, ankle = points
    width, cloth = figure.build.leg_width, identity.outfit.bottom
    radii = (width * 1.12, width * 0.95, width * 0.72)
    dress = identity.outfit.top.kind == "dress" and cloth.kind != "trousers"
    forward = figure.hips.forward
    if cloth.kind in ("trousers", "overalls") and not dress:
        loose = (width * 1.18, width * 1.02, width * 0.95)
        points = (hip, knee, knee + (ankle - knee) * 0.84)
        tube = limb_tube(points, loose, forward=forward)
        marks = _cloth_marks(cloth, tube, figure) + [Mark(tube.band(0.93, 1.0), cloth.second)] * (
            cloth.pattern == "banded"
        )
        canvas.paint(chain(points, loose), cloth.colour, marks=marks)
        return
    marks = []
    if identity.kind == "robot":
        tube = limb_tube(points, radii, forward=forward)
        marks = [Mark(tube.band(a, a + 0.04), scaled(identity.skin, 0.6)) for a in (0.45, 0.52)]
    canvas.paint(chain(points, radii), identity.skin, marks=marks)
    if cloth.kind == "shorts" and not dress:
        middle = hip * 0.3 + knee * 0.7
        loose_end = (width * 1.2, width * 1.22)
        tube = limb_tube((hip, middle), loose_end, forward=forward)
        canvas.paint(
            [capsule(hip, middle, radii=loose_end)],
            cloth.colour,
            marks=_cloth_marks(cloth, tube, figure),
        )


def _cloth_marks(cloth: Cloth, tube: Tube, figure: Figure) -> list[Mark]:
    """Return the pattern of a garment on a limb, where the limb is wide enough to show it."""
    cell = figure.build.torso * 0.28
    wide = cloth.pattern == "striped" or tube.girth > 0.5 * cell
    if cloth.pattern in ("plain", "banded") or not wide:
        return []
    return pattern_marks(tube, cloth.pattern, cloth.second, cell=cell)


def _paint_foot(canvas: Canvas, identity: Identity, figure: Figure, side: str) -> None:
    build, shoes = figure.build, identity.outfit.shoes
    knee, ankle, toe = (figure.joints[f"{side}_{name}"] for name in ("knee", "ankle", "toe"))
    radius = max(build.ankle * 0.9, build.leg_width * 0.72)
    low = unit(ankle - knee) * (build.ankle - radius) * 0.6
    heel, tip = ankle + low, toe + low * 0.5
    tip_radius = radius * (0.82 if shoes.kind != "none" else 0.95)
    if shoes.kind in ("none", "sandals"):
        marks = []
        if shoes.kind == "sandals":
            strap = (heel + 2 * tip) / 3
            up = np.array([0.0, radius, 0.0])
            across = np.stack([strap + up, strap - up])
            marks = [Mark(across[:, :2], shoes.colour, width=radius * 0.5)]
        canvas.paint([capsule(heel, tip, radii=(radius * 0.9, tip_radius))], identity.skin,
                     marks=marks)  # fmt: skip
        return
    shapes = [capsule(heel, tip, radii=(radius, tip_radius))]
    if shoes.kind == "boots":
        top = ankle + (knee - ankle) * 0.42
        shapes.append(capsule(ankle, top, radii=(radius, build.leg_width * 1.0)))
    down = unit(ankle - knee)[:2] * radius
    aside = np.array([-down[1], down[0]])
    middle = ((heel + tip) / 2)[:2] + down * 0.92
    reach = 1.5 + float(np.hypot(*(tip - heel)[:2])) / radius
    line = np.stack([middle - aside * reach, middle + aside * reach])
    colour = WHITE if shoes.pattern != "plain" else scaled(shoes.colour, 0.6)
    marks = [Mark(line, colour, width=radius * 0.5)]
    canvas.paint(shapes, shoes.colour, marks=marks)


def _arm(identity: Identity, figure: Figure, side: str) -> Part:
    points = tuple(figure.joints[f"{side}_{name}"] for name in ("shoulder", "elbow", "wrist"))
    _, elbow, wrist = points
    depth = float(elbow[2] * 0.4 + wrist[2] * 0.6) + 0.01

    def paint(canvas: Canvas) -> None:
        _paint_hand(canvas, identity, figure, elbow=elbow, wrist=wrist, side=side)
        _paint_sleeve(canvas, identity, figure, points=points)

    return depth, paint


def _paint_sleeve(
    canvas: Canvas, identity: Identity, figure: Figure, *, points: tuple[Vector, ...]
) -> None:
    shoulder, elbow, _ = points
    width, outfit = figure.build.arm_width, identity.outfit
    top, bare = outfit.top, outfit.top.kind == "none"
    radii = (width * 1.05, width * 0.92, width * 0.78)
    sleeve = "none" if bare else outfit.sleeve
    if top.kind in ("jacket", "coat"):
        sleeve = "long"
    forward = figure.torso.forward
    if sleeve == "long":
        loose = (width * 1.1, width * 1.0, width * 0.92)
        tube = limb_tube(points, loose, forward=forward)
        marks = _cloth_marks(top, tube, figure)
        if top.pattern == "banded" or top.kind == "jacket":
            marks.append(Mark(tube.band(0.9, 1.0), top.second))
        canvas.paint(chain(points, loose), top.colour, marks=marks)
        return
    marks = []
    if identity.kind == "robot":
        tube = limb_tube(points, radii, forward=forward)
        marks = [Mark(tube.band(a, a + 0.05), scaled(identity.skin, 0.6)) for a in (0.44, 0.53)]
    canvas.paint(chain(points, radii), identity.skin, marks=marks)
    if sleeve == "short":
        middle = shoulder * 0.42 + elbow * 0.58
        loose_end = (width * 1.15, width * 1.25)
        tube = limb_tube((shoulder, middle), loose_end, forward=forward)
        shape = capsule(shoulder, middle, radii=loose_end)
        canvas.paint([shape], top.colour, marks=_cloth_marks(top, tube, figure))


def _paint_hand(
    canvas: Canvas, identity: Identity, figure: Figure, *, elbow: Vector, wrist: Vector, side: str
) -> None:
    size, along = figure.build.hand, unit(wrist - elbow)
    colour = scaled(identity.outfit.shoes.colour, 0.95) if identity.outfit.gloves else identity.skin
    inward = figure.torso.forward - along * (figure.torso.forward @ along)
    thumb_way = unit(inward + figure.torso.left * (0.5 if side == "right" else -0.5))
    palm = wrist + along * size * 0.75
    shapes = [disc(palm, size)]
    if identity.hand != "round":
        thumb = palm + thumb_way * size * 0.95 + along * size * 0.35
        shapes.append(capsule(palm, thumb, radii=(size * 0.5, size * 0.36)))
    if identity.hand == "mitten":
        shapes = [capsule(palm, palm + along * size * 0.6, radii=(size, size * 0.82)), *shapes[1:]]
    if identity.hand in ("fingers", "claw"):
        spread = unit(cross(along, thumb_way) + thumb_way * 0.9)
        for step in (-0.6, 0.0, 0.6):
            tip = palm + along * size * 1.5 + spread * size * step * 1.1
            root = palm + spread * size * step
            shapes.append(capsule(root, tip, radii=(size * 0.38, size * 0.32)))
    canvas.paint(shapes, colour)


def _tail(identity: Identity, figure: Figure) -> list[Part]:
    """Return the tail of an animal: a curve from the back of the pelvis."""
    if identity.kind not in _TAILS:
        return []
    lengths, radii, tip = _TAILS[identity.kind]
    axes, torso = figure.hips, figure.build.torso
    back = figure.joints["pelvis"] - axes.forward * figure.build.chest_depth * 0.8
    points = [back]
    for step, (out, rise, side) in enumerate(lengths):
        way = -axes.forward * out + axes.up * rise + axes.left * side
        points.append(points[step] + way * torso)
    widths = [radius * torso for radius in radii]
    depth = float(points[len(points) // 2][2]) - 0.02
    end: Colour = mixed(identity.skin, WHITE, 0.75) if tip else identity.skin

    def paint(canvas: Canvas) -> None:
        canvas.paint(chain(points, widths), identity.skin)
        if tip:
            canvas.paint([capsule(points[-2], points[-1], radii=(widths[-2], widths[-1]))], end)

    return [(depth, paint)]


_Curve = list[tuple[float, float, float]]
_TAILS: dict[str, tuple[_Curve, list[float], bool]] = {
    "cat": ([(0.35, 0.05, 0.25), (0.2, 0.3, 0.25), (-0.05, 0.35, -0.05)],
            [0.1, 0.1, 0.1, 0.09], False),
    "fox": ([(0.4, 0.0, 0.3), (0.3, 0.25, 0.35), (0.05, 0.4, 0.05)],
            [0.1, 0.22, 0.26, 0.06], True),
    "dog": ([(0.25, 0.2, 0.15), (0.05, 0.3, 0.1)], [0.12, 0.1, 0.07], False),
    "mouse": ([(0.4, -0.1, 0.3), (0.3, 0.2, 0.4), (0.1, 0.4, 0.1)], [0.06, 0.05, 0.04, 0.03],
              False),
    "rabbit": ([(0.12, 0.0, 0.0)], [0.24, 0.24], False),
    "bear": ([(0.1, 0.02, 0.0)], [0.17, 0.17], False),
    "pig": ([(0.15, 0.05, 0.1), (0.1, 0.12, -0.1)], [0.05, 0.05, 0.04], False),
    "monster": ([(0.35, -0.1, 0.3), (0.25, 0.15, 0.3)], [0.2, 0.14, 0.02], False),
}  # fmt: skip
