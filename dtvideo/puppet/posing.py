"""Cut a picture once, pose it as often as wanted."""

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from dtvideo.puppet.body import Points, back_to_front, body_scale, points_in
from dtvideo.puppet.cut import Part, Patch, cut_parts, fill_ground
from dtvideo.puppet.head import Head, HeadPose, find_head
from dtvideo.puppet.motion import head_transform, part_transforms
from poses.types import Pose

BALL_RADIUS = 1.15  # of the ball that turns in a head, in radii of the head; by trying

Image = UInt8[np.ndarray, "h w 3"]
Mask = Float[np.ndarray, "h w"]
Canvas = Float[np.ndarray, "h w 4"]
Matrix = Float[np.ndarray, "2 3"]


@dataclass(frozen=True, eq=False)
class Puppet:
    """A reference picture cut into parts, ready to take any pose.

    ground: the reference without its character; parts: by name; points: the reference's key
    points in pixels; head: how it is held there, None where its face is not seen.
    """

    ground: Image
    parts: dict[str, Part]
    points: Points
    head: Head | None

    @classmethod
    def prepare(cls, reference: Image, mask: Mask, reference_pose: Pose) -> "Puppet":
        """Cut the reference into parts and fill the ground behind them; mask in [0, 1]."""
        height, width = mask.shape
        points = points_in(reference_pose, (width, height))
        ground = fill_ground(reference, mask)
        parts = cut_parts(reference, mask, points, ground=ground)
        return cls(ground, parts, points, find_head(points))

    def pose(self, target_pose: Pose) -> UInt8[np.ndarray, "h w 4"]:
        """Return the puppet in a pose: RGBA, straight alpha, as large as the reference."""
        canvas = self._compose(target_pose)
        alpha = canvas[..., 3:]
        colour = canvas[..., :3] / np.maximum(alpha, 1e-6)
        return _to_bytes(np.concatenate([colour, alpha], axis=-1))

    def frame(self, target_pose: Pose) -> Image:
        """Return the puppet in a pose over the reference's ground."""
        canvas = self._compose(target_pose)
        ground = self.ground.astype(np.float32) / 255
        return _to_bytes(canvas[..., :3] + ground * (1 - canvas[..., 3:]))

    def _compose(self, target_pose: Pose) -> Canvas:
        """Lay the guessed shapes first and the parts' own pixels over them, back to front."""
        height, width = self.ground.shape[:2]
        target = points_in(target_pose, (width, height))
        scale = body_scale(self.points, target)
        maps = part_transforms(self.points, target, scale=scale)
        patches = {name: part.own for name, part in self.parts.items()}
        held = None if self.head is None else self.head.follow(target, scale)
        if self.head is not None and held is not None and "head" in patches:
            maps["head"] = head_transform(self.head.pose, held)
            patches["head"] = _turn_ball(patches["head"], self.head.pose, held)
        names = [name for name in back_to_front(target) if name in patches]
        canvas = np.zeros((height, width, 4), dtype=np.float32)
        for name in names:
            if (below := self.parts[name].below) is not None:
                _lay(canvas, below, maps[name])
        for name in names:
            _lay(canvas, patches[name], maps[name])
        return canvas


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


def _turn_ball(patch: Patch, before: HeadPose, after: HeadPose) -> Patch:
    """Show a head turned from one pose to another, still at its place and tilt.

    Its middle turns as the front of a ball, its rim not at all: hair and ears keep their shape.
    """
    rows, columns = np.mgrid[: patch.pixels.shape[0], : patch.pixels.shape[1]]
    places = np.stack([columns, rows], axis=-1) + patch.origin
    radius = BALL_RADIUS * before.radius
    offset = (places - before.centre) / radius * (1, -1)
    turn = after.tilt - before.tilt  # clockwise; what is laid down will be tilted by it
    cosine, sine = np.cos(turn), np.sin(turn)
    offset = offset @ np.array([[cosine, -sine], [sine, cosine]])
    squared = (offset**2).sum(axis=-1, keepdims=True)
    surface = np.concatenate([offset, np.sqrt(np.clip(1 - squared, 0, 1))], axis=-1)
    source = (surface @ after.turn @ before.turn.T)[..., :2] * (1, -1) * radius + before.centre
    share = np.clip(1 - squared**2, 0, 1)
    taken = (places + share * (source - places) - patch.origin).astype(np.float32)
    return Patch(cv2.remap(patch.pixels, taken, None, cv2.INTER_LINEAR), patch.origin)


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
