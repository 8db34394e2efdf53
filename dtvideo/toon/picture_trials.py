"""Pictures from words to be judged: an unseen character, a pose, its words, and the truth of both.

Every character is asked for twice: by its own caption, and by one in which the colour of one
part is another. What the second should look like is drawn as well.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from dtvideo.toon.attributes import (
    ColouredPart,
    colour_distance,
    colour_table,
    coloured_parts,
    part_colour,
    recoloured,
    told_colours,
)
from dtvideo.toon.trials import in_place
from dtvideo.toon.world import HELD_OUT_IDENTITIES, Drawing, Scene, Stance, draw, sample_scene
from dtvideo.toon.world.backgrounds import paint_background
from dtvideo.toon.world.motion import motions
from dtvideo.toon.world.stances import relaxed_stance

OWN_WORDS, CHANGED_WORD = "own words", "a changed word"
REQUESTS = (OWN_WORDS, CHANGED_WORD)
PICTURES = 0x91  # last key of random draws: what they are for
UNLIKE = 25.0  # CIEDE2000 between the old and the new colour of a changed part


@dataclass(frozen=True, eq=False)
class Request:
    """What is asked for, and what it should look like; changed: the part of another colour."""

    view: str
    words: str
    truth: Drawing
    changed: str | None = None


@dataclass(frozen=True, eq=False)
class PictureTrial:
    """One character: a reference with its caption, where its parts will be, what is asked for."""

    name: str
    reference: Drawing
    caption: str
    parts: tuple[ColouredPart, ...]
    requests: tuple[Request, ...]


def picture_trials(
    count: int, *, seed: int = 0, size: tuple[int, int] = (128, 128)
) -> Iterator[PictureTrial]:
    """Draw `count` held-out characters, the same for one seed; a longer list begins alike."""
    for index in range(count):
        yield _trial(index, seed=seed, size=size)


def _trial(index: int, *, seed: int, size: tuple[int, int]) -> PictureTrial:
    rng = np.random.default_rng((seed, index, PICTURES))
    identity = HELD_OUT_IDENTITIES.start + int(rng.integers(len(HELD_OUT_IDENTITIES)))
    scene = sample_scene(identity, key=seed, split="held-out")
    rest = relaxed_stance(rng)
    stance = moving_stance(rng)
    parts = coloured_parts(scene.identity, stance, scene.camera, size=size)
    requests = [Request(OWN_WORDS, scene.caption, drawn(scene, stance, size))]
    changed = _with_other_colour(scene, parts, rng)
    if changed is not None:
        part, other = changed
        requests.append(Request(CHANGED_WORD, other.caption, drawn(other, stance, size), part))
    return PictureTrial(
        name=f"{index:04d}-{identity}",
        reference=drawn(scene, rest, size),
        caption=scene.caption,
        parts=parts,
        requests=tuple(requests),
    )


def _with_other_colour(
    scene: Scene, parts: tuple[ColouredPart, ...], rng: np.random.Generator
) -> tuple[str, Scene] | None:
    """Return the name of a part and the scene with it in a colour that is clearly another."""
    told = told_colours(scene.identity)
    names = [part.name for part in parts if part.name in told]
    if not names:
        return None
    part = names[int(rng.integers(len(names)))]
    old = part_colour(scene.identity, part)
    table = colour_table(part)
    words = [word for word in table if colour_distance(table[word], old) > UNLIKE]
    word = words[int(rng.integers(len(words)))]
    return part, replace(scene, identity=recoloured(scene.identity, part, table[word], word))


def moving_stance(rng: np.random.Generator) -> Stance:
    """Draw a moment of a held-out motion, in place."""
    choices = motions("held-out")
    motion = choices[int(rng.integers(len(choices)))]
    return in_place(motion.stance(int(rng.integers(len(motion)))))


def drawn(scene: Scene, stance: Stance, size: tuple[int, int]) -> Drawing:
    """Draw a scene's character in a stance before its background."""
    ground = paint_background(scene.background, scene.background_seed, size=size)
    return draw(scene.identity, stance, scene.camera, size=size, background=ground)
