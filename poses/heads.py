"""The head as one rigid shape: learnt from a clip or a picture, and found turned in its frames.

A head is nose, eyes, ears and the neck below, about the middle between the ears: x to its own
left, y down, z backwards, in pixels. Pictures are taken for orthographic, as poses are. What a
single view cannot tell, how far the nose stands out and where level is, comes from a usual head.
"""

import numpy as np
from jaxtyping import Float

from poses.limbs import NECK

HEAD_POINTS = (0, 14, 15, 16, 17)
# Nose, eyes, ears and neck, right before left, in units of half the distance between the ears.
USUAL = np.array(
    [(0.0, 0.2, -1.2), (-0.45, -0.3, -0.95), (0.45, -0.3, -0.95),
     (-1.0, 0.0, 0.0), (1.0, 0.0, 0.0), (0.0, 2.2, 0.0)]
)  # fmt: skip
_RIGHT_EAR, _LEFT_EAR, _NECK = 3, 4, 5
# A head leans beside its neck, so that the neck tells less of how it is turned.
WEIGHTS = np.array([1.0, 1.0, 1.0, 1.0, 1.0, 0.05])
UPRIGHT_WEIGHT = 0.02
USUAL_WEIGHT = 0.15
ROUNDS = 6
LONGEST_PERCENTILE = 95.0

Seen = Float[np.ndarray, "t 6 2"]
Head = Float[np.ndarray, "6 3"]
Turns = Float[np.ndarray, "t 3 3"]
Middles = Float[np.ndarray, "t 2"]


def seen_heads(places: Float[np.ndarray, "t j 2"]) -> Seen:
    """Return nose, eyes, ears and neck of bodies; NaN where they are not known."""
    heads: Seen = places[:, [*HEAD_POINTS, NECK]]
    return heads


def half_width(head: Head) -> float:
    """Return half the distance between the ears."""
    return float(np.linalg.norm(head[_LEFT_EAR] - head[_RIGHT_EAR])) / 2


def learn_head(seen: Seen, *, level: float) -> Head | None:
    """Return the head that, turned, explains the points best; None without two points of a head.

    Shape and attitudes are found in turn, beginning with a usual head, of which the more stays
    the less is seen. level: by how many radians a usual look up or down may be the face's own
    design: so much of the middle nod is taken for none.
    """
    unit = _half_width_seen(seen)
    if unit is None:
        return None
    usual = USUAL * unit
    lengths = np.linalg.norm(seen[:, _NECK] - seen[:, :_NECK].mean(axis=1), axis=-1)
    if np.isfinite(lengths).any():
        usual[_NECK, 1] = np.percentile(lengths[np.isfinite(lengths)], LONGEST_PERCENTILE)
    head = usual
    for _ in range(ROUNDS):
        turns, middles = find_attitudes(seen, head)
        head = _reshaped(seen, turns, middles, usual=usual)
    return _levelled(head, find_attitudes(seen, head)[0], level=level)


def find_attitudes(seen: Seen, head: Head) -> tuple[Turns, Middles]:
    """Return how the head is turned in each frame and where its middle is.

    The linear map from shape to picture with the least squared error, made a rotation: points
    that lie together by mistake pull less than those that lie apart. A little of it is upright
    above the neck and looking at the viewer, which decides what nothing else tells. The middle
    is NaN where no point of the head is known.
    """
    unit = half_width(head)
    known = np.isfinite(seen[..., 0])
    weights = known * WEIGHTS
    shape = np.column_stack([np.ones(len(head)), head / unit])
    matrix = np.einsum("ti,ik,il->tkl", weights, shape, shape)
    matrix += np.diag([1e-9, UPRIGHT_WEIGHT, UPRIGHT_WEIGHT, UPRIGHT_WEIGHT])
    wanted = np.einsum("ti,ik,tic->tkc", weights, shape, np.where(known[..., None], seen, 0))
    wanted[:, 1:] += UPRIGHT_WEIGHT * unit * _upright(seen)
    solved = np.linalg.solve(matrix, wanted)
    left, _, right = np.linalg.svd(np.swapaxes(solved[:, 1:], 1, 2), full_matrices=False)
    rows = left @ right
    turns = np.concatenate([rows, np.cross(rows[:, 0], rows[:, 1])[:, None]], axis=1)
    return turns, np.where(known[:, :_NECK].any(axis=1)[:, None], solved[:, 0], np.nan)


def turned(head: Head, turns: Turns) -> Float[np.ndarray, "t 5 2"]:
    """Return where nose, eyes and ears of a head are seen about its middle."""
    points: np.ndarray = np.einsum("tck,ik->tic", turns[:, :2], head[:_NECK])
    return points


def _half_width_seen(seen: Seen) -> float | None:
    """Return half the distance between the ears as it is where the head shows it best."""
    pairs = [(3, 4), (0, 3), (0, 4), (1, 4), (2, 3)]
    found = [_width_by(seen, pair) for pair in pairs]
    widths = [width for width in found if width is not None]
    if not widths:
        rest = [_width_by(seen, pair) for pair in ((1, 2), (0, 1), (0, 2), (0, 5))]
        widths = [width for width in rest if width is not None][:1]
    return max(widths) if widths and max(widths) > 0.5 else None


def _width_by(seen: Seen, pair: tuple[int, int]) -> float | None:
    """Return the half width that a usual head would have with two of its points so far apart."""
    distances = np.linalg.norm(seen[:, pair[0]] - seen[:, pair[1]], axis=-1)
    distances = distances[np.isfinite(distances)]
    if not distances.size:
        return None
    usual = np.linalg.norm(USUAL[pair[0]] - USUAL[pair[1]])
    return float(np.percentile(distances, LONGEST_PERCENTILE) / usual)


def _upright(seen: Seen) -> Float[np.ndarray, "t 3 2"]:
    """Return the axes of a head that stands upright on its neck and looks at the viewer."""
    known = np.isfinite(seen[:, :_NECK])
    count = known.sum(axis=1).clip(min=1)
    down = seen[:, _NECK] - np.where(known, seen[:, :_NECK], 0).sum(axis=1) / count
    length = np.linalg.norm(down, axis=1, keepdims=True)
    usable = np.isfinite(length) & (length > 0) & known.any(axis=(1, 2))[:, None]
    down = np.where(usable, down / np.where(usable, length, 1), (0.0, 1.0))
    across = np.column_stack([down[:, 1], -down[:, 0]])
    return np.stack([across, down, np.zeros_like(down)], axis=1)


def _reshaped(seen: Seen, turns: Turns, middles: Middles, *, usual: Head) -> Head:
    """Return the shape that explains the points best when it is turned so, near the usual one."""
    gaps = seen - middles[:, None]
    known = np.isfinite(gaps[..., 0])
    rows = turns[:, :2]
    prior = USUAL_WEIGHT * max(1, int(np.isfinite(middles[:, 0]).sum()))
    matrix = np.einsum("ti,tck,tcl->ikl", known, rows, rows) + prior * np.eye(3)
    wanted = np.einsum("tck,tic->ik", rows, np.where(known[..., None], gaps, 0)) + prior * usual
    solved: Head = np.linalg.solve(matrix, wanted[..., None])[..., 0]
    return solved


def _levelled(head: Head, turns: Turns, *, level: float) -> Head:
    """Turn the shape by the middle nod of its attitudes, as far as `level` allows."""
    nods = np.arctan2(turns[:, 2, 1], turns[:, 2, 2])
    nod = float(np.clip(np.median(nods), -level, level))
    cosine, sine = np.cos(nod), np.sin(nod)
    level_head: Head = head @ np.array([(1, 0, 0), (0, cosine, sine), (0, -sine, cosine)])
    return level_head
