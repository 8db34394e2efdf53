"""The head of a puppet turns as the front of a ball does, painted with the reference."""

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float

from dtvideo.puppet.cut import Patch, spread
from dtvideo.puppet.head import HeadPose

BALL_RADIUS = 1.15  # of the ball that turns in a head, in radii of the head; by trying
OUTLINE = 0.05  # width of the line around a head, in sides of a square as large as it
KEEPS_LINE = 0.05  # up to this way, in radii of the ball, what moves is shown with the line

Colours = Float[np.ndarray, "rows columns 3"]
Places = Float[np.ndarray, "rows columns 2"]


@dataclass(frozen=True, eq=False)
class Face:
    """The picture of a head, its straight colours going on beyond its outline.

    patch: the head itself; drawn: its colours with the line around it, bare: without that line.
    """

    patch: Patch
    drawn: Colours
    bare: Colours

    @classmethod
    def of(cls, patch: Patch) -> "Face":
        """Tell the colours of a head's patch from its line."""
        alpha = patch.pixels[..., 3:]
        colours = patch.pixels[..., :3] / np.maximum(alpha, 1e-6)
        own = (alpha[..., 0] > 0.5).astype(np.uint8)
        reach = round(OUTLINE * float(np.sqrt(own.sum())))
        within = cv2.erode(own, np.ones((2 * reach + 1, 2 * reach + 1), np.uint8))
        bare = spread(colours, (within if within.any() else own) > 0)
        return cls(patch, np.where(alpha > 0, colours, bare), bare)

    def turned(self, before: HeadPose, after: HeadPose) -> Patch:
        """Show the head turned from one pose to another, still at its place and tilt.

        Its middle turns as the front of a ball, its rim not at all: hair, ears and outline keep
        their shape, and no line is drawn from the rim into the middle.
        """
        rows, columns = np.mgrid[: self.drawn.shape[0], : self.drawn.shape[1]]
        places = np.stack([columns, rows], axis=-1).astype(np.float64)
        radius = BALL_RADIUS * before.radius
        centre = before.centre - self.patch.origin
        taken = _on_the_ball(places, centre, radius, before=before, after=after)
        moved = np.linalg.norm(taken - places, axis=-1, keepdims=True)
        line = np.clip(1 - moved / (KEEPS_LINE * radius), 0, 1)
        colour = line * _looked_up(self.drawn, taken) + (1 - line) * _looked_up(self.bare, taken)
        alpha = self.patch.pixels[..., 3:]
        pixels = np.concatenate([colour * alpha, alpha], axis=-1).astype(np.float32)
        return Patch(pixels, self.patch.origin)


def _on_the_ball(
    places: Places,
    centre: Float[np.ndarray, "2"],
    radius: float,
    *,
    before: HeadPose,
    after: HeadPose,
) -> Places:
    """Return where what is seen at some places after a turn was before it."""
    offset = (places - centre) / radius * (1, -1)
    turn = after.tilt - before.tilt  # clockwise; what is laid down will be tilted by it
    cosine, sine = np.cos(turn), np.sin(turn)
    offset = offset @ np.array([[cosine, -sine], [sine, cosine]])
    squared = (offset**2).sum(axis=-1, keepdims=True)
    surface = np.concatenate([offset, np.sqrt(np.clip(1 - squared, 0, 1))], axis=-1)
    source = (surface @ after.turn @ before.turn.T)[..., :2] * (1, -1) * radius + centre
    share = np.clip(1 - squared**2, 0, 1)
    taken: Places = places + share * (source - places)
    return taken


def _looked_up(colours: Colours, places: Places) -> Colours:
    across, down = (places[..., axis].astype(np.float32) for axis in (0, 1))
    return np.asarray(
        cv2.remap(colours, across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    )
