"""Characters to be taught: one picture of each, and how it looks in poses that are not shown."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from dtvideo.toon.attributes import coloured_parts
from dtvideo.toon.picture_trials import OWN_WORDS, PictureTrial, Request, drawn, moving_stance
from dtvideo.toon.world import HELD_OUT_IDENTITIES, Drawing, Scene, Stance, sample_scene
from dtvideo.toon.world.stances import relaxed_stance

TAUGHT = 0x5B  # last key of random draws: what they are for


@dataclass(frozen=True, eq=False)
class SubjectTrial:
    """A held-out character at rest, and moments of held-out motions from the same side."""

    name: str
    scene: Scene
    reference: Drawing
    stances: tuple[Stance, ...]

    @property
    def class_word(self) -> str:
        """What the character is: girl, robot, cat."""
        return self.scene.identity.kind

    def truth(self, index: int) -> Drawing:
        """Draw the character in one of its stances."""
        return drawn(self.scene, self.stances[index], self.reference.pose.size)

    def picture(self, index: int) -> PictureTrial:
        """Return one of the stances as a picture to be judged, its coloured parts found."""
        scene, size = self.scene, self.reference.pose.size
        stance = self.stances[index]
        return PictureTrial(
            name=f"{self.name}.{index}",
            reference=self.reference,
            caption=scene.caption,
            parts=coloured_parts(scene.identity, stance, scene.camera, size=size),
            requests=(Request(OWN_WORDS, scene.caption, self.truth(index)),),
        )


def subject_trials(
    count: int, stances: int, *, seed: int = 0, size: tuple[int, int] = (128, 128)
) -> Iterator[SubjectTrial]:
    """Draw `count` characters in so many stances, the same for one seed.

    A longer list begins alike, and so do more stances.
    """
    for index in range(count):
        rng = np.random.default_rng((seed, index, TAUGHT))
        identity = HELD_OUT_IDENTITIES.start + int(rng.integers(len(HELD_OUT_IDENTITIES)))
        scene = sample_scene(identity, key=seed, split="held-out")
        rest = relaxed_stance(rng)
        yield SubjectTrial(
            name=f"{index:04d}-{identity}",
            scene=scene,
            reference=drawn(scene, rest, size),
            stances=tuple(moving_stance(rng) for _ in range(stances)),
        )
