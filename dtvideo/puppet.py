"""Move the limbs of a picture like those of a paper puppet.

Each limb of the reference, cut out by the nearest bone inside the mask, is laid on the same
bone of the target pose, back to front. No network: what is missing is a guess.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8

from poses.types import Pose

NOSE, NECK = 0, 1
TORSO_JOINTS = (1, 2, 5, 8, 11)
HEAD_JOINTS = (0, 14, 15, 16, 17)
MINIMUM_BONE = 1e-3

Image = UInt8[np.ndarray, "h w 3"]
Layer = Float[np.ndarray, "h w 4"]
Points = Float[np.ndarray, "j 2"]
Matrix = Float[np.ndarray, "2 3"]


@dataclass(frozen=True)
class Part:
    """One piece of the puppet; `thickness` and `overlap` are in torso lengths."""

    name: str
    joints: tuple[int, ...]
    parent: str | None
    thickness: float
    overlap: float = 0.0


PARTS = (
    Part("torso", TORSO_JOINTS, None, 0.35),
    Part("head", (NECK, *HEAD_JOINTS), "torso", 0.5, 0.15),
    Part("right_upper_arm", (2, 3), "torso", 0.18, 0.12),
    Part("right_forearm", (3, 4), "right_upper_arm", 0.16, 0.12),
    Part("left_upper_arm", (5, 6), "torso", 0.18, 0.12),
    Part("left_forearm", (6, 7), "left_upper_arm", 0.16, 0.12),
    Part("right_thigh", (8, 9), "torso", 0.24, 0.16),
    Part("right_shin", (9, 10), "right_thigh", 0.2, 0.14),
    Part("left_thigh", (11, 12), "torso", 0.24, 0.16),
    Part("left_shin", (12, 13), "left_thigh", 0.2, 0.14),
)
RIGHT_ARM = ("right_upper_arm", "right_forearm")
LEFT_ARM = ("left_upper_arm", "left_forearm")
RIGHT_LEG = ("right_shin", "right_thigh")
LEFT_LEG = ("left_shin", "left_thigh")


@dataclass(frozen=True, eq=False)
class Puppet:
    """A reference picture cut into limbs, ready to take any pose.

    ground: the reference without its character, the hole filled from its border;
    layers: premultiplied RGBA in [0, 1] by part name; points: its key points in pixels.
    """

    ground: Image
    layers: dict[str, Layer]
    points: Points

    @classmethod
    def prepare(
        cls,
        reference: Image,
        mask: Float[np.ndarray, "h w"],
        reference_pose: Pose,
    ) -> "Puppet":
        """Cut the reference into limbs and fill the ground behind them."""
        height, width = mask.shape
        points = _pixels(reference_pose, (width, height))
        layers = _cut(reference, mask.astype(np.float32), points)
        return cls(ground=_fill_ground(reference, mask), layers=layers, points=points)

    def pose(self, target_pose: Pose) -> UInt8[np.ndarray, "h w 4"]:
        """Return the puppet in a pose: RGBA, straight alpha, same size as the reference."""
        canvas = self._compose(target_pose)
        alpha = canvas[..., 3:]
        colour = np.divide(
            canvas[..., :3], alpha, out=np.zeros_like(canvas[..., :3]), where=alpha > 0
        )
        return _to_uint8(np.concatenate([colour, alpha], axis=-1))

    def frame(self, target_pose: Pose) -> Image:
        """Return the puppet in a pose over the reference's ground."""
        canvas = self._compose(target_pose)
        ground = self.ground.astype(np.float32) / 255
        return _to_uint8(canvas[..., :3] + ground * (1 - canvas[..., 3:]))

    def _compose(self, target_pose: Pose) -> Layer:
        height, width = self.ground.shape[:2]
        target = _pixels(target_pose, (width, height))
        transforms = _transforms(self.points, target)
        canvas = np.zeros((height, width, 4), dtype=np.float32)
        for name in _back_to_front(target):
            if name in self.layers:
                _lay_over(canvas, self.layers[name], transforms[name])
        return canvas


def puppet(
    reference: Image,
    mask: Float[np.ndarray, "h w"],
    reference_pose: Pose,
    target_pose: Pose,
) -> UInt8[np.ndarray, "h w 4"]:
    """Move the limbs of the reference onto the target pose: RGBA, straight alpha.

    mask in [0, 1]; poses are scaled from their canvas to the picture. A limb whose joints
    are missing in the target follows its parent.
    """
    return Puppet.prepare(reference, mask, reference_pose).pose(target_pose)


def coarse_frame(
    reference: Image,
    mask: Float[np.ndarray, "h w"],
    reference_pose: Pose,
    target_pose: Pose,
) -> Image:
    """Lay the puppet in the target pose over the reference's ground, the hole filled."""
    return Puppet.prepare(reference, mask, reference_pose).frame(target_pose)


def _pixels(pose: Pose, size: tuple[int, int]) -> Points:
    """Return body points in pixels of a picture of `size` (width, height); NaN is missing."""
    scale = np.array(size) / np.array(pose.size)
    points = pose.body[:, :2] * scale
    return np.where(pose.body[:, 2:] > 0, points, np.nan)


def _known(points: Points, joints: Sequence[int]) -> Bool[np.ndarray, " j"]:
    return np.isfinite(points[list(joints)]).all(axis=1)


def _torso_length(points: Points) -> float:
    """Return neck to middle of the hips, or a guess from what is known."""
    hips = points[[8, 11]][_known(points, (8, 11))]
    if len(hips) and np.isfinite(points[NECK]).all():
        return max(float(np.linalg.norm(hips.mean(axis=0) - points[NECK])), 1.0)
    spread = points[np.isfinite(points).all(axis=1)]
    return max(float(np.ptp(spread, axis=0).max()) / 3, 1.0) if len(spread) else 1.0


def _cut(reference: Image, mask: Float[np.ndarray, "h w"], points: Points) -> dict[str, Layer]:
    """Return one premultiplied layer per part, joints overlapping a little."""
    length = _torso_length(points)
    picture = np.concatenate([reference.astype(np.float32) / 255, np.ones_like(mask)[..., None]], 2)
    parts = [part for part in PARTS if part.parent is None or _is_drawable(part, points)]
    distances = np.stack(
        [_distance(part, points, mask.shape) / (part.thickness * length) for part in parts]
    )
    owner = distances.argmin(axis=0)
    layers = {}
    for index, part in enumerate(parts):
        owned = owner == index
        if part.overlap:
            owned |= _disc(points[part.joints[0]], part.overlap * length, mask.shape)
        layers[part.name] = picture * (mask * owned)[..., None]
    return layers


def _is_drawable(part: Part, points: Points) -> bool:
    known = _known(points, part.joints)
    return bool(known[0] and known[1:].any()) if part.name == "head" else bool(known.all())


def _grid(shape: tuple[int, ...]) -> Float[np.ndarray, "h w 2"]:
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    return np.stack([columns, rows], axis=-1).astype(np.float64)


def _disc(centre: Float[np.ndarray, "2"], radius: float, shape: tuple[int, ...]) -> np.ndarray:
    return np.linalg.norm(_grid(shape) - centre, axis=-1) <= radius


def _distance(part: Part, points: Points, shape: tuple[int, ...]) -> Float[np.ndarray, "h w"]:
    """Return each pixel's distance to the part's bone, 0 inside the torso's outline."""
    known = points[list(part.joints)][_known(points, part.joints)]
    if part.name == "torso":
        return _distance_to_hull(known, shape)
    if part.name == "head":
        base, middle = points[NECK], known[1:].mean(axis=0)
        return _distance_to_segment((base + middle) / 2, 1.7 * middle - 0.7 * base, shape)
    return _distance_to_segment(known[0], known[1], shape)


def _distance_to_hull(corners: Points, shape: tuple[int, ...]) -> Float[np.ndarray, "h w"]:
    if len(corners) == 0:
        return np.full(shape[:2], 1e6)
    inside = np.zeros(shape[:2], dtype=np.uint8)
    hull = cv2.convexHull(np.round(corners).astype(np.int32))
    cv2.fillConvexPoly(inside, hull, 1)
    inside[tuple(np.clip(np.round(corners[0, ::-1]).astype(int), 0, np.array(shape[:2]) - 1))] = 1
    return cv2.distanceTransform(1 - inside, cv2.DIST_L2, 5).astype(np.float64)


def _distance_to_segment(
    start: Float[np.ndarray, "2"], end: Float[np.ndarray, "2"], shape: tuple[int, ...]
) -> Float[np.ndarray, "h w"]:
    offset, bone = _grid(shape) - start, end - start
    along = np.clip(offset @ bone / max(float(bone @ bone), MINIMUM_BONE), 0, 1)
    return np.linalg.norm(offset - along[..., None] * bone, axis=-1)


def _fill_ground(reference: Image, mask: Float[np.ndarray, "h w"]) -> Image:
    """Return the reference with its character replaced by the smooth fill of the hole's rim."""
    reach = max(3, round(max(mask.shape) / 64)) | 1
    hole = cv2.dilate((mask > 0.02).astype(np.uint8), np.ones((reach, reach), np.uint8))
    return np.asarray(cv2.inpaint(reference, hole, 3, cv2.INPAINT_TELEA), dtype=np.uint8)


def _transforms(reference: Points, target: Points) -> dict[str, Matrix]:
    """Return each part's own transform; a part that cannot be fitted follows its parent."""
    transforms: dict[str, Matrix] = {}
    for part in PARTS:
        fitted = _fit(reference[list(part.joints)], target[list(part.joints)])
        if fitted is None:
            fitted = _fit(reference, target) if part.parent is None else transforms[part.parent]
        transforms[part.name] = np.eye(2, 3) if fitted is None else fitted
    return transforms


def _fit(source: Points, target: Points) -> Matrix | None:
    """Return the least-squares similarity between point sets, from the points known in both."""
    known = np.isfinite(source).all(axis=1) & np.isfinite(target).all(axis=1)
    if known.sum() < 2:
        return None
    start, goal = source[known], target[known]
    a, b = (start - start.mean(axis=0)) @ (1, 1j), (goal - goal.mean(axis=0)) @ (1, 1j)
    power = float((np.abs(a) ** 2).sum())
    if power < MINIMUM_BONE:
        return None
    turn = complex((a.conj() * b).sum() / power)
    matrix = np.array([[turn.real, -turn.imag], [turn.imag, turn.real]])
    return np.column_stack([matrix, goal.mean(axis=0) - matrix @ start.mean(axis=0)])


def _back_to_front(target: Points) -> tuple[str, ...]:
    """Return part names from the farthest to the nearest, guessed from which ear is seen."""
    right, left = np.isfinite(target[[16, 17]]).all(axis=1)
    if right == left:
        return (*RIGHT_LEG, *LEFT_LEG, "torso", "head", *RIGHT_ARM, *LEFT_ARM)
    near, far = (RIGHT_ARM, LEFT_ARM) if right else (LEFT_ARM, RIGHT_ARM)
    near_leg, far_leg = (RIGHT_LEG, LEFT_LEG) if right else (LEFT_LEG, RIGHT_LEG)
    return (*far, *far_leg, *near_leg, "torso", "head", *near)


def _lay_over(canvas: Layer, layer: Layer, transform: Matrix) -> None:
    size = (canvas.shape[1], canvas.shape[0])
    moved = cv2.warpAffine(layer, transform, size, flags=cv2.INTER_LINEAR)
    canvas *= 1 - moved[..., 3:]
    canvas += moved


def _to_uint8(picture: Float[np.ndarray, "h w c"]) -> UInt8[np.ndarray, "h w c"]:
    return np.round(np.clip(picture, 0, 1) * 255).astype(np.uint8)
