"""Pictures to check by eye: people with their numbers, a pose over a figure."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont

from poses.people import box_of
from poses.render import draw_pose
from poses.types import Pose, confident

DIMMED = 0.55
TAG_SHARE = 0.06
INK = (20, 20, 20)
PAPER = (255, 214, 64)
LEAST_WIDTH = 512

Picture = UInt8[np.ndarray, "h w 3"]


def overlay_pose(picture: Picture, pose: Pose) -> UInt8[np.ndarray, "h w 3"]:
    """Draw a pose over a picture that is dimmed so that the pose stands out."""
    height, width = picture.shape[:2]
    drawn = draw_pose(pose, (width, height))
    ground = (picture * DIMMED).astype(np.uint8)
    return np.where(drawn.any(axis=2, keepdims=True), drawn, ground)


def number_people(
    picture: Picture, people: Sequence[Pose | None], *, kept: int | None = None
) -> UInt8[np.ndarray, "_ _ 3"]:
    """Draw everyone's pose, box and number (from 1) over a picture; None is not in it.

    kept: the index of the person whose tag is filled. Small pictures are enlarged to 512.
    """
    scale = max(1, -(-LEAST_WIDTH // picture.shape[1]))
    large = picture.repeat(scale, axis=0).repeat(scale, axis=1)
    shown = {
        index: pose
        for index, pose in enumerate(people)
        if pose is not None and confident(pose.body).any()
    }
    for pose in shown.values():
        dim = overlay_pose(large, pose)
        large = np.where(draw_pose(pose, large.shape[1::-1]).any(axis=2, keepdims=True), dim, large)
    page = Image.fromarray(large)
    pen = ImageDraw.Draw(page)
    size = max(14, round(TAG_SHARE * page.height))
    for index, pose in shown.items():
        left, top, right, bottom = (box_of(pose) * scale).tolist()
        pen.rectangle((left, top, right, bottom), outline=PAPER, width=max(1, size // 12))
        _tag(pen, (left, top), str(index + 1), size=size, filled=index == kept)
    return np.array(page)


def _tag(
    pen: ImageDraw.ImageDraw, corner: tuple[float, float], text: str, *, size: int, filled: bool
) -> None:
    font = ImageFont.load_default(size)
    left = max(0.0, corner[0])
    top = max(0.0, corner[1] - 1.3 * size)
    box = (left, top, left + 1.2 * size, top + 1.3 * size)
    pen.rectangle(box, fill=PAPER if filled else INK, outline=PAPER, width=2)
    middle = ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
    pen.text(middle, text, fill=INK if filled else PAPER, font=font, anchor="mm")
