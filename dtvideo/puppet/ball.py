"""The head of a puppet turns as the front of a ball does, painted with the reference."""

import cv2
import numpy as np
from jaxtyping import Float

from dtvideo.puppet.cut import Patch, spread
from dtvideo.puppet.head import HeadPose

BALL_RADIUS = 1.15  # of the ball that turns in a head, in radii of the head; by trying
OUTLINE = 0.05  # width of the line around a head, in sides of a square as large as it


def beyond_outline(patch: Patch) -> Float[np.ndarray, "rows columns 3"]:
    """Return the straight colours of a patch, outside in the nearest colour within the outline."""
    alpha = patch.pixels[..., 3:]
    colours = patch.pixels[..., :3] / np.maximum(alpha, 1e-6)
    own = alpha[..., 0] > 0.5
    reach = round(OUTLINE * float(np.sqrt(own.sum())))
    within = cv2.erode(own.astype(np.uint8), np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)) > 0
    return np.where(alpha > 0, colours, spread(colours, within if within.any() else own))


def turn_ball(
    patch: Patch,
    face: Float[np.ndarray, "rows columns 3"],
    before: HeadPose,
    after: HeadPose,
) -> Patch:
    """Show a head turned from one pose to another, still at its place and tilt.

    Its middle turns as the front of a ball, its rim not at all: hair, ears and outline keep their
    shape. face: the colours of the patch, going on beyond its outline.
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
    colour = cv2.remap(face, taken, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    alpha = patch.pixels[..., 3:]
    return Patch(np.concatenate([colour * alpha, alpha], axis=-1), patch.origin)
