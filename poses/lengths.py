"""How long the segments of a body are, estimated from a whole clip of noisy key points.

Foreshortening only makes segments look shorter, so a high percentile of the lengths seen comes
near the truth; but of what noise does, it picks what lengthens: by 1 to 4 per cent for a detector
that is wrong by 1.5 of 400 pixels. So the noise is measured and its share taken off.
"""

import numpy as np
from jaxtyping import Float

from poses.limbs import TREE
from poses.smooth import smooth_runs

LONGEST_PERCENTILE = 95.0
# Noise is told by the band between these two, in hertz: the upper is that of `smooth`, so that key
# points that were smoothed and such that were not look alike.
BAND_HZ = (2.5, 5.0)
# What is below the upper end of the band is so many times what is in it, for a noise that is the
# same at every frequency; the quietest tenth of the segments is taken for nothing but noise.
NOISE_BY_BAND = 2.0
QUIET_PERCENTILE = 10.0
MAX_SHARE = 0.1
# What noise has lengthened, in units of what as much again lengthens: 1 where lengths vary by much
# more than the noise, 2.4 where they stay the same.
EXCESS = 2.1
# The noise of a length in units of a joint's, where an end is the middle of two joints.
_MIDDLES = {"head": 1.5**0.5, "torso": 1.5**0.5, "hip": 0.5**0.5}
_JOINTS = 2.0**0.5
# Three places with the weights 1, 4 and 1 are, up to the fifth moment, a normal distribution.
_NORMAL = np.sqrt(3) * np.array([-1.0, 0.0, 0.0, 0.0, 0.0, 1.0])

Places = Float[np.ndarray, "t 20 2"]
Lengths = Float[np.ndarray, " t"]


def segment_lengths(places: Places, *, rate: float) -> dict[str, float]:
    """Return each segment's full length in pixels, that of the longer side.

    rate: in frames per second. Segments that are never seen, or never longer than a pixel, are
    left out.
    """
    seen = [_between(places, joint, parent, rate=rate) for joint, parent, _ in TREE]
    noise = length_noise(seen, rate=rate)
    longest: dict[str, float] = {}
    for lengths, (_, _, segment) in zip(seen, TREE, strict=True):
        full = full_length(lengths, noise=noise * _MIDDLES.get(segment, _JOINTS))
        if full > max(1.0, longest.get(segment, 0.0)):
            longest[segment] = full
    return longest


def length_noise(seen: list[Lengths], *, rate: float) -> float:
    """Return the noise of a joint in x or y in pixels, by the lengths of all segments of the tree.

    It is told by how the quietest segments tremble, for motion is not in all of them at once.
    """
    trembling = []
    for lengths, (_, _, segment) in zip(seen, TREE, strict=True):
        known = np.isfinite(lengths)
        if known.any():
            slow = _smoothed(lengths, cutoff_hz=BAND_HZ[0], rate=rate)
            spread = 1.4826 * float(np.median(np.abs(lengths - slow)[known]))
            trembling.append(spread / _MIDDLES.get(segment, _JOINTS))
    return NOISE_BY_BAND * float(np.percentile(trembling or [0.0], QUIET_PERCENTILE))


def full_length(seen: Lengths, *, noise: float) -> float:
    """Return how long something is that looks so long in each frame; NaN is unseen, 0 is never.

    noise: the standard deviation of the lengths in pixels. What it has lengthened is told by what
    as much of it again does, and taken off, up to a tenth.
    """
    seen = seen[np.isfinite(seen)]
    if not seen.size:
        return 0.0
    longest = float(np.percentile(seen, LONGEST_PERCENTILE))
    noisier = float(np.percentile(seen[:, None] + noise * _NORMAL, LONGEST_PERCENTILE))
    return longest - min(EXCESS * (noisier - longest), MAX_SHARE * longest)


def _between(places: Places, joint: int, parent: int, *, rate: float) -> Lengths:
    lengths = np.linalg.norm(places[:, joint] - places[:, parent], axis=-1)
    return _smoothed(lengths, cutoff_hz=BAND_HZ[1], rate=rate)


def _smoothed(lengths: Lengths, *, cutoff_hz: float, rate: float) -> Lengths:
    known = np.isfinite(lengths)
    smoothed: Lengths = smooth_runs(lengths[:, None], known, cutoff_hz=cutoff_hz, rate=rate)[:, 0]
    return smoothed
