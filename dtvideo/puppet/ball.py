"""The head of a puppet turns as a ball does, its front painted with the reference."""

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float

from dtvideo.puppet.body import Point
from dtvideo.puppet.colours import Colour, commonest
from dtvideo.puppet.cut import Patch, spread
from dtvideo.puppet.head import HeadPose

BALL_RADIUS = 1.15  # of the ball that turns in a head, in radii of the head; by trying
OUTLINE = 0.05  # width of the line around a head, in sides of a square as large as it
BORDER = 0.2  # width of the border of a head that is seen from behind too, in radii of the head
CAP = -0.75  # what is above is seen from behind too, a hat for one; in radii below the centre
TEMPLES = -0.75, -0.15  # from where to where they lie, in radii below the centre
SIDE = 0.6  # depth in radii up to which a side is too narrow in the reference to come to the front
FAR_WAY = 0.4, 0.6  # how far, in radii, it has to come for that
SEAM = 0.1  # in which front and back, face and hair go over into each other, in radii
FAR_TURN = np.radians((40, 70))  # between these the rim begins to turn too
STIFF_RIM, LOOSE_RIM = 2.0, 6.0  # powers of the distance with which the turn ends at the rim
KEEPS_LINE = 0.05  # up to this way, in radii of the ball, what moves is shown with the line

Colours = Float[np.ndarray, "rows columns 3"]
Places = Float[np.ndarray, "rows columns 2"]
Shares = Float[np.ndarray, "rows columns 1"]


@dataclass(frozen=True, eq=False)
class Face:
    """The picture of a head, its straight colours going on beyond its outline.

    patch: the head itself; drawn: its colours with the line around it, bare: without that line;
    depth: how far each of its pixels is from its outline, 0 outside.
    """

    patch: Patch
    drawn: Colours
    bare: Colours
    depth: Float[np.ndarray, "rows columns"]

    @classmethod
    def of(cls, patch: Patch) -> "Face":
        """Tell the colours of a head's patch from its line."""
        alpha = patch.pixels[..., 3:]
        colours = patch.pixels[..., :3] / np.maximum(alpha, 1e-6)
        own = (alpha[..., 0] > 0.5).astype(np.uint8)
        reach = round(OUTLINE * float(np.sqrt(own.sum())))
        within = cv2.erode(own, np.ones((2 * reach + 1, 2 * reach + 1), np.uint8))
        bare = spread(colours, (within if within.any() else own) > 0)
        depth = cv2.distanceTransform(np.pad(own, 1), cv2.DIST_L2, 5)[1:-1, 1:-1]
        return cls(patch, np.where(alpha > 0, colours, bare), bare, depth)

    def turned(self, before: HeadPose, after: HeadPose) -> Patch:
        """Show the head turned from one pose to another, still at its place and tilt.

        Its middle turns as a ball does, its outline not at all, and the rim the less the smaller
        the turn: hair and ears keep their shape, and no line is drawn from the rim into the
        middle. Of the back, that the reference does not show, a face is not part.
        """
        rows, columns = np.mgrid[: self.drawn.shape[0], : self.drawn.shape[1]]
        places = np.stack([columns, rows], axis=-1).astype(np.float64)
        radius = BALL_RADIUS * before.radius
        centre = before.centre - self.patch.origin
        taken, behind = _on_the_ball(places, centre, radius, before=before, after=after)
        moved = np.linalg.norm(taken - places, axis=-1, keepdims=True)
        line = np.clip(1 - moved / (KEEPS_LINE * radius), 0, 1)
        colour = line * _looked_up(self.drawn, taken) + (1 - line) * _looked_up(self.bare, taken)
        if behind.any() and (temples := self._temples(places, centre, before.radius)) is not None:
            hidden = behind * self._inside(taken, centre, before.radius)
            colour = hidden * temples + (1 - hidden) * colour
        alpha = self.patch.pixels[..., 3:]
        pixels = np.concatenate([colour * alpha, alpha], axis=-1).astype(np.float32)
        return Patch(pixels, self.patch.origin)

    def _temples(self, places: Places, centre: Point, radius: float) -> Colour | None:
        """Return the colour of the temples: of hair where any lies there, not of a hat's crown."""
        down = (places[..., 1] - centre[1]) / radius
        beside = (down > TEMPLES[0]) & (down < TEMPLES[1])
        own = beside & (self.depth > 0) & (self.depth < BORDER * radius)
        return commonest(self.bare[own]) if own.any() else None

    def _inside(self, taken: Places, centre: Point, radius: float) -> Shares:
        """Return 1 for what may be hidden: not what was and is near the outline, nor hats.

        Ears are near the outline, and what is taken from above is a hat's or the crown's.
        """
        depth = np.maximum(self.depth, _looked_up(self.depth, taken)) / radius
        border = np.clip((depth - BORDER) / SEAM, 0, 1)
        below = np.clip(((taken[..., 1] - centre[1]) / radius - CAP) / SEAM, 0, 1)
        return np.asarray(border * below)[..., None]


def _on_the_ball(
    places: Places,
    centre: Float[np.ndarray, "2"],
    radius: float,
    *,
    before: HeadPose,
    after: HeadPose,
) -> tuple[Places, Shares]:
    """Return where what is seen at some places after a turn was before it, and what was behind.

    The shares are 1 where the back of the ball is seen, which was hidden before, or a side of it
    that comes to the front.
    """
    offset = (places - centre) / radius * (1, -1)
    turn = after.tilt - before.tilt  # clockwise; what is laid down will be tilted by it
    cosine, sine = np.cos(turn), np.sin(turn)
    offset = offset @ np.array([[cosine, -sine], [sine, cosine]])
    squared = (offset**2).sum(axis=-1, keepdims=True)
    surface = np.concatenate([offset, np.sqrt(np.clip(1 - squared, 0, 1))], axis=-1)
    was = surface @ after.turn @ before.turn.T
    source = was[..., :2] * (1, -1) * radius + centre
    angle = np.arccos(np.clip(before.turn[:, 2] @ after.turn[:, 2], -1, 1))
    power = np.interp(angle, FAR_TURN, (STIFF_RIM, LOOSE_RIM))
    share = np.clip(1 - squared**power, 0, 1)
    taken: Places = places + share * (source - places)
    way = np.linalg.norm(taken - places, axis=-1, keepdims=True) / radius
    limit = np.interp(
        way, FAR_WAY, (0.0, SIDE)
    )  # a side would be stretched to several times itself
    return taken, np.clip((limit - was[..., 2:]) / SEAM, 0, 1) * (squared < 1)


def _looked_up(
    picture: Float[np.ndarray, "rows columns *c"], places: Places
) -> Float[np.ndarray, "rows columns *c"]:
    across, down = (places[..., axis].astype(np.float32) for axis in (0, 1))
    return np.asarray(
        cv2.remap(picture, across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    )
