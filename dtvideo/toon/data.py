"""Training pictures of the drawn world: everything here is a function of seeds and an index."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, UInt8

from dtvideo.toon.world import TRAIN_IDENTITIES, Drawing, sample_scene, scene_drawings


@dataclass(frozen=True, eq=False)
class Pictures:
    """A chunk of pictures with the masks of their figures."""

    images: UInt8[np.ndarray, "n h w 3"]
    masks: Bool[np.ndarray, "n h w"]


def picture_chunk(seed: int, index: int, *, scenes: int, per_scene: int, size: int) -> Pictures:
    """Draw chunk `index` of an endless sequence of pictures of training identities."""
    drawings: list[Drawing] = []
    for number in range(scenes):
        identity, key = _scene_keys(seed, index * scenes + number)
        scene = sample_scene(identity, key=key)
        drawings += scene_drawings(scene, per_scene, key=key, size=(size, size))
    return Pictures(
        images=np.stack([drawing.image for drawing in drawings]),
        masks=np.stack([drawing.mask > 0.5 for drawing in drawings]),
    )


def _scene_keys(seed: int, number: int) -> tuple[int, int]:
    """Return the identity and the scene key of one scene of an endless sequence."""
    rng = np.random.default_rng((seed, number, 0x70))
    return int(rng.integers(TRAIN_IDENTITIES.start, TRAIN_IDENTITIES.stop)), int(
        rng.integers(2**31)
    )
