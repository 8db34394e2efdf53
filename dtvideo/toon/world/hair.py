"""Hair and hats: shells around the skull with a hole for the face, and what hangs from them."""

from collections.abc import Callable

import numpy as np

from dtvideo.toon.world.canvas import Canvas, Colour, Mark, mixed, scaled
from dtvideo.toon.world.figure import Vector
from dtvideo.toon.world.identity import Identity
from dtvideo.toon.world.solids import Ball, Numbers, Shape, Tube, capsule, chain, disc, hull

Part = tuple[float, Callable[[Canvas], None]]

_DOWN = np.array([0.0, -1.0, 0.0])
_AROUND = np.linspace(0, 2 * np.pi, 24, endpoint=False)


def hair_parts(identity: Identity, ball: Ball, *, depth: float) -> list[Part]:
    """Return the hair that is behind the head, with its depths."""
    style, forward = identity.hair.style, ball.axes.forward
    behind = depth - ball.radii[2] * float(forward[2])
    parts: list[Part] = []
    if style in ("long", "bobbed", "curly", "afro"):
        parts.append((behind, lambda canvas: _paint_mass(canvas, identity, ball)))
    if style in ("ponytail", "bun"):
        root = ball.centre - forward * ball.radii[2] * 1.0 + ball.axes.up * ball.radii[1] * 0.4
        parts.append((behind, lambda canvas: _paint_tail(canvas, identity, ball, root)))
    if style == "twin-tail":
        for side in (-1.0, 1.0):
            parts.append(_twin_tail(identity, ball, side=side, depth=depth))
    return parts


def _twin_tail(identity: Identity, ball: Ball, *, side: float, depth: float) -> Part:
    axes = ball.axes
    out = axes.left * side * ball.radii[0] * 1.05 + axes.up * ball.radii[1] * 0.25
    root = ball.centre + out - axes.forward * ball.radii[2] * 0.25
    near = depth + float(root[2] - ball.centre[2])
    return near - 0.1 * ball.radii[2], lambda canvas: _paint_tail(canvas, identity, ball, root)


def _paint_mass(canvas: Canvas, identity: Identity, ball: Ball) -> None:
    """Paint the hair that falls behind the head, or stands around it."""
    style = identity.hair.style
    width, height, depth = ball.radii
    centre = ball.centre - ball.axes.forward * depth * 0.2
    colour = scaled(identity.hair.colour, 0.88)
    if style == "afro":
        big = Ball(centre + ball.axes.up * height * 0.25, ball.axes,
                   (width * 1.45, height * 1.3, depth * 1.35))  # fmt: skip
        canvas.paint([big.outline()], identity.hair.colour)
        return
    if style == "curly":
        ring = np.linspace(0, 2 * np.pi, 12, endpoint=False)
        spots, _ = ball.grown(1.02).points(ring, np.full(12, -0.15))
        canvas.paint([disc(spot, width * 0.34) for spot in spots], colour)
        return
    reach = {"bobbed": 0.95, "long": 2.3}[style]
    fall = _DOWN * 0.7 - ball.axes.up * 0.3
    low = centre + fall * height * reach - ball.axes.forward * depth * 0.25
    upper = Ball(centre, ball.axes, (width * 1.1, height * 1.04, depth * 1.0)).outline(above=-0.5)
    spread = width * (0.95 if style == "bobbed" else 0.8)
    across = ball.axes.left * spread + ball.axes.forward * depth * 0.25
    ends = [disc(low + across * 0.75, width * 0.24), disc(low - across * 0.75, width * 0.24)]
    canvas.paint([hull(np.concatenate([upper, *ends]))], colour)


def _paint_tail(canvas: Canvas, identity: Identity, ball: Ball, root: Vector) -> None:
    """Paint a bun, or a tail of hair that falls from a root."""
    size, colour = ball.radii[1], identity.hair.colour
    if identity.hair.style == "bun":
        root = root + ball.axes.up * size * 0.35
        canvas.paint([disc(root, size * 0.42)], colour)
        return
    out = root - ball.centre
    out = out / max(float(np.linalg.norm(out)), 1e-9)
    middle = root + (out * 0.45 + _DOWN * 0.35) * size
    end = middle + (out * 0.1 + _DOWN * 0.85) * size
    canvas.paint(chain([root, middle, end], [size * 0.16, size * 0.27, size * 0.07]), colour)
    canvas.paint([disc(root, size * 0.15)], identity.outfit.top.second)


def paint_front_hair(canvas: Canvas, identity: Identity, ball: Ball) -> None:
    """Paint the shell of hair over the skull, with a hole where the face is."""
    hair = identity.hair
    if hair.style == "none":
        return
    shell = ball.grown(1.07)
    if hair.style == "mohawk":
        _paint_mohawk(canvas, identity, ball)
        return
    nape = {"short": -0.25, "spiky": -0.15, "afro": -0.2, "bun": -0.25, "ponytail": -0.25,
            "twin-tail": -0.25}.get(hair.style, -0.45)  # fmt: skip
    shapes = [shell.outline(above=nape)]
    if hair.style == "spiky" and identity.outfit.hat.kind in ("none", "headband", "crown", "bow"):
        shapes += _spikes(shell)
    if hair.style in ("curly", "afro"):
        shapes += _curls(shell)
    hole = _face_hole(identity, shell)
    canvas.paint(
        shapes,
        hair.colour,
        marks=_strands(identity, shell),
        holes=[] if hole is None else [hole],
    )


def _face_hole(identity: Identity, shell: Ball) -> Shape | None:
    """Return where the shell is open: below the fringe, between the sides."""
    hair = identity.hair
    reach = hair.reach if hair.style in ("long", "bobbed", "curly") else hair.reach + 0.25
    across = np.linspace(-reach, reach, 29)
    lowest = identity.face.eye_height + 0.2 * identity.face.eye_size
    brow = max(0.3, lowest + 0.06)
    heights = np.clip(_FRINGES[hair.fringe](across / reach, brow), -0.9, 0.93)
    down = np.linspace(0.0, -0.97, 6)
    angles = np.concatenate([across, np.full(6, reach), np.full(6, -reach)])
    return shell.place(angles, np.concatenate([heights, down, down[::-1]]))


def _straight(x: Numbers, brow: float) -> Numbers:
    return np.asarray(brow - 0.25 * np.maximum(np.abs(x) - 0.75, 0))


def _parted(x: Numbers, brow: float) -> Numbers:
    return brow + 0.38 * np.exp(-((x - 0.15) ** 2) * 14) - 0.3 * x**2 + 0.08


def _swept(x: Numbers, brow: float) -> Numbers:
    return np.asarray(brow + 0.2 + 0.26 * np.sin(x * 1.7) - 0.2 * np.abs(x) ** 3)


def _jagged(x: Numbers, brow: float) -> Numbers:
    return brow + 0.06 + 0.16 * np.abs(((x * 3.5 + 0.5) % 1) * 2 - 1) - 0.22 * x**2


def _high(x: Numbers, brow: float) -> Numbers:
    return np.asarray(np.maximum(brow + 0.25, 0.62) - 0.3 * x**4)


_FRINGES: dict[str, Callable[[Numbers, float], Numbers]] = {
    "straight": _straight,
    "parted": _parted,
    "swept": _swept,
    "jagged": _jagged,
    "high": _high,
}


def _strands(identity: Identity, shell: Ball) -> list[Mark]:
    """Return a band of shine and a few darker strands."""
    hair, marks = identity.hair, []
    if hair.style in ("curly", "afro"):
        return []
    if hair.shine:
        across = np.linspace(-1.3, 1.3, 17)
        wave = 0.05 * np.abs(((across * 3) % 1) * 2 - 1)
        angles = np.concatenate([across, across[::-1]])
        heights = np.concatenate([np.full(17, 0.78) - wave, np.full(17, 0.66) + wave])
        band = shell.place(angles, heights)
        light = mixed(hair.colour, (255, 255, 255), 0.35)
        marks += [] if band is None else [Mark(band, light)]
    dark = scaled(hair.colour, 0.78)
    for angle in (-2.4, -1.2, -0.35, 0.5, 1.3, 2.3):
        heights = np.linspace(0.9, 0.2, 6)
        points, facing = shell.points(angle + 0.25 * (1 - heights), heights)
        if facing.min() > 0:
            marks.append(Mark(points[:, :2], dark, width=shell.radii[1] * 0.035))
    return marks


def _spikes(shell: Ball) -> list[Shape]:
    """Return pointed tufts all over the crown."""
    shapes = []
    for height, count, out in ((0.25, 9, 1.38), (0.62, 7, 1.42), (0.93, 3, 1.45)):
        angles = np.linspace(0, 2 * np.pi, count, endpoint=False) + height * 2
        tips, _ = shell.points(angles, np.full(count, min(height + 0.08, 0.97)))
        left, _ = shell.points(angles - 0.42, np.full(count, height - 0.1))
        right, _ = shell.points(angles + 0.42, np.full(count, height - 0.1))
        tips = shell.centre + (tips - shell.centre) * out
        inner = shell.centre + (tips - shell.centre) * 0.5
        shapes += [
            hull(np.stack(corners)) for corners in zip(left, right, tips, inner, strict=True)
        ]
    return shapes


def _curls(shell: Ball) -> list[Shape]:
    """Return round tufts all over the crown."""
    shapes = []
    for height, count in ((0.15, 11), (0.55, 9), (0.88, 5)):
        angles = np.linspace(0, 2 * np.pi, count, endpoint=False) + height
        spots, _ = shell.points(angles, np.full(count, height))
        shapes += [disc(spot, shell.radii[0] * 0.3) for spot in spots]
    return shapes


def _paint_mohawk(canvas: Canvas, identity: Identity, ball: Ball) -> None:
    turn = np.linspace(0.45, 2.7, 9)
    front = np.cos(turn)[:, None] * ball.axes.forward * ball.radii[2]
    crest = ball.centre + front + np.sin(turn)[:, None] * ball.axes.up * ball.radii[1]
    size = ball.radii[1] * (0.16 + 0.14 * np.sin(turn))
    top = crest + np.sin(turn)[:, None] * ball.axes.up * ball.radii[1] * 0.3
    shapes = [capsule(a, b, radii=(r, r * 0.7)) for a, b, r in zip(crest, top, size, strict=True)]
    canvas.paint(shapes, identity.hair.colour)


def _disc_tube(ball: Ball, *, levels: list[float], sizes: list[float], back: float = 0.0) -> Tube:
    """Return a tube of rings around the head's axis: heights and half widths in half heads."""
    width, height, depth = ball.radii
    up, left, forward = ball.axes.up, ball.axes.left, ball.axes.forward
    centre = ball.centre - forward * depth * back
    return Tube(
        np.stack([centre + up * height * level for level in levels]),
        np.stack([left * width * size for size in sizes]),
        np.stack([forward * depth * size for size in sizes]),
    )


def paint_hat(canvas: Canvas, identity: Identity, ball: Ball) -> None:
    """Paint the hat over the hair."""
    kind = identity.outfit.hat.kind
    if kind != "none":
        _HATS[kind](canvas, identity, ball)


def _dome(ball: Ball, *, above: float, size: float = 1.13) -> Shape:
    return ball.grown(size).outline(above=above)


def _band_marks(ball: Ball, *, low: float, high: float, size: float, colour: Colour) -> list[Mark]:
    across = np.linspace(-np.pi, np.pi, 33)
    shell = ball.grown(size)
    facing = shell.points(across, np.full(33, low))[1]
    seen = np.roll(across, -int(np.argmin(facing)))
    angles = np.concatenate([seen, seen[::-1]])
    shape = shell.place(angles, np.repeat([low, high], 33))
    return [] if shape is None else [Mark(shape, colour)]


def _cap(canvas: Canvas, identity: Identity, ball: Ball) -> None:
    hat = identity.outfit.hat
    canvas.paint([_dome(ball, above=0.34)], hat.colour)
    across = np.linspace(-0.85, 0.85, 9)
    shell = ball.grown(1.13)
    rim, _ = shell.points(across, np.full(9, 0.36))
    peak = rim + ball.axes.forward * ball.radii[2] * 0.62 * np.cos(across * 1.5)[:, None]
    peak = peak - ball.axes.up * ball.radii[1] * 0.08
    if ball.axes.forward[2] > -0.35:
        canvas.paint([hull(np.concatenate([rim, peak]))], hat.second)
    top = ball.centre + ball.axes.up * ball.radii[1] * 1.13
    canvas.paint([disc(top, ball.radii[1] * 0.08)], hat.second, outlined=False)


def _beanie(canvas: Canvas, identity: Identity, ball: Ball) -> None:
    hat = identity.outfit.hat
    top = ball.centre + ball.axes.up * ball.radii[1] * 1.2
    canvas.paint([disc(top, ball.radii[1] * 0.22)], hat.second)
    canvas.paint(
        [_dome(ball, above=0.28, size=1.14)],
        hat.colour,
        marks=_band_marks(ball, low=0.26, high=0.46, size=1.14, colour=hat.second),
    )


def _top_hat(canvas: Canvas, identity: Identity, ball: Ball) -> None:
    hat = identity.outfit.hat
    brim = _disc_tube(ball, levels=[0.6, 0.66], sizes=[1.5, 1.45])
    canvas.paint(brim.shapes(), hat.colour)
    tube = _disc_tube(ball, levels=[0.64, 1.6], sizes=[0.86, 0.92])
    canvas.paint(tube.shapes(), hat.colour, marks=[Mark(tube.band(0.08, 0.3), hat.second)])


def _straw_hat(canvas: Canvas, identity: Identity, ball: Ball) -> None:
    hat = identity.outfit.hat
    straw: Colour = mixed((238, 206, 130), hat.colour, 0.25)
    brim = _disc_tube(ball, levels=[0.5, 0.58], sizes=[1.65, 1.5])
    canvas.paint(brim.shapes(), straw)
    tube = _disc_tube(ball, levels=[0.56, 1.0, 1.16], sizes=[1.02, 0.92, 0.6])
    canvas.paint(tube.shapes(), straw, marks=[Mark(tube.band(0.0, 0.28), hat.colour)])


def _wizard_hat(canvas: Canvas, identity: Identity, ball: Ball) -> None:
    hat = identity.outfit.hat
    brim = _disc_tube(ball, levels=[0.56, 0.62], sizes=[1.55, 1.5])
    canvas.paint(brim.shapes(), hat.colour)
    tube = _disc_tube(ball, levels=[0.6, 1.25, 2.0], sizes=[0.98, 0.52, 0.06], back=0.05)
    canvas.paint(tube.shapes(), hat.colour, marks=[Mark(tube.band(0.02, 0.16), hat.second)])


def _helmet(canvas: Canvas, identity: Identity, ball: Ball) -> None:
    hat = identity.outfit.hat
    shell = ball.grown(1.16)
    across = np.linspace(-1.0, 1.0, 15)
    upper = np.full(15, identity.face.eye_height + 0.45) - 0.12 * across**2
    angles = np.concatenate([across, np.full(4, 1.0), np.full(4, -1.0)])
    down = np.linspace(0, -0.97, 4)
    hole = shell.place(angles, np.concatenate([upper, down, down[::-1]]))
    ridge = _band_ridge(shell, colour=hat.second)
    canvas.paint(
        [shell.outline(above=-0.5)], hat.colour, marks=ridge, holes=[] if hole is None else [hole]
    )


def _band_ridge(shell: Ball, *, colour: Colour) -> list[Mark]:
    turn = np.linspace(0.0, np.pi, 17)
    centre = np.cos(turn)[:, None] * shell.axes.forward * shell.radii[2]
    line = shell.centre + centre + np.sin(turn)[:, None] * shell.axes.up * shell.radii[1]
    return [Mark(line[:, :2], colour, width=shell.radii[1] * 0.2)]


def _crown(canvas: Canvas, identity: Identity, ball: Ball) -> None:
    gold: Colour = (246, 200, 70)
    tube = _disc_tube(ball, levels=[0.66, 0.95], sizes=[0.84, 0.9])
    spikes = []
    turns = _AROUND[::3]
    for angle in turns:
        side = np.sin(angle) * ball.axes.left * ball.radii[0]
        point = ball.centre + (side + np.cos(angle) * ball.axes.forward * ball.radii[2]) * 0.9
        low, high = (point + ball.axes.up * ball.radii[1] * level for level in (0.9, 1.28))
        spikes.append(hull(np.concatenate([disc(low, ball.radii[0] * 0.2), high[None, :2]])))
    canvas.paint([*tube.shapes(), *spikes], gold, marks=[Mark(tube.band(0.1, 0.4), (222, 90, 90))])


def _headband(canvas: Canvas, identity: Identity, ball: Ball) -> None:
    band = _disc_tube(ball, levels=[0.42, 0.62], sizes=[1.0, 0.88])
    canvas.paint(band.shapes(), identity.outfit.hat.colour)


def _bow(canvas: Canvas, identity: Identity, ball: Ball) -> None:
    hat, axes, size = identity.outfit.hat, ball.axes, ball.radii[1]
    centre = ball.centre + axes.up * size * 0.98 + axes.left * ball.radii[0] * 0.45
    shapes = []
    for side in (-1.0, 1.0):
        wing = centre + axes.left * side * size * 0.36
        ends = [disc(wing + axes.up * size * lift, size * 0.1) for lift in (-0.16, 0.2)]
        shapes.append(hull(np.concatenate([centre[None, :2], *ends])))
    canvas.paint(shapes, hat.colour)
    canvas.paint([disc(centre, size * 0.12)], hat.second)


_HATS: dict[str, Callable[[Canvas, Identity, Ball], None]] = {
    "cap": _cap,
    "beanie": _beanie,
    "top hat": _top_hat,
    "straw hat": _straw_hat,
    "wizard hat": _wizard_hat,
    "helmet": _helmet,
    "crown": _crown,
    "headband": _headband,
    "bow": _bow,
}
