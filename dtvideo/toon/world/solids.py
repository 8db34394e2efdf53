"""Round solids in the camera's space: their outlines, and shapes that lie on their surface.

A tube is a chain of elliptic rings (torso, skirt, limb), a ball is an ellipsoid (head, hat).
Both place surface coordinates in the picture, so that faces and patterns turn with the part;
what would lie on the far side is moved to the rim, where it covers nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property

import cv2
import numpy as np
from jaxtyping import Float

from dtvideo.toon.world.figure import Axes, Points, Vector, cross

Shape = Float[np.ndarray, "_ 2"]
Numbers = Float[np.ndarray, " n"]

_TURN = np.linspace(0, 2 * np.pi, 72, endpoint=False)
_RING = _TURN[::3]
_COS, _SIN = np.cos(_RING), np.sin(_RING)
_SQUARE = (_COS**8 + _SIN**8) ** (-1 / 8)
_DISC = np.stack([_COS, _SIN], axis=1)
_LIMB = np.stack([np.cos(_TURN), np.sin(_TURN)], axis=1)
_FLAT = np.array([0, 1, 3, 4, 6, 7])  # x and y of a ring's centre and half axes
_HALF = np.linspace(-np.pi / 2, np.pi / 2, 11)


@dataclass(frozen=True, eq=False)
class Tube:
    """A chain of rings: centres and the half axes that point to its left and forward.

    boxy: the rings are rounded squares instead of ellipses.
    """

    centres: Float[np.ndarray, "rings 3"]
    lefts: Float[np.ndarray, "rings 3"]
    forwards: Float[np.ndarray, "rings 3"]
    boxy: bool = False

    @cached_property
    def length(self) -> float:
        """Length along the centres."""
        return float(self._steps.sum())

    @cached_property
    def _steps(self) -> Numbers:
        return np.asarray(np.sqrt((np.diff(self.centres, axis=0) ** 2).sum(axis=1)))

    @cached_property
    def _reached(self) -> Numbers:
        """Which part of the length has been gone at each ring."""
        return np.append(0.0, np.cumsum(self._steps)) / max(self.length, 1e-9)

    @cached_property
    def girth(self) -> float:
        """Half width to the left, averaged over the rings."""
        return float(np.linalg.norm(self.lefts, axis=1).mean())

    @cached_property
    def facing(self) -> float:
        """The angle around the tube that looks at the viewer."""
        left = self.lefts[:, 2] / (self.lefts**2).sum(axis=1)
        forward = self.forwards[:, 2] / (self.forwards**2).sum(axis=1)
        return float(np.arctan2(left.mean(), forward.mean()))

    def shapes(self) -> list[Shape]:
        """Return convex shapes whose union is the tube's outline."""
        bulge = _SQUARE if self.boxy else 1.0
        rings = (
            self.centres[:, None, :2]
            + self.lefts[:, None, :2] * (_SIN * bulge)[:, None]
            + self.forwards[:, None, :2] * (_COS * bulge)[:, None]
        )
        pairs = np.concatenate([rings[:-1], rings[1:]], axis=1)
        return [hull(pair) for pair in pairs]

    def place(self, angles: Numbers, along: Numbers) -> Shape:
        """Return where points of the surface are seen.

        angles: 0 is forward, pi / 2 the body's left; along: 0 at the first ring, 1 at the last.
        """
        middle = self.facing
        turned = (angles - middle + np.pi) % (2 * np.pi) - np.pi
        angles = np.clip(turned, -np.pi / 2, np.pi / 2) + middle
        rings = np.concatenate([self.centres, self.lefts, self.forwards], axis=1)[:, _FLAT]
        along = np.clip(along, 0.0, 1.0)
        lower = np.searchsorted(self._reached[1:-1], along, side="right")
        start, end = self._reached[lower], self._reached[lower + 1]
        share = ((along - start) / np.maximum(end - start, 1e-9))[:, None]
        between = rings[lower] * (1 - share) + rings[lower + 1] * share
        sine, cosine = np.sin(angles)[:, None], np.cos(angles)[:, None]
        return np.asarray(between[:, :2] + between[:, 2:4] * sine + between[:, 4:] * cosine)

    def band(self, low: float, high: float) -> Shape:
        """Return the part of the surface between two heights along the tube."""
        angles = np.concatenate([_HALF, _HALF[::-1]]) + self.facing
        return self.place(angles, np.repeat([low, high], len(_HALF)))


@dataclass(frozen=True, eq=False)
class Ball:
    """An ellipsoid: its centre, its axes and its half widths (left, up, forward).

    power: 2 is round, higher is more like a box; taper: how much wider the top is than the
    middle (and the bottom narrower).
    """

    centre: Vector
    axes: Axes
    radii: tuple[float, float, float]
    power: float = 2.0
    taper: float = 0.0

    def grown(self, factor: float) -> "Ball":
        """Return a larger ball around the same centre."""
        width, height, depth = (radius * factor for radius in self.radii)
        return Ball(self.centre, self.axes, (width, height, depth), self.power, self.taper)

    def outline(self, *, above: float = -1.0) -> Shape:
        """Return the convex outline of the part above a height in [-1, 1]."""
        across = unit(cross(self._viewer, np.array([0.31, 0.2, 0.93])))
        limb = _LIMB @ np.stack([across, cross(self._viewer, across)])  # seen edge-on
        limb = limb[limb[:, 1] >= above]
        return hull(self._points(np.concatenate([limb, _sphere(self.power, above)])))

    def points(self, angles: Numbers, heights: Numbers) -> tuple[Points, Numbers]:
        """Return points of the surface and how much each looks at the viewer, from -1 to 1.

        angles: 0 is forward, pi / 2 the left; heights: -1 at the bottom, 1 at the top.
        """
        spots = self._unit(angles, heights)
        return self._points(spots), spots @ self._viewer

    def place(self, angles: Numbers, heights: Numbers) -> Shape | None:
        """Return where a shape on the surface is seen, or None when all of it is turned away."""
        spots = self._unit(angles, heights)
        facing = spots @ self._viewer
        if facing.max() <= 0:
            return None
        hidden = facing < 0
        if hidden.any():
            rim = spots[hidden] - facing[hidden, None] * self._viewer
            spots[hidden] = rim / np.maximum(np.sqrt((rim**2).sum(axis=1, keepdims=True)), 1e-6)
        return self._points(spots)[:, :2]

    def _unit(self, angles: Numbers, heights: Numbers) -> Points:
        heights = np.clip(heights, -0.995, 0.995)
        around = np.sqrt(1 - heights**2)
        return np.stack([np.sin(angles) * around, heights, np.cos(angles) * around], axis=1)

    def _points(self, spots: Points) -> Points:
        if self.power != 2.0:
            spots = spots / (np.abs(spots) ** self.power).sum(axis=1, keepdims=True) ** (
                1 / self.power
            )
        if self.taper:
            wider = 1 + self.taper * spots[:, 1]
            spots = np.stack([spots[:, 0] * wider, spots[:, 1], spots[:, 2] * wider], axis=1)
        return np.asarray(spots @ self._basis + self.centre)

    @cached_property
    def _basis(self) -> Float[np.ndarray, "3 3"]:
        """The half axes as rows."""
        axes = np.array([self.axes.left, self.axes.up, self.axes.forward])
        return np.asarray(axes * np.array(self.radii)[:, None])

    @cached_property
    def _viewer(self) -> Vector:
        """The direction to the viewer in the coordinates of the unit sphere, of unit length."""
        return unit(self._basis[:, 2] / np.array(self.radii) ** 2)


@cache
def _sphere(power: float, above: float) -> Points:
    """Return directions that cover the unit sphere above a height."""
    levels = np.linspace(np.arcsin(max(above, -1.0)), np.pi / 2, 7 if power == 2.0 else 17)
    ring = np.linspace(0, 2 * np.pi, 32, endpoint=False)
    return np.concatenate(
        [
            np.stack(
                [np.sin(ring) * np.cos(b), np.full_like(ring, np.sin(b)), np.cos(ring) * np.cos(b)],
                axis=1,
            )
            for b in levels
        ]
    )


def hull(points: Float[np.ndarray, "n d"]) -> Shape:
    """Return the convex hull of points in the plane."""
    flat = np.ascontiguousarray(points[:, :2], dtype=np.float32)
    return np.asarray(cv2.convexHull(flat)[:, 0], dtype=np.float64)


def disc(centre: Float[np.ndarray, " d"], radius: float) -> Shape:
    """Return a circle in the picture."""
    return np.asarray(_DISC * radius + centre[:2])


def capsule(
    start: Float[np.ndarray, " d"], end: Float[np.ndarray, " d"], *, radii: tuple[float, float]
) -> Shape:
    """Return the outline of a limb: two circles and what lies between them."""
    return hull(np.concatenate([disc(start, radii[0]), disc(end, radii[1])]))


def chain(points: Sequence[Vector], radii: Sequence[float]) -> list[Shape]:
    """Return the outline of a jointed limb as one capsule a segment."""
    return [
        capsule(points[k], points[k + 1], radii=(radii[k], radii[k + 1]))
        for k in range(len(points) - 1)
    ]


def limb_tube(points: Sequence[Vector], radii: Sequence[float], *, forward: Vector) -> Tube:
    """Return a limb as a tube whose angle 0 is where `forward` points."""
    centres = np.stack(points)
    along = centres[-1] - centres[0]
    left = cross(along, forward)
    if float(np.linalg.norm(left)) < 1e-6:
        left = cross(along, np.array([0.31, 0.2, 0.93]))
    left = left / max(float(np.linalg.norm(left)), 1e-9)
    front = cross(left, along)
    front = front / max(float(np.linalg.norm(front)), 1e-9)
    widths = np.array(radii)[:, None]
    return Tube(centres, left * widths, front * widths)


def unit(vector: Float[np.ndarray, " d"]) -> Float[np.ndarray, " d"]:
    """Return the direction of a vector."""
    return np.asarray(vector / max(float(vector @ vector) ** 0.5, 1e-9))
