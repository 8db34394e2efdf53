"""Pictures of the drawn world with what a subject encoder is taught by: layout and caption."""

import numpy as np
from jaxtyping import UInt8

from dtvideo.toon.world import TRAIN_IDENTITIES, Drawing, sample_scene, scene_drawings
from dtvideo.training.pictures import Portrait

PORTRAITS = 0x5E  # last key of random draws: what they are for


def portrait(seed: int, number: int, *, size: int) -> Portrait:
    """Draw portrait `number` of an endless sequence of training identities.

    Its layout is the exact order of the parts.
    """
    rng = np.random.default_rng((seed, number, PORTRAITS))
    identity = int(rng.integers(TRAIN_IDENTITIES.start, TRAIN_IDENTITIES.stop))
    key = int(rng.integers(2**31))
    scene = sample_scene(identity, key=key)
    drawing = scene_drawings(scene, 1, key=key, size=(size, size))[0]
    on_white = drawing.layer[..., :3] + (255 - drawing.layer[..., 3:])
    return Portrait(drawing.image, on_white, layout_picture(drawing), drawing.mask, scene.caption)


def layout_picture(drawing: Drawing) -> UInt8[np.ndarray, "h w 3"]:
    """Return the order of a drawing's parts as a depth ControlNet sees it: grey, 255 in front."""
    order = drawing.depth.astype(np.float32) / max(int(drawing.depth.max()), 1)
    return np.repeat(np.round(255 * order).astype(np.uint8)[..., None], 3, axis=-1)
