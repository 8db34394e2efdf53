"""Round solids in the camera's space: their outlines, and marks that lie on their surface.

A tube is a chain of elliptic rings (torso, skirt, limb), a ball is an ellipsoid (head, hat).
Both map surface coordinates to points, so that patterns turn and move with the part.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float

from dtvideo.toon.world.figure import Axes, Points, Vector

Shape2 = Float[np.ndarray, "n 2"]

_RING = np.linspace(0, 2 * np.pi, 14, endpoint=False)
_COS, _SIN = np.cos(_RING), np.sin(_RING)
_DISC = np.stack([_COS, _SIN, np.zeros_like(_COS)], axis=1)


@dataclass(frozen=True, eq=False)
class Tube:
    """A chain of rings: centres and the half axes that point to its left and forward."""

    centres: Float[np.ndarray, "rings 3"]
    lefts: Float[np.ndarray, "rings 3"]
    forwards: Float[np.ndarray, "rings 3"]

    def shapes(self) -> list[Float[np.ndarray, "n 2"]]:
        """Return convex shapes whose union is the tube's outline."""
        rings = (
            self.centres[:, None]
            + self.lefts[:, None] * _SIN[:, None]
            + self.forwards[:, None] * _COS[:, None]
        )[..., :2]
        pairs = np.concatenate([rings[:-1], rings[1:]], axis=1)
        return [hull(pair) for pair in pairs]

    def surface(
        self, angle: Float[np.ndarray, " n"], along: Float[np.ndarray, " n"]
    ) -> tuple[Points, Float[np.ndarray, " n"]]:
        """Return surface points and how much each faces the viewer (> 0: it is seen).

        angle: 0 is forward, pi / 2 the body's left; along: 0 at the first ring, 1 at the last.
        """
        left, forward = _between(self.lefts, along), _between(self.forwards, along)
        sine, cosine = np.sin(angle)[:, None], np.cos(angle)[:, None]
        points = _between(self.centres, along) + left * sine + forward * cosine
        normals = left / _length(left) ** 2 * sine + forward / _length(forward) ** 2 * cosine
        return points, normals[:, 2] / _length(normals)[:, 0]


@dataclass(frozen=True, eq=False)
class Ball:
    """An ellipsoid: its centre, its axes and its half widths (left, up, forward).

    power 2 is an ellipsoid; a higher power makes its front outline square.
    """

    centre: Vector
    axes: Axes
    radii: tuple[float, float, float]
    power: float = 2.0

    def shapes(self, *, grow: float = 1.0) -> list[Float[np.ndarray, "n 2"]]:
        """Return the outline as one convex shape."""
        return [hull(self._shell() * grow + self.centre[:2])]

    def _shell(self) -> Float[np.ndarray, "n 2"]:
        width, height, depth = self.radii
        matrix = np.stack(
            [self.axes.left * width, self.axes.up * height, self.axes.forward * depth]
        )
        return (_sphere(self.power) @ matrix)[:, :2]

    def surface(
        self, angle: Float[np.ndarray, " n"], height: Float[np.ndarray, " n"]
    ) -> tuple[Points, Float[np.ndarray, " n"]]:
        """Return surface points and how much each faces the viewer (> 0: it is seen).

        angle: 0 is forward, pi / 2 the left; height: -1 at the bottom, 1 at the top.
        """
        height = np.clip(height, -0.99, 0.99)
        around = np.sqrt(1 - height**2) if self.power == 2.0 else (1 - height**6) ** (1 / 6)
        unit = np.stack([np.sin(angle) * around, height, np.cos(angle) * around], axis=1)
        basis = np.stack([self.axes.left, self.axes.up, self.axes.forward])
        points = (unit * self.radii) @ basis + self.centre
        normals = (unit / self.radii) @ basis
        return points, normals[:, 2] / np.linalg.norm(normals, axis=1)


def _sphere(power: float) -> Float[np.ndarray, "n 3"]:
    if power not in _SPHERES:
        levels = np.linspace(-np.pi / 2, np.pi / 2, 11)
        rings = [
            np.stack(
                [
                    np.sin(_RING) * np.cos(b),
                    np.full_like(_RING, np.sin(b)),
                    np.cos(_RING) * np.cos(b),
                ],
                axis=1,
            )
            for b in levels
        ]
        points = np.concatenate(rings)
        norm = (np.abs(points) ** power).sum(axis=1, keepdims=True) ** (1 / power)
        _SPHERES[power] = points / norm
    return _SPHERES[power]


_SPHERES: dict[float, Float[np.ndarray, "n 3"]] = {}


def hull(points: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "m 2"]:
    """Return the convex hull of points in the plane."""
    flat = np.ascontiguousarray(points[:, :2], dtype=np.float32)
    return cv2.convexHull(flat)[:, 0].astype(np.float64)


def disc(centre: Vector, radius: float) -> Float[np.ndarray, "n 2"]:
    """Return a circle in the picture."""
    return (_DISC * radius + centre)[:, :2]


def capsule(start: Vector, end: Vector, *, radii: tuple[float, float]) -> Float[np.ndarray, "n 2"]:
    """Return the outline of a limb: two circles and what lies between them."""
    return hull(np.concatenate([disc(start, radii[0]), disc(end, radii[1])]))


def chain(points: Sequence[Vector], radii: Sequence[float]) -> list[Float[np.ndarray, "n 2"]]:
    """Return the outline of a jointed limb as one capsule a segment."""
    return [
        capsule(points[k], points[k + 1], radii=(radii[k], radii[k + 1]))
        for k in range(len(points) - 1)
    ]


def _between(values: Float[np.ndarray, "rings 3"], along: Float[np.ndarray, " n"]) -> Points:
    """Return values between the rings: 0 is the first ring's, 1 the last's."""
    place = np.clip(along, 0.0, 1.0) * (len(values) - 1)
    lower = np.minimum(place.astype(int), len(values) - 2)
    share = (place - lower)[:, None]
    return values[lower] * (1 - share) + values[lower + 1] * share


def _length(vectors: Points) -> Float[np.ndarray, "n 1"]:
    return np.linalg.norm(vectors, axis=1, keepdims=True) + 1e-9
