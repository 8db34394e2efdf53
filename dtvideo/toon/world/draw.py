"""Draw one character in one stance: picture, mask, key points and the order of its parts."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, UInt8

from dtvideo.toon.world.body import body_parts
from dtvideo.toon.world.canvas import Canvas
from dtvideo.toon.world.figure import Camera, Figure, Stance, place_figure
from dtvideo.toon.world.heads import head_parts, head_points
from dtvideo.toon.world.identity import Identity
from poses.types import BODY_JOINTS, Pose, missing_joints

Part = tuple[float, Callable[[Canvas], None]]  # depth of a part, and how it is painted

_LIMB_JOINTS = (
    (1, "neck"),
    (2, "right_shoulder"), (3, "right_elbow"), (4, "right_wrist"),
    (5, "left_shoulder"), (6, "left_elbow"), (7, "left_wrist"),
    (8, "right_hip"), (9, "right_knee"), (10, "right_ankle"),
    (11, "left_hip"), (12, "left_knee"), (13, "left_ankle"),
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Drawing:
    """A character drawn, and the truth about it.

    image: over its background; mask: coverage in [0, 1]; pose: body-18 key points in pixels;
    depth: order of the parts (0 is the background, larger is nearer); layer: the character
    alone, with colours multiplied by their alpha.
    """

    image: UInt8[np.ndarray, "h w 3"]
    mask: Float32[np.ndarray, "h w"]
    pose: Pose
    depth: UInt8[np.ndarray, "h w"]
    layer: UInt8[np.ndarray, "h w 4"]

    @property
    def rgba(self) -> UInt8[np.ndarray, "h w 4"]:
        """The character with straight alpha."""
        return _straight(self.layer)


def draw(
    identity: Identity,
    stance: Stance,
    camera: Camera,
    *,
    size: tuple[int, int] = (128, 128),
    background: UInt8[np.ndarray, "h w 3"] | None = None,
) -> Drawing:
    """Draw a character; without a background it stands on white. size is (width, height)."""
    figure = place_figure(identity.build, stance, camera)
    canvas = Canvas(size, style=identity.style, scale=camera.scale, centre=camera.centre)
    parts = [*body_parts(identity, figure), *head_parts(identity, figure)]
    for _, paint in sorted(parts, key=lambda part: part[0]):
        paint(canvas)
    colours, order = canvas.finish()
    ground = np.full((size[1], size[0], 3), 255, np.uint8) if background is None else background
    alpha = colours[..., 3:].astype(np.uint16)
    image = colours[..., :3] + (ground * (255 - alpha) + 127) // 255
    return Drawing(
        image=np.minimum(image, 255).astype(np.uint8),
        mask=colours[..., 3].astype(np.float32) / 255,
        pose=Pose(body=_key_points(figure, identity, canvas), size=size),
        depth=order,
        layer=colours,
    )


def key_points(
    identity: Identity, stance: Stance, camera: Camera, *, size: tuple[int, int] = (128, 128)
) -> Pose:
    """Return the pose that `draw` tells of a character, without drawing it."""
    figure = place_figure(identity.build, stance, camera)
    canvas = Canvas(size, style=identity.style, scale=camera.scale, centre=camera.centre)
    return Pose(body=_key_points(figure, identity, canvas), size=size)


def _key_points(figure: Figure, identity: Identity, canvas: Canvas) -> Float[np.ndarray, "18 3"]:
    """Return where the joints are seen: those outside of the picture or turned away are missing."""
    body = missing_joints(BODY_JOINTS)
    seen = dict(_LIMB_JOINTS)
    points = {index: figure.joints[name] for index, name in seen.items()}
    points |= head_points(identity, figure)
    indices = list(points)
    pixels = canvas.to_pixels(np.stack([points[index] for index in indices]))
    width, height = canvas.size
    for index, (x, y) in zip(indices, pixels, strict=True):
        if 0 <= x < width and 0 <= y < height:
            body[index] = (x, y, 1.0)
    return body


def _straight(colours: UInt8[np.ndarray, "h w 4"]) -> UInt8[np.ndarray, "h w 4"]:
    """Divide the colours by their coverage."""
    alpha = np.maximum(colours[..., 3:], 1).astype(np.uint16)
    rgba = colours.copy()
    rgba[..., :3] = np.minimum((colours[..., :3] * np.uint16(255) + alpha // 2) // alpha, 255)
    return rgba
