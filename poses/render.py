"""Draw a pose as the picture that OpenPose ControlNets were trained on.

Convention: RGB on black, no anti-aliasing. Limbs are filled ellipses in 0.6 of their colour,
joints are discs in full colour over them, hands a rainbow of lines under blue discs, the face
white discs. Widths are those of a picture whose short side is 512 and scale with it.
"""

from functools import partial
from math import floor
from typing import Any

import numpy as np
from jaxtyping import UInt8

from poses.errors import PoseError
from poses.skeleton import BODY18, FACE70, HAND21, Colour, Skeleton
from poses.types import Joints, Pose, confident

STANDARD_SIDE = 512
STICK_WIDTH = 4
LIMB_DIMMING = 0.6
HAND_LINE_WIDTH = 2
HAND_DISC = 4
FACE_DISC = 3

Canvas = UInt8[np.ndarray, "h w 3"]
Point = tuple[float, float]
Points = dict[int, Point]


def draw_pose(
    pose: Pose,
    size: tuple[int, int] | None = None,
    *,
    hands: bool = True,
    face: bool = True,
) -> Canvas:
    """Draw a pose on black, key points scaled from the pose's canvas to `size` (width, height).

    Without a size the pose's own is used. Joints that are missing, not confident or more than
    a picture away from the frame are left out, with the limbs that need them.
    Raises: PoseError when the size is not positive.
    """
    width, height = pose.size if size is None else size
    if width < 1 or height < 1:
        raise PoseError("M11", "size", f"{width}x{height} is no picture", "give two positive sides")
    canvas = np.zeros((height, width, 3), dtype=np.uint8)
    place = partial(_points, scale=(width / pose.size[0], height / pose.size[1]), canvas=canvas)
    _draw_body(canvas, place(pose.body))
    for hand in (pose.left_hand, pose.right_hand) if hands else ():
        if hand is not None:
            _draw_hand(canvas, place(hand))
    if face and pose.face is not None:
        _draw_discs(canvas, place(pose.face), FACE70, radius=_pixels(FACE_DISC, canvas))
    return canvas


def _draw_body(canvas: Canvas, points: Points) -> None:
    half_width = _pixels(STICK_WIDTH, canvas)
    for (start, end), colour in zip(BODY18.limbs, BODY18.limb_colours, strict=True):
        if start in points and end in points:
            _draw_stick(canvas, points[start], points[end], half_width=half_width, colour=colour)
    _draw_discs(canvas, points, BODY18, radius=half_width)


def _draw_hand(canvas: Canvas, points: Points) -> None:
    cv2 = _opencv()
    width = _pixels(HAND_LINE_WIDTH, canvas)
    for (start, end), colour in zip(HAND21.limbs, HAND21.limb_colours, strict=True):
        if start in points and end in points:
            ends = _pixel(points[start]), _pixel(points[end])
            cv2.line(canvas, *ends, colour, thickness=width)
    _draw_discs(canvas, points, HAND21, radius=_pixels(HAND_DISC, canvas))


def _draw_stick(
    canvas: Canvas, start: Point, end: Point, *, half_width: int, colour: Colour
) -> None:
    cv2 = _opencv()
    along = np.subtract(start, end)
    centre = ((start[0] + end[0]) / 2, (start[1] + end[1]) / 2)
    axes = (int(np.hypot(*along) / 2), half_width)
    angle = int(np.degrees(np.arctan2(along[1], along[0])))
    outline = cv2.ellipse2Poly(_pixel(centre), axes, angle, 0, 360, 1)
    cv2.fillConvexPoly(canvas, outline, [int(value * LIMB_DIMMING) for value in colour])


def _draw_discs(canvas: Canvas, points: Points, skeleton: Skeleton, *, radius: int) -> None:
    cv2 = _opencv()
    for joint, point in points.items():
        cv2.circle(canvas, _pixel(point), radius, skeleton.joint_colours[joint], thickness=-1)


def _points(joints: Joints, *, scale: tuple[float, float], canvas: Canvas) -> Points:
    """Return the place on the canvas of each joint that can be drawn, by joint index."""
    height, width = canvas.shape[:2]
    size = np.array((width, height))
    places = joints[:, :2] * scale
    drawn = confident(joints)
    drawn[drawn] = np.all((places[drawn] >= -size) & (places[drawn] < 2 * size), axis=1)
    return {
        int(joint): (float(places[joint, 0]), float(places[joint, 1]))
        for joint in np.flatnonzero(drawn)
    }


def _pixel(point: Point) -> tuple[int, int]:
    return floor(point[0]), floor(point[1])


def _pixels(width: int, canvas: Canvas) -> int:
    """Scale a width of the standard picture to this one, never below one pixel."""
    short_side: int = min(canvas.shape[:2])
    return max(1, round(width * short_side / STANDARD_SIDE))


def _opencv() -> Any:
    import cv2

    return cv2
