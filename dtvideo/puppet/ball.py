"""The head of a puppet turns as a ball does, its front painted with the reference."""

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float

from dtvideo.puppet.body import Point
from dtvideo.puppet.cut import Patch, spread
from dtvideo.puppet.head import HeadPose

BALL_RADIUS = 1.15  # of the ball that turns in a head, in radii of the head; by trying
OUTLINE = 0.05  # width of the line around a head, in sides of a square as large as it
FACE_RADIUS = 0.8  # within it lies a face, about it hair or a hat, in radii of the head
TEMPLES = 1.1, -0.6, -0.1  # how far out they lie at most, from where to where down, in radii
SEAM = 0.1  # in which front and back, face and hair go over into each other, in radii
KEEPS_LINE = 0.05  # up to this way, in radii of the ball, what moves is shown with the line

Colours = Float[np.ndarray, "rows columns 3"]
Places = Float[np.ndarray, "rows columns 2"]
Shares = Float[np.ndarray, "rows columns 1"]


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

        Its middle turns as a ball does, its rim not at all: hair, ears and outline keep their
        shape, and no line is drawn from the rim into the middle. Of the back, that the reference
        does not show, a face is not part.
        """
        rows, columns = np.mgrid[: self.drawn.shape[0], : self.drawn.shape[1]]
        places = np.stack([columns, rows], axis=-1).astype(np.float64)
        radius = BALL_RADIUS * before.radius
        centre = before.centre - self.patch.origin
        taken, behind = _on_the_ball(places, centre, radius, before=before, after=after)
        moved = np.linalg.norm(taken - places, axis=-1, keepdims=True)
        line = np.clip(1 - moved / (KEEPS_LINE * radius), 0, 1)
        colour = line * _looked_up(self.drawn, taken) + (1 - line) * _looked_up(self.bare, taken)
        if behind.any():
            back = _looked_up(self._back(places, centre, before.radius), taken)
            colour = behind * back + (1 - behind) * colour
        alpha = self.patch.pixels[..., 3:]
        pixels = np.concatenate([colour * alpha, alpha], axis=-1).astype(np.float32)
        return Patch(pixels, self.patch.origin)

    def _back(self, places: Places, centre: Point, radius: float) -> Colours:
        """Guess the back of the head: the front without its face, in the colour of the temples.

        There is hair where any hangs or lies beside the face, and never the crown of a hat.
        """
        across, down = np.moveaxis((places - centre) / radius, -1, 0)
        away = np.hypot(across, down)
        farthest, top, bottom = TEMPLES
        beside = (away > FACE_RADIUS) & (away < farthest) & (down > top) & (down < bottom)
        own = beside & (self.patch.pixels[..., 3] > 0.5)
        if not own.any():
            return self.bare
        colour = np.median(self.bare[own], axis=0)
        share = np.clip((FACE_RADIUS + SEAM - away) / SEAM, 0, 1)[..., None]
        return np.asarray(share * colour + (1 - share) * self.bare)


def _on_the_ball(
    places: Places,
    centre: Float[np.ndarray, "2"],
    radius: float,
    *,
    before: HeadPose,
    after: HeadPose,
) -> tuple[Places, Shares]:
    """Return where what is seen at some places after a turn was before it, and what was behind.

    The shares are 1 where the back of the ball is seen, which was hidden before.
    """
    offset = (places - centre) / radius * (1, -1)
    turn = after.tilt - before.tilt  # clockwise; what is laid down will be tilted by it
    cosine, sine = np.cos(turn), np.sin(turn)
    offset = offset @ np.array([[cosine, -sine], [sine, cosine]])
    squared = (offset**2).sum(axis=-1, keepdims=True)
    surface = np.concatenate([offset, np.sqrt(np.clip(1 - squared, 0, 1))], axis=-1)
    was = surface @ after.turn @ before.turn.T
    source = was[..., :2] * (1, -1) * radius + centre
    share = np.clip(1 - squared**2, 0, 1)
    taken: Places = places + share * (source - places)
    return taken, np.clip(-was[..., 2:] / SEAM, 0, 1) * (squared < 1)


def _looked_up(colours: Colours, places: Places) -> Colours:
    across, down = (places[..., axis].astype(np.float32) for axis in (0, 1))
    return np.asarray(
        cv2.remap(colours, across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    )
