"""Rendered people with known joints: bodies of MakeHuman, posed by captured motion.

Axes of the stage, in metres: x to the picture's right, y up from the ground, z towards the
camera. A body that is not turned faces the camera, so that its own left is at +x. The joints are
those that COCO's annotators mark, as anny regresses them from the vertices; the neck lies between
the shoulders. `benchmarks/make_bodies.py` makes the file.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float, Int, UInt8
from scipy.spatial.transform import Rotation, Slerp

from dtvideo.toon.world.figure import BODY_DIRECTIONS, LEGS_PER_TORSO, Axes, Stance, axes_from
from poses.skeleton import BODY18
from poses.types import Pose, missing_joints

FILE = Path(__file__).with_name("bodies.npz")
STEP = 1e-4  # metres
FOUND_JOINTS = (0, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17)  # rows of body-18
NECK, SHOULDERS, HIPS = 1, (2, 5), (8, 11)
TRUNK = (
    ("belly", "pelvis"),
    ("waist", "belly"),
    ("chest", "waist"),
    ("neck", "chest"),
    ("head", "neck"),
)
LIMBS = (
    ("upper_arm", "chest"),
    ("forearm", "upper_arm"),
    ("thigh", "pelvis"),
    ("shin", "thigh"),
    ("foot", "shin"),
)
BETWEEN = {
    "belly": ("pelvis", "chest", 1 / 3),
    "waist": ("pelvis", "chest", 2 / 3),
    "neck": ("chest", "head", 1 / 2),
}
ENDS = {"upper_arm": "forearm", "thigh": "shin", "shin": "foot"}
TOES = (0.15, -0.25, 1.0)  # where the feet of the bodies at rest point
SKIN, HAIR, LIPS, WHITE, DARK = (
    (205, 160, 135), (50, 35, 25), (170, 85, 85), (240, 240, 240), (40, 30, 25),
)  # fmt: skip
SHIRT = ("chest", "waist", "belly", "right_upper_arm", "left_upper_arm")
TROUSERS = ("pelvis", "right_thigh", "left_thigh", "right_shin", "left_shin")
SHOES = ("right_foot", "left_foot")
LIGHT, AMBIENT, DIRECT = np.array([0.35, 0.6, 0.72]), 0.45, 0.6
FINER = 2  # times the picture, so that edges are smooth
FRACTION_BITS = 4  # of a pixel, in OpenCV's polygons

Picture = UInt8[np.ndarray, "h w 3"]
Points = Float[np.ndarray, "*_ 3"]
Turn = Float[np.ndarray, "3 3"]
Colour = tuple[int, int, int]


@dataclass(frozen=True, eq=False)
class Rig:
    """What all bodies share: triangles, what moves which vertex, and what makes which joint."""

    parts: tuple[str, ...]
    triangles: Int[np.ndarray, "f 3"]
    weights: Float[np.ndarray, "v p"]
    joints: Float[np.ndarray, "17 v"]


@dataclass(frozen=True, eq=False)
class Body:
    """A body at rest: vertices and the heads of its parts in metres, and its triangles' colours."""

    vertices: Points
    heads: dict[str, Points]
    colours: Float[np.ndarray, "f 3"]


@dataclass(frozen=True)
class Lens:
    """A camera before the stage: how far, how high, and its vertical field of view in degrees."""

    size: tuple[int, int] = (480, 480)
    distance: float = 6.0
    height: float = 1.05
    field_of_view: float = 24.0


@dataclass(frozen=True)
class Board:
    """An upright board that hides what is behind it."""

    left: float
    right: float
    z: float = 1.0
    top: float = 3.0
    colour: Colour = (150, 140, 120)


@cache
def rig() -> Rig:
    """Read what all bodies share."""
    with np.load(FILE, allow_pickle=False) as file:
        count = file["vertices"].shape[1]
        weights = np.zeros((count, len(file["parts"])))
        np.add.at(weights, (np.arange(count)[:, None], file["weight_parts"]), file["weights"])
        joints = np.zeros((len(FOUND_JOINTS), count))
        joints[file["point_joints"], file["point_vertices"]] = file["point_weights"]
        return Rig(
            parts=tuple(map(str, file["parts"])),
            triangles=file["triangles"].astype(int),
            weights=weights / weights.sum(axis=1, keepdims=True),
            joints=joints / joints.sum(axis=1, keepdims=True),
        )


@cache
def body(name: str, shirt: Colour = (60, 90, 160), trousers: Colour = (70, 65, 60)) -> Body:
    """Return the man, the woman or the child, in clothes of these colours."""
    with np.load(FILE, allow_pickle=False) as file:
        number = list(file["names"]).index(name)
        vertices, heads = file["vertices"][number] * STEP, file["heads"][number] * STEP
        lips, eyeballs = file["lips"], file["eyeballs"]
    ground = np.array([0, vertices[:, 1].min(), 0])
    vertices, heads = vertices - ground, heads - ground
    colours = dressed(shirt, trousers)
    make_up(colours, vertices, lips=lips, eyeballs=eyeballs)
    return Body(vertices, dict(zip(rig().parts, heads, strict=True)), colours)


def owners() -> np.ndarray:
    """Return the name of the part that each triangle belongs to."""
    strongest = rig().weights[rig().triangles].sum(axis=1).argmax(axis=1)
    return np.array(rig().parts)[strongest]


def dressed(shirt: Colour, trousers: Colour) -> Float[np.ndarray, "f 3"]:
    """Return the colours of the triangles of a body in shirt, trousers and shoes."""
    part = owners()
    colours = np.tile(np.array(SKIN, float), (len(part), 1))
    for names, colour in ((SHIRT, shirt), (TROUSERS, trousers), (SHOES, (120, 50, 40))):
        colours[np.isin(part, names)] = colour
    return colours


def make_up(
    colours: Float[np.ndarray, "f 3"], vertices: Points, *, lips: np.ndarray, eyeballs: np.ndarray
) -> None:
    """Give a head hair, lips, eyes and brows, in place."""
    middle = vertices[rig().triangles].mean(axis=1)
    head = owners() == "head"
    *_, right_eye, left_eye, right_ear, _left_ear = rig().joints @ vertices
    crown = middle[head, 1].max()
    above = middle[:, 1] > right_eye[1] + 0.45 * (crown - right_eye[1])
    behind = (middle[:, 2] < right_ear[2] - 0.01) & (middle[:, 1] > right_eye[1] - 0.08)
    colours[head & (above | behind)] = HAIR
    colours[lips] = LIPS
    ball = eyeballs[rig().triangles].all(axis=1)
    colours[ball] = WHITE
    for eye in (right_eye, left_eye):
        aside, over = np.abs(middle[:, :2] - eye[:2]).T
        front = middle[:, 2] > eye[2] - 0.01
        colours[ball & front & (np.hypot(aside, over) < 0.006)] = DARK
        brow = np.abs(middle[:, 1] - eye[1] - 0.022) < 0.004
        colours[head & front & brow & (aside < 0.02)] = HAIR


def posed(body: Body, stance: Stance, *, turn: float = 0.0, at: Sequence[float] = (0, 0)) -> Points:
    """Return the vertices of a body in a stance, turned by degrees to its left, at x and z."""
    turns, places = _skeleton(body, stance)
    vertices = np.zeros_like(body.vertices)
    for number, part in enumerate(rig().parts):
        moved = rig().weights[:, number] > 0
        here = (body.vertices[moved] - body.heads[part]) @ turns[part].T + places[part]
        vertices[moved] += rig().weights[moved, number, None] * here
    about = Rotation.from_euler("y", turn, degrees=True)
    return about.apply(vertices) + np.array([at[0], 0, at[1]])


def _skeleton(body: Body, stance: Stance) -> tuple[dict[str, Turn], dict[str, Points]]:
    """Return how each part is turned, and where its head is."""
    bones = dict(zip(BODY_DIRECTIONS, np.asarray(stance.directions, float), strict=True))
    turns = {
        "pelvis": _columns(axes_from(bones["spine"], bones["chest"], left=bones["hips"])),
        "chest": _columns(axes_from(bones["spine"], bones["chest"], left=bones["shoulders"])),
        "head": _columns(axes_from(bones["head"], bones["face"])),
    }
    for part, (one, other, share) in BETWEEN.items():
        both = Rotation.from_matrix([turns[one], turns[other]])
        turns[part] = Slerp([0, 1], both)(share).as_matrix()
    heads = body.heads
    leg = sum(
        np.linalg.norm(heads[f"right_{a}"] - heads[f"right_{b}"])
        for a, b in (("thigh", "shin"), ("shin", "foot"))
    )
    places = {"pelvis": heads["pelvis"] + stance.root * leg / LEGS_PER_TORSO}
    for part, parent in _tree():
        places[part] = places[parent] + turns[parent] @ (heads[part] - heads[parent])
        if part not in turns:
            rest = turns[parent] @ _at_rest(body, part)
            turns[part] = _swing(rest, bones[part]) @ turns[parent]
    return turns, places


def _tree() -> Iterator[tuple[str, str]]:
    """Yield every part but the pelvis with the part that it hangs from, which comes before."""
    yield from TRUNK
    for side in ("right", "left"):
        for limb, parent in LIMBS:
            yield f"{side}_{limb}", parent if parent in ("chest", "pelvis") else f"{side}_{parent}"


def _at_rest(body: Body, part: str) -> Points:
    """Return where a limb points in the body at rest."""
    side, _, limb = part.partition("_")
    if limb in ENDS:
        return body.heads[f"{side}_{ENDS[limb]}"] - body.heads[part]
    if limb == "forearm":
        wrist = FOUND_JOINTS.index(4 if side == "right" else 7)
        return rig().joints[wrist] @ body.vertices - body.heads[part]
    return np.array(TOES) * (-1 if side == "right" else 1, 1, 1)


def _swing(start: Points, end: Points) -> Turn:
    """Return the shortest turn from one direction to another."""
    axis, cosine = np.cross(start, end), float(start @ end)
    sine = float(np.linalg.norm(axis))
    turn: Turn = Rotation.from_rotvec(
        axis / max(sine, 1e-12) * np.arctan2(sine, cosine)
    ).as_matrix()
    return turn


def _columns(axes: Axes) -> Turn:
    return np.stack([axes.left, axes.up, axes.forward], axis=1)


def seen(points: Points, lens: Lens) -> tuple[Float[np.ndarray, "*_ 2"], Float[np.ndarray, "*_"]]:
    """Return where points are in the picture, in pixels, and how far from the camera."""
    depth = lens.distance - points[..., 2]
    across = points[..., :2] - (0, lens.height)
    return np.array(lens.size) / 2 + focal(lens) * across / depth[..., None] * (1, -1), depth


def focal(lens: Lens) -> float:
    """Return how large something of one metre at a distance of one metre is, in pixels."""
    return float(lens.size[1] / 2 / np.tan(np.radians(lens.field_of_view) / 2))


def truth(vertices: Points, lens: Lens) -> tuple[Pose, float]:
    """Return the true key points, those outside the picture missing, and a torso's length there."""
    stage = np.empty((len(BODY18), 3))
    stage[list(FOUND_JOINTS)] = rig().joints @ vertices
    stage[NECK] = stage[list(SHOULDERS)].mean(axis=0)
    hips = stage[list(HIPS)].mean(axis=0)
    where, depths = seen(stage, lens)
    inside = ((where >= 0) & (where < lens.size)).all(axis=1)
    joints = np.column_stack([where, np.ones(len(where))])
    torso = float(np.linalg.norm(stage[NECK] - hips)) * focal(lens) / depths[NECK]
    return Pose(body=np.where(inside[:, None], joints, missing_joints(1)), size=lens.size), torso


def render(
    people: Sequence[tuple[Body, Points]], ground: Picture, lens: Lens, boards: Sequence[Board] = ()
) -> Picture:
    """Draw bodies and boards before a ground, what is far first."""
    picture = cv2.resize(ground, None, fx=FINER, fy=FINER, interpolation=cv2.INTER_LINEAR)
    parts = [_shaded(body, vertices, lens) for body, vertices in people]
    parts += [_boarded(board, lens) for board in boards]
    if not parts:
        return ground
    corners, colours, depths = (np.concatenate(part) for part in zip(*parts, strict=True))
    # A pixel's middle is at a whole number in OpenCV, but at a half in our pictures.
    fixed = np.rint((corners * FINER - 0.5) * 2**FRACTION_BITS).astype(np.int32)
    order = np.argsort(-depths)
    for triangle, colour in zip(fixed[order], colours[order].tolist(), strict=True):
        cv2.fillConvexPoly(picture, triangle, colour, cv2.LINE_8, FRACTION_BITS)
    drawn: Picture = cv2.resize(picture, lens.size, interpolation=cv2.INTER_AREA)
    return drawn


def _shaded(body: Body, vertices: Points, lens: Lens) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the triangles that face the camera: corners in pixels, colours and depths."""
    places, depths = seen(vertices, lens)
    corners, solid = places[rig().triangles], vertices[rig().triangles]
    one, other = np.moveaxis(corners[:, 1:] - corners[:, :1], 1, 0)
    facing = one[:, 0] * other[:, 1] - one[:, 1] * other[:, 0] < 0
    normals = np.cross(solid[:, 1] - solid[:, 0], solid[:, 2] - solid[:, 0])[facing]
    normals /= np.linalg.norm(normals, axis=1, keepdims=True).clip(min=1e-12)
    light = AMBIENT + DIRECT * (normals @ LIGHT).clip(0, 1)
    colours = (body.colours[facing] * light[:, None]).clip(0, 255).round()
    return corners[facing], colours, depths[rig().triangles].mean(axis=1)[facing]


def _boarded(board: Board, lens: Lens) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    corners = [
        (board.left, 0, board.z), (board.right, 0, board.z),
        (board.right, board.top, board.z), (board.left, board.top, board.z),
    ]  # fmt: skip
    places, depths = seen(np.array(corners, float), lens)
    halves = places[np.array([(0, 1, 2), (0, 2, 3)])]
    return halves, np.array([board.colour] * 2, float), depths[:2]
