"""Pure mask work: the ground seen at the border, the largest part, holes, soft edges."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Float32, UInt8
from scipy import ndimage

PLAIN_SHARE = 0.95
FIT_ROUNDS = 8
LEAST_TOLERANCE = 10.0
MOST_TOLERANCE = 36.0
PLAIN_WITHIN = 14.0
NEAR_WHITE_OR_BLACK = 24.0
SHADE_ROUNDS = 40
STILL_SHARE = 1e-4
NO_SUPPORT = 1e-3  # where less of the neighbourhood is known, the first fit counts

Mask = Float32[np.ndarray, "h w"]


@dataclass(frozen=True, eq=False)
class Ground:
    """A plain or smoothly shaded ground, known at every pixel.

    colours: what the ground would be there, 0 to 255; share: how much of the border obeys
    it; tolerance: how far (largest channel) a pixel may be from it and still be ground.
    """

    colours: Float32[np.ndarray, "h w 3"]
    share: float
    tolerance: float


def fit_ground(image: UInt8[np.ndarray, "h w 3"]) -> Ground:
    """Fit a quadratic shade to the border of a picture, leaving out what sticks out of it.

    The border is the outermost ring, one hundredth of the shorter side wide.
    """
    height, width = image.shape[:2]
    ring = np.ones((height, width), bool)
    thick = max(1, min(height, width) // 100)
    ring[thick:-thick, thick:-thick] = False
    shades = _shades(height, width)
    features, seen = shades[ring], image[ring].astype(np.float64)
    kept = _mode(seen)
    for _ in range(FIT_ROUNDS):
        factors = np.linalg.lstsq(features[kept], seen[kept], rcond=None)[0]
        distance = np.abs(seen - features @ factors).max(axis=1)
        kept = distance <= max(PLAIN_WITHIN, float(np.quantile(distance, 0.5)))
    share = float((distance <= PLAIN_WITHIN).mean())
    noise = 4 * float(np.quantile(distance[kept], 0.9))
    colours = (shades @ factors).clip(0, 255).astype(np.float32)
    return Ground(colours, share, float(np.clip(noise, LEAST_TOLERANCE, MOST_TOLERANCE)))


def follow_shade(image: UInt8[np.ndarray, "h w 3"], ground: Ground) -> Ground:
    """Let a fitted ground follow the picture inwards, for shades that are no quadratic.

    Ground already reached from the border is averaged over a small neighbourhood, which tells
    what the ground is a little further in; repeated until nothing more is reached.
    """
    height, width = image.shape[:2]
    spread = max(2.0, min(height, width) / 40)
    seen, colours = image.astype(np.float32), ground.colours
    reached = np.zeros((height, width), bool)
    for _ in range(SHADE_ROUNDS):
        like = np.abs(seen - colours).max(axis=2) <= ground.tolerance
        grown = _touching_border(like | reached)
        if np.count_nonzero(grown & ~reached) <= STILL_SHARE * grown.size:
            break
        reached = grown
        weight = _blurred(reached.astype(np.float32), spread)[..., None] + NO_SUPPORT
        known = np.where(reached[..., None], seen - ground.colours, 0)
        near = np.stack([_blurred(known[..., k], spread) for k in range(3)], axis=-1)
        colours = ground.colours + near / weight
    return replace(ground, colours=colours.astype(np.float32))


def off_ground(image: UInt8[np.ndarray, "h w 3"], ground: Ground) -> Bool[np.ndarray, "h w"]:
    """Return what is not ground: everything a flood from the border does not reach.

    Enclosed patches of ground (between arm and body) are ground too, unless the ground is
    white or black, which eyes and clothes also are.
    """
    like = np.abs(image.astype(np.float32) - ground.colours).max(axis=2) <= ground.tolerance
    plain = ground.colours.mean(axis=(0, 1))
    extreme = (plain >= 255 - NEAR_WHITE_OR_BLACK).all() or (plain <= NEAR_WHITE_OR_BLACK).all()
    reached = _touching_border(like)
    return ~reached if extreme else ~(reached | _patches(like))


def largest_part(mask: Bool[np.ndarray, "h w"], *, bridging: int = 0) -> Bool[np.ndarray, "h w"]:
    """Keep the largest 8-connected part; an empty mask stays empty. bridging: as `parts_of`."""
    parts = parts_of(mask, bridging=bridging, most=1)
    return parts[0] if parts else mask.copy()


def parts_of(
    mask: Bool[np.ndarray, "h w"], *, bridging: int = 0, most: int = 8
) -> list[Bool[np.ndarray, "h w"]]:
    """Return the 8-connected parts of a mask, the largest first.

    bridging: parts that are at most twice this many pixels apart count as one.
    """
    parts, _ = ndimage.label(_widened(mask, bridging), structure=np.ones((3, 3)))
    sizes = np.bincount(parts.ravel())[1:]
    return [np.asarray(mask & (parts == 1 + k)) for k in np.argsort(-sizes, kind="stable")[:most]]


def fill_holes(mask: Bool[np.ndarray, "h w"], *, up_to: float = 1.0) -> Bool[np.ndarray, "h w"]:
    """Fill the holes of a mask that are at most `up_to` of its area."""
    holes, count = ndimage.label(ndimage.binary_fill_holes(mask) & ~mask)
    sizes = np.bincount(holes.ravel(), minlength=count + 1)
    small = sizes <= up_to * mask.sum()
    small[0] = False
    return np.asarray(mask | small[holes])


def edge_coverage(
    image: UInt8[np.ndarray, "h w 3"], ground: Ground, figure: Bool[np.ndarray, "h w"]
) -> Mask:
    """Return how much of each pixel the figure covers: 1 inside, a share along its edge.

    A pixel of the rim is a mixture of ground and figure; the figure's colour there is taken
    to be that of the neighbour which differs most from the ground.
    """
    distance = np.abs(image.astype(np.float32) - ground.colours).max(axis=2)
    full = ndimage.maximum_filter(distance, size=3).clip(1e-6)
    rim = figure & ~ndimage.binary_erosion(figure, structure=np.ones((3, 3)), border_value=1)
    return np.where(rim, (distance / full).clip(0, 1), figure).astype(np.float32)


def main_part(soft: Mask) -> Mask:
    """Return a soft mask without the parts that do not belong to its largest one."""
    solid = fill_holes(largest_part(soft > 0.5), up_to=0.005)
    near = _widened(solid, max(2, min(soft.shape) // 64))
    return np.where(near, np.maximum(soft, solid * 0.5), 0).astype(np.float32)


def overlap(mask: Float[np.ndarray, "h w"], truth: Float[np.ndarray, "h w"]) -> float:
    """Return the intersection over union of two masks, each cut at one half; 1 if both empty."""
    found, true = mask > 0.5, truth > 0.5
    union = int(np.count_nonzero(found | true))
    return int(np.count_nonzero(found & true)) / union if union else 1.0


def _shades(height: int, width: int) -> Float[np.ndarray, "h w 6"]:
    """Return 1, x, y, xy, x², y² at every pixel, x and y from -1 to 1."""
    y, x = np.meshgrid(np.linspace(-1, 1, height), np.linspace(-1, 1, width), indexing="ij")
    return np.stack([np.ones_like(x), x, y, x * y, x * x, y * y], axis=-1)


def _mode(colours: Float[np.ndarray, "n 3"]) -> Bool[np.ndarray, " n"]:
    """Return which colours are near the median, to begin a robust fit with."""
    distance = np.abs(colours - np.median(colours, axis=0)).max(axis=1)
    return np.asarray(distance <= np.quantile(distance, 0.9))


def _widened(mask: Bool[np.ndarray, "h w"], pixels: int) -> Bool[np.ndarray, "h w"]:
    size = 2 * pixels + 1
    return np.asarray(ndimage.maximum_filter(mask.astype(np.uint8), size=size) > 0)


def _blurred(values: Mask, spread: float) -> Mask:
    return np.asarray(ndimage.gaussian_filter(values, spread, truncate=2.5))


def _touching_border(mask: Bool[np.ndarray, "h w"]) -> Bool[np.ndarray, "h w"]:
    seeds = np.zeros_like(mask)
    seeds[[0, -1], :], seeds[:, [0, -1]] = mask[[0, -1], :], mask[:, [0, -1]]
    return np.asarray(ndimage.binary_propagation(seeds, mask=mask))


def _patches(mask: Bool[np.ndarray, "h w"]) -> Bool[np.ndarray, "h w"]:
    """Return a mask without the parts that are nowhere three pixels wide."""
    cores = ndimage.binary_erosion(mask, structure=np.ones((3, 3)))
    return np.asarray(ndimage.binary_propagation(cores, mask=mask))
