"""Scenes: one character in front of one background, drawn in many stances."""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from dtvideo.errors import UsageError
from dtvideo.toon.world.backgrounds import BACKGROUNDS, paint_background
from dtvideo.toon.world.captions import caption
from dtvideo.toon.world.draw import Drawing, draw
from dtvideo.toon.world.figure import Camera, Stance
from dtvideo.toon.world.identity import Identity, identity_from_seed, pick
from dtvideo.toon.world.motion import motions
from dtvideo.toon.world.stances import random_stance, relaxed_stance

Split = Literal["train", "held-out"]

TRAIN_IDENTITIES = range(0, 1_000_000)
HELD_OUT_IDENTITIES = range(1_000_000, 2_000_000)


@dataclass(frozen=True)
class Scene:
    """A character, where the camera stands, and what is behind."""

    identity: Identity
    camera: Camera
    background: str
    background_seed: int
    split: Split

    @property
    def caption(self) -> str:
        """One sentence about the character and the background."""
        return f"{caption(self.identity)}, {self.background} background"


def sample_scene(identity_seed: int, *, key: int = 0, split: Split = "train") -> Scene:
    """Return the scene of a character and a key.

    Raises: UsageError when the seed does not belong to the split.
    """
    seeds = TRAIN_IDENTITIES if split == "train" else HELD_OUT_IDENTITIES
    if identity_seed not in seeds:
        raise UsageError(
            "T1",
            "identity seed",
            f"{identity_seed} is not in the {split} split",
            f"choose one from {seeds.start} to {seeds.stop - 1}",
        )
    rng = np.random.default_rng((identity_seed, key, 0x5C))
    scale = float(rng.uniform(0.6, 0.86))
    camera = Camera(
        yaw=float(np.clip(rng.normal(0, 0.18), -0.5, 0.5)),
        pitch=float(rng.uniform(0.0, 0.15)),
        scale=scale,
        centre=(float(rng.uniform(0.42, 0.58)), float(rng.uniform(0.9, 0.97))),
    )
    return Scene(
        identity=identity_from_seed(identity_seed),
        camera=camera,
        background=pick(rng, BACKGROUNDS),
        background_seed=int(rng.integers(2**31)),
        split=split,
    )


def scene_drawings(
    scene: Scene, count: int, *, key: int = 0, size: tuple[int, int] = (128, 128)
) -> list[Drawing]:
    """Draw the scene's character in `count` stances in front of the same background.

    The first stance is a natural reference pose most of the time.
    """
    rng = np.random.default_rng((scene.identity.seed, scene.background_seed, key, 0xD2))
    ground = paint_background(scene.background, scene.background_seed, size=size)
    return [
        draw(
            scene.identity,
            _stance(scene, rng, first=index == 0),
            moved_camera(scene.camera, rng),
            size=size,
            background=ground,
        )
        for index in range(count)
    ]


def _stance(scene: Scene, rng: np.random.Generator, *, first: bool) -> Stance:
    """Return the natural stance, a moment of one of the split's motions, or a random stance."""
    natural, moving = rng.random(2)
    if first and natural < 0.7:
        return relaxed_stance(rng)
    if moving < 0.5:
        return random_stance(rng)
    choices = motions(scene.split)
    motion = choices[int(rng.integers(len(choices)))]
    stance = motion.stance(int(rng.integers(len(motion))))
    return replace(stance, root=stance.root * (0.0, 1.0, 0.0))  # it stays in the picture


def moved_camera(camera: Camera, rng: np.random.Generator) -> Camera:
    """Return the camera after a small step, seldom a large one."""
    reach = rng.choice([0.35, 0.8, np.pi], p=[0.8, 0.14, 0.06])
    x, y = camera.centre
    return replace(
        camera,
        yaw=camera.yaw + float(rng.uniform(-reach, reach)),
        scale=camera.scale * float(rng.uniform(0.95, 1.05)),
        centre=(x + float(rng.uniform(-0.03, 0.03)), y + float(rng.uniform(-0.02, 0.02))),
    )
