"""Training pictures of the drawn world: everything here is a function of seeds and an index."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, UInt8

from dtvideo.puppet import Puppet
from dtvideo.toon.world import (
    TRAIN_IDENTITIES,
    Drawing,
    Scene,
    Stance,
    draw,
    random_stance,
    sample_scene,
    scene_drawings,
)
from dtvideo.toon.world.backgrounds import paint_background
from dtvideo.toon.world.motion import motions, unit
from dtvideo.toon.world.scene import moved_camera
from dtvideo.toon.world.stances import relaxed_stance

SCENES, LESSONS, FIGURES, GAPS = 0x70, 0x1E, 0x4B, 0x6A
"""Last keys of random draws: what they are for."""

AT_REST = 0.3
"""Part of the figures that stand as in a reference."""
UNSURE = 0.3
"""Part of the references whose key points are a little off, as found ones are."""
UNSURE_SPREAD = 0.01
"""Standard deviation of how far, in parts of the picture's side."""
LOST = 0.25
"""Chance of each part to be missing from a coarse frame that has gaps."""


def _scene_keys(seed: int, number: int) -> tuple[int, int]:
    """Return the identity and the scene key of one scene of an endless sequence."""
    rng = np.random.default_rng((seed, number, SCENES))
    identity = int(rng.integers(TRAIN_IDENTITIES.start, TRAIN_IDENTITIES.stop))
    return identity, int(rng.integers(2**31))


@dataclass(frozen=True, eq=False)
class Sequel:
    """One target of a scene: the frame to make, the frame before it, and the coarse guess."""

    frame: Drawing
    before: Drawing
    coarse: UInt8[np.ndarray, "h w 3"]


@dataclass(frozen=True, eq=False)
class Lesson:
    """A character once as reference, then as it should look in other poses."""

    reference: Drawing
    sequels: tuple[Sequel, ...]
    caption: str


def lesson(seed: int, number: int, *, sequels: int, size: int, gaps: float = 0.0) -> Lesson:
    """Draw lesson `number` of an endless sequence of training identities and motions.

    gaps: chance of a coarse frame to lack parts, whatever else is drawn.
    """
    identity, key = _scene_keys(seed, number)
    scene = sample_scene(identity, key=key)
    rng = np.random.default_rng((seed, number, LESSONS))
    reference = _as_found(scene_drawings(scene, 1, key=key, size=(size, size))[0], rng)
    puppet = Puppet.prepare(reference.image, reference.mask, reference.pose)
    made = []
    for place in range(sequels):
        before, frame = moving_pair(scene, rng, size=size)
        shown = _with_gaps(puppet, np.random.default_rng((seed, number, place, GAPS)), gaps)
        made.append(Sequel(frame, before, shown.frame(frame.pose)))
    return Lesson(reference, tuple(made), scene.caption)


def _with_gaps(puppet: Puppet, rng: np.random.Generator, gaps: float) -> Puppet:
    """Return a puppet, some of them without some of their parts."""
    if rng.random() >= gaps:
        return puppet
    return puppet.without([name for name in puppet.parts if rng.random() < LOST])


def _as_found(drawing: Drawing, rng: np.random.Generator) -> Drawing:
    """Return a drawing, some of them with key points as a detector finds them."""
    if rng.random() >= UNSURE:
        return drawing
    body = drawing.pose.body.copy()
    body[:, :2] += rng.normal(0, UNSURE_SPREAD * drawing.image.shape[0], body[:, :2].shape)
    return replace(drawing, pose=replace(drawing.pose, body=body))


def moving_pair(scene: Scene, rng: np.random.Generator, *, size: int) -> tuple[Drawing, Drawing]:
    """Draw two near moments of one movement, seen from one place."""
    ground = paint_background(scene.background, scene.background_seed, size=(size, size))
    camera = moved_camera(scene.camera, rng)
    before, frame = (
        draw(scene.identity, stance, camera, size=(size, size), background=ground)
        for stance in _near_moments(rng)
    )
    return before, frame


def _near_moments(rng: np.random.Generator) -> tuple[Stance, Stance]:
    """Return two near moments of one movement."""
    return _captured_moments(rng) if rng.random() < 0.5 else _free_moments(rng)


def _captured_moments(rng: np.random.Generator) -> tuple[Stance, Stance]:
    """Return two moments of a training motion, one to three frames apart."""
    choices = motions("train")
    motion = choices[int(rng.integers(len(choices)))]
    motion = motion.mirrored() if rng.random() < 0.5 else motion
    index, apart = int(rng.integers(1, len(motion))), int(rng.integers(1, 4))
    return motion.stance(max(0, index - apart)), motion.stance(index)


def _free_moments(rng: np.random.Generator) -> tuple[Stance, Stance]:
    """Return a random stance and one a little on its way to it from another."""
    stance, origin = random_stance(rng), random_stance(rng)
    part = float(rng.uniform(0.02, 0.2))
    directions = unit(stance.directions * (1 - part) + origin.directions * part)
    root = stance.root * (1 - part) + origin.root * part
    return Stance(directions=directions, root=root), stance


@dataclass(frozen=True, eq=False)
class Figures:
    """A chunk of figures with their grounds alone and their body-18 joints in pixels."""

    images: UInt8[np.ndarray, "n h w 3"]
    grounds: UInt8[np.ndarray, "n h w 3"]
    bodies: Float[np.ndarray, "n 18 3"]


def figure_chunk(seed: int, index: int, *, count: int, size: int) -> Figures:
    """Draw chunk `index` of an endless sequence of figures of training identities."""
    drawn = [_figure(seed, index * count + number, size=size) for number in range(count)]
    images, grounds, bodies = zip(*drawn, strict=True)
    return Figures(np.stack(images), np.stack(grounds), np.stack(bodies))


def _figure(
    seed: int, number: int, *, size: int
) -> tuple[UInt8[np.ndarray, "h w 3"], UInt8[np.ndarray, "h w 3"], Float[np.ndarray, "18 3"]]:
    identity, key = _scene_keys(seed, number)
    scene = sample_scene(identity, key=key)
    rng = np.random.default_rng((seed, number, FIGURES))
    ground = paint_background(scene.background, scene.background_seed, size=(size, size))
    stance = relaxed_stance(rng) if rng.random() < AT_REST else _near_moments(rng)[1]
    camera = moved_camera(scene.camera, rng)
    drawing = draw(scene.identity, stance, camera, size=(size, size), background=ground)
    return drawing.image, ground, drawing.pose.body
