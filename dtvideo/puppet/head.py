"""Which way a head looks: a ball with a nose, two eyes and two ears, fitted to the key points.

The mean of the points that are seen is no centre: it jumps when an ear turns out of sight. So
the ball is turned until nose, eyes, ears and neck lie where they are, and hidden ones behind.
Directions are (right, up, to the viewer); points are pixels, y down.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Bool, Complex, Float

from dtvideo.puppet.body import EARS, EYES, FACE, HIPS, NECK, Point, Points, known

SPOTS = (0, *EYES, *EARS, NECK)
"""The joints of a head, nose first; the neck, which turns with it, is last."""
USUAL_PLACES = np.array(
    [
        (0.0, -0.1, 1.0),
        (-0.38, -0.05, 0.92),
        (0.38, -0.05, 0.92),
        (-0.92, -0.05, 0.1),
        (0.92, -0.05, 0.1),
        (0.0, -1.35, 0.0),
    ]
)
"""Where they are on a head that looks at the viewer, in radii."""
SPREADS = np.array((0.06, 0.06, 0.06, 0.06, 0.06, 0.15))  # errors expected of a joint, in radii
HORIZONS = np.array((-0.05, -0.05, -0.05, -0.3, -0.3))  # a joint nearer than this is seen
HORIZON_SLACK = 0.1  # joints that are seen a little beyond it are forgiven
UPRIGHT_PITCH, UPRIGHT_ROLL = 0.5, 1.8  # radians that heads usually nod and tilt
USUAL_TURN = 0.25  # cosine of half the yaw of heads on bodies that are seen from behind
FARTHEST_ROLL, ROLL_SLACK = 1.3, 0.05  # farther from the body's and the picture's up no head tilts
CONTRADICTION = 50.0  # weighted squares from which on points are not those of one head
LEAST_SEEN = 2  # points of the face, without which nothing is told

FIRST_STEP = np.radians(10)  # of the search in yaw
PITCHES = np.radians(np.arange(-60, 61, 15))
ROUNDS = 4  # of it, each three times as fine
KEPT = 64  # answers of the search

Places = Float[np.ndarray, "6 3"]
Turns = Float[np.ndarray, "k 3 3"]
Turned = Float[np.ndarray, "k 6 3"]
Plane = Complex[np.ndarray, "..."]
"""Points of a picture as complex numbers, y up."""


@dataclass(frozen=True, eq=False)
class HeadPose:
    """Where a head is: its turn from looking at the viewer, its centre and radius in pixels."""

    turn: Float[np.ndarray, "3 3"]
    centre: Point
    radius: float

    @property
    def tilt(self) -> float:
        """The angle of its upward axis in the picture, in radians; 0 is upright, clockwise is +."""
        right, up, _ = self.turn[:, 1]
        return float(np.arctan2(right, up))


@dataclass(frozen=True, eq=False)
class Head:
    """A head as one picture shows it: how it is held there, and where its own joints are on it."""

    pose: HeadPose
    places: Places

    def follow(self, points: Points, scale: float, *, behind: bool = False) -> HeadPose | None:
        """Return how this head is held elsewhere, `scale` times as large.

        None if it is not told, or what is told contradicts itself.

        points: of the other picture; behind: the body is seen from behind there, so that a face
        that is not seen is hidden and one ear tells enough.
        """
        return _fit(points, self.places, radius=self.pose.radius * scale, behind=behind)

    def from_behind(self, moved: Float[np.ndarray, "2 3"], scale: float) -> HeadPose:
        """Return this head turned to look away, where a body's map brings it.

        For bodies seen from behind, `scale` times as large, whose ears are not seen either.
        """
        centre = moved[:, :2] @ self.pose.centre + moved[:, 2]
        sine, cosine = moved[:, 1] / np.linalg.norm(moved[:, 1]) * (-1, 1)
        lean = np.array([[cosine, sine, 0], [-sine, cosine, 0], [0, 0, 1]])
        away = np.diag((-1.0, 1.0, -1.0))
        return HeadPose(lean @ away @ self.pose.turn, centre, self.pose.radius * scale)


def find_head(points: Points) -> Head | None:
    """Return the head of a body; None where less than two points of the face are known."""
    pose = _fit(points, USUAL_PLACES)
    if pose is None:
        return None
    seen = points[list(SPOTS)]
    turned = USUAL_PLACES @ pose.turn.T
    turned[:, :2] = (seen - pose.centre) / pose.radius * (1, -1)
    own = turned @ pose.turn
    return Head(pose, np.where(known(seen)[:, None], own, USUAL_PLACES))


def head_centre(points: Points) -> Point:
    """Return the centre of the head, or the middle of what is known of it; NaN if nothing is."""
    pose = _fit(points, USUAL_PLACES)
    if pose is not None:
        return pose.centre
    face = points[[*FACE, *EARS]]
    return np.asarray(face[known(face)].mean(axis=0)) if known(face).any() else np.full(2, np.nan)


def _fit(
    points: Points, places: Places, *, radius: float | None = None, behind: bool = False
) -> HeadPose | None:
    """Return what `_search` finds; the last answers are kept.

    A frame asks for its head and the reference's again and again: for the puppet, and for each
    grid of the attention.
    """
    told = (np.ascontiguousarray(each, np.float64).tobytes() for each in (points, places))
    return _searched(*told, radius=radius, behind=behind)


@lru_cache(maxsize=KEPT)
def _searched(
    points: bytes, places: bytes, *, radius: float | None, behind: bool
) -> HeadPose | None:
    seen, own = np.frombuffer(points).reshape(-1, 2), np.frombuffer(places).reshape(-1, 3)
    return _search(seen, own, radius=radius, behind=behind)


def _search(
    points: Points, places: Places, *, radius: float | None, behind: bool
) -> HeadPose | None:
    """Return the turn, centre and (unless given) radius that bring places onto points best.

    None where too little is seen, or what is seen contradicts itself: on drawn characters the best
    turn costs 13 at most in 99 of 100 frames, with left and right exchanged 90 and more.
    Yaw and pitch are searched on a grid that becomes finer; the rest follows in closed form.
    """
    seen = known(points[list(SPOTS)])
    if seen[:-1].sum() < (1 if behind else LEAST_SEEN):
        return None
    goals = np.where(seen[:, None], points[list(SPOTS)] * (1, -1), 0.0) @ (1, 1j)
    weights, lean = seen / SPREADS**2, _lean(points)
    step, yaws, pitches = FIRST_STEP, np.arange(-np.pi, np.pi, FIRST_STEP), PITCHES
    for _ in range(ROUNDS):
        turns = _turns(np.repeat(yaws, len(pitches)), np.tile(pitches, len(yaws)))
        turned = np.einsum("kij,nj->kni", turns, places)
        factors, centres, errors = _align(turned, goals, weights, radius=radius)
        costs = errors + _unlikely(turned, factors, seen=seen, lean=lean)
        costs += (np.tile(pitches, len(yaws)) / UPRIGHT_PITCH) ** 2
        if behind:
            costs += (np.cos(np.repeat(yaws, len(pitches)) / 2) / USUAL_TURN) ** 2
        best = int(costs.argmin())
        yaw, pitch = yaws[best // len(pitches)], pitches[best % len(pitches)]
        step /= 3
        yaws, pitches = yaw + step * np.arange(-3, 4), pitch + 1.5 * step * np.arange(-3, 4)
    if costs[best] > CONTRADICTION:
        return None
    factor, centre = factors[best], centres[best]
    roll = factor / abs(factor)
    rolled = np.array([[roll.real, -roll.imag, 0], [roll.imag, roll.real, 0], [0, 0, 1]])
    return HeadPose(rolled @ turns[best], np.array([centre.real, -centre.imag]), abs(factor))


def _turns(yaws: Float[np.ndarray, " k"], pitches: Float[np.ndarray, " k"]) -> Turns:
    """Return the matrices that turn a head to the side, then nod it."""
    (yaw_sin, yaw_cos), (sin, cos) = (
        (np.sin(yaws), np.cos(yaws)),
        (np.sin(pitches), np.cos(pitches)),
    )
    none = np.zeros_like(yaws)
    rows = [
        [yaw_cos, none, yaw_sin],
        [sin * yaw_sin, cos, -sin * yaw_cos],
        [-cos * yaw_sin, sin, cos * yaw_cos],
    ]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def _align(
    turned: Turned, goals: Plane, weights: Float[np.ndarray, " 6"], *, radius: float | None
) -> tuple[Plane, Plane, Float[np.ndarray, " k"]]:
    """Lay turned places onto their goals (Procrustes): size and roll as one factor, and the centre.

    Returned with the weighted squares of what is left, in radii.
    """
    spots = turned[..., 0] + 1j * turned[..., 1]
    shares = weights / weights.sum()
    middles, middle = spots @ shares, goals @ shares
    spots, goals = spots - middles[:, None], goals - middle
    turns = (spots.conj() * goals) @ weights
    sizes = np.abs(turns) / np.maximum((np.abs(spots) ** 2) @ weights, 1e-9)
    sizes = np.maximum(sizes, 1e-6) if radius is None else np.full(len(turned), radius)
    factors = sizes * np.exp(1j * np.angle(turns))
    left = np.abs(goals - factors[:, None] * spots) / sizes[:, None]
    return factors, middle - factors * middles, left**2 @ weights


def _lean(points: Points) -> complex:
    """Return the direction from the hips to the neck, y up; upright where it is not known."""
    spine = points[NECK] - points[list(HIPS)].mean(axis=0)
    length = float(np.linalg.norm(spine))
    return complex(*(spine * (1, -1) / length)) if length > 0 else 1j


def _unlikely(
    turned: Turned, factors: Plane, *, seen: Bool[np.ndarray, " 6"], lean: complex
) -> Float[np.ndarray, " k"]:
    """Return what speaks against each turn: joints seen behind, hidden ones ahead, a large tilt.

    lean: of the body; a head that is tilted far against both it and the picture is none.
    """
    depths = turned[:, :-1, 2]
    behind = np.maximum(HORIZONS - depths, 0)
    ahead = np.maximum(depths - HORIZONS - HORIZON_SLACK, 0)
    wrong = np.where(seen[:-1], behind, ahead) / HORIZON_SLACK
    rolls = np.angle(factors)
    tilts = np.minimum(np.abs(rolls), np.abs(np.angle(factors * 1j / lean)))
    too_far = np.maximum(tilts - FARTHEST_ROLL, 0) / ROLL_SLACK
    return np.asarray((wrong**2).sum(axis=1) + (rolls / UPRIGHT_ROLL) ** 2 + too_far**2)
