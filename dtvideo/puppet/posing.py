"""Cut a picture once, pose it as often as wanted."""

from collections.abc import Collection
from dataclasses import dataclass, replace

import cv2
import numpy as np
from jaxtyping import Float, Float32, UInt8

from dtvideo.puppet.ball import Face
from dtvideo.puppet.body import ANKLES, Points, back_to_front, body_scale, known, points_in
from dtvideo.puppet.claims import arm_region
from dtvideo.puppet.cut import Part, Patch, cut_parts, fill_ground
from dtvideo.puppet.head import Head, find_head
from dtvideo.puppet.motion import HAIR_SWING, head_transform, is_from_behind, part_transforms
from dtvideo.puppet.skirt import Skirt, find_skirt
from poses.types import Pose

DETAIL = 2  # parts are cut and moved so much larger than the picture: no jags, less blur
BEYOND = 0.25  # heights of a picture, by which a trunk is lengthened below it
BROAD = 0.1  # widths of a picture: a trunk is lengthened where it meets the border for longer
LARGE = 256  # longest side in pixels of the pictures for which this is worth its time

Image = UInt8[np.ndarray, "h w 3"]
Mask = Float[np.ndarray, "h w"]
Canvas = Float[np.ndarray, "h w 4"]
Cover = Float32[np.ndarray, "h w"]
Matrix = Float[np.ndarray, "2 3"]


@dataclass(frozen=True, eq=False)
class Puppet:
    """A reference picture cut into parts, ready to take any pose.

    ground: the reference without its character; parts: by name, cut from it at a side `detail`
    times as large; points: the reference's key points there; head: how it is held, None where its
    face is not seen; face: its picture, that can turn; skirt: None where the character wears none.
    """

    ground: Image
    parts: dict[str, Part]
    points: Points
    head: Head | None
    face: Face | None
    skirt: Skirt | None
    detail: int

    @classmethod
    def prepare(cls, reference: Image, mask: Mask, reference_pose: Pose) -> "Puppet":
        """Cut the reference into parts and fill the ground behind them; mask in [0, 1]."""
        height, width = mask.shape
        detail = DETAIL if max(height, width) <= LARGE else 1
        size = (width * detail, height * detail)
        points = points_in(reference_pose, size)
        ground = fill_ground(reference, mask)
        picture, behind, alpha = (
            each.repeat(detail, axis=0).repeat(detail, axis=1) for each in (reference, ground, mask)
        )
        if _trunk_goes_on_below(alpha, points):
            rows = round(BEYOND * height * detail)
            picture, behind, alpha = (_longer(each, rows) for each in (picture, behind, alpha))
        solid = alpha > 0.5
        skirt = find_skirt(picture, solid, arm_region(solid, points), points)
        parts = cut_parts(picture, alpha, points, ground=behind, skirt=skirt)
        face = Face.of(parts["head"].own) if "head" in parts else None
        return cls(ground, parts, points, find_head(points), face, skirt, detail)

    def without(self, names: Collection[str]) -> "Puppet":
        """Return the puppet without the parts of these names: where they were, the ground shows."""
        return replace(self, parts={n: part for n, part in self.parts.items() if n not in names})

    def pose(self, target_pose: Pose) -> UInt8[np.ndarray, "h w 4"]:
        """Return the puppet in a pose: RGBA, straight alpha, as large as the reference."""
        canvas = self._compose(target_pose)
        alpha = canvas[..., 3:]
        colour = canvas[..., :3] / np.maximum(alpha, 1e-6)
        return _to_bytes(np.concatenate([colour, alpha], axis=-1))

    def frame(self, target_pose: Pose) -> Image:
        """Return the puppet in a pose over the reference's ground."""
        return self.frame_and_cover(target_pose)[0]

    def frame_and_cover(self, target_pose: Pose) -> tuple[Image, Cover]:
        """Return the same, and how much of each pixel the puppet covers, 0 to 1."""
        canvas = self._compose(target_pose)
        ground = self.ground.astype(np.float32) / 255
        frame = _to_bytes(canvas[..., :3] + ground * (1 - canvas[..., 3:]))
        return frame, canvas[..., 3]

    def _compose(self, target_pose: Pose) -> Canvas:
        """Lay the guessed shapes first and the parts' own pixels over them, back to front."""
        height, width = self.ground.shape[:2]
        size = (width * self.detail, height * self.detail)
        target = points_in(target_pose, size)
        scale = body_scale(self.points, target)
        maps = part_transforms(self.points, target, scale=scale, skirt=self.skirt)
        patches = {name: part.own for name, part in self.parts.items()}
        behind = is_from_behind(maps["torso"])
        if self.head is not None and self.face is not None and "head" in self.parts:
            held = self.head.follow(target, scale, behind=behind)
            if held is None and behind:
                held = self.head.from_behind(maps["torso"], scale)
            if held is not None:
                maps["head"] = head_transform(self.head.pose, held)
                maps["hair"] = head_transform(self.head.pose, held, share=HAIR_SWING)
                patches["head"] = self.face.turned(self.head.pose, held)
        names = [name for name in back_to_front(target, behind=behind) if name in patches]
        canvas = np.zeros((size[1], size[0], 4), dtype=np.float32)
        for name in names:
            if (below := self.parts[name].below) is not None:
                _lay(canvas, below, maps[name])
        for name in names:
            if name == "hair" and behind and (whole := self.parts[name].below) is not None:
                _lay(canvas, whole, maps[name])  # it falls over the back, all of it
            _lay(canvas, patches[name], maps[name])
        return np.asarray(cv2.resize(canvas, (width, height), interpolation=cv2.INTER_AREA))


def puppet(
    reference: Image, mask: Mask, reference_pose: Pose, target_pose: Pose
) -> UInt8[np.ndarray, "h w 4"]:
    """Move the parts of the reference into the target pose: RGBA, straight alpha.

    mask in [0, 1]; poses are scaled from their canvas to the picture. A part whose joints are
    missing follows the one it hangs on. For many poses of one picture use `Puppet`.
    """
    return Puppet.prepare(reference, mask, reference_pose).pose(target_pose)


def coarse_frame(reference: Image, mask: Mask, reference_pose: Pose, target_pose: Pose) -> Image:
    """Lay the puppet in the target pose over the reference's ground, the hole filled."""
    return Puppet.prepare(reference, mask, reference_pose).frame(target_pose)


def _trunk_goes_on_below(alpha: Mask, points: Points) -> bool:
    """Tell whether a body meets the lower border broadly and shows no feet.

    Lengthened, it shows no gap below when it moves up.
    """
    return bool((alpha[-1] > 0.5).mean() > BROAD and not known(points[list(ANKLES)]).any())


def _longer(picture: np.ndarray, rows: int) -> np.ndarray:
    """Return a picture that goes on below its border as it ends there."""
    return np.concatenate([picture, picture[-1:].repeat(rows, axis=0)])


def _lay(canvas: Canvas, patch: Patch, matrix: Matrix) -> None:
    """Lay a moved patch over the canvas, in place, touching only the box it covers."""
    rows, columns = patch.pixels.shape[:2]
    local = matrix.copy()
    local[:, 2] += matrix[:, :2] @ patch.origin
    corners = np.array([[0, columns - 1, 0, columns - 1], [0, 0, rows - 1, rows - 1]])
    moved = local[:, :2] @ corners + local[:, 2:]
    limit = np.array(canvas.shape[1::-1])
    left, top = np.clip(np.floor(moved.min(axis=1)), 0, limit).astype(int)
    right, bottom = np.clip(np.ceil(moved.max(axis=1)) + 1, 0, limit).astype(int)
    if left >= right or top >= bottom:
        return
    local[:, 2] -= (left, top)
    size = (int(right - left), int(bottom - top))
    layer = cv2.warpAffine(patch.pixels, local, size, flags=cv2.INTER_LINEAR)
    box = canvas[top:bottom, left:right]
    box *= 1 - layer[..., 3:]
    box += layer


def _to_bytes(picture: Float[np.ndarray, "h w c"]) -> UInt8[np.ndarray, "h w c"]:
    return np.asarray(np.round(np.clip(picture, 0, 1) * 255), dtype=np.uint8)
