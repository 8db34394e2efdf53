"""The drawn world: pictures of characters for which the truth is known."""

from dtvideo.toon.world.captions import caption
from dtvideo.toon.world.draw import Drawing, draw
from dtvideo.toon.world.figure import BODY_DIRECTIONS, Camera, Stance, standing
from dtvideo.toon.world.identity import Identity, identity_from_seed
from dtvideo.toon.world.scene import (
    HELD_OUT_IDENTITIES,
    TRAIN_IDENTITIES,
    Scene,
    sample_scene,
    scene_drawings,
)
from dtvideo.toon.world.stances import random_stance

__all__ = [
    "BODY_DIRECTIONS",
    "HELD_OUT_IDENTITIES",
    "TRAIN_IDENTITIES",
    "Camera",
    "Drawing",
    "Identity",
    "Scene",
    "Stance",
    "caption",
    "draw",
    "identity_from_seed",
    "random_stance",
    "sample_scene",
    "scene_drawings",
    "standing",
]
