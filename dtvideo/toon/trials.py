"""Trials of the drawn world: clips whose truth is known, fixed by a seed, never trained on."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from dtvideo.toon.world.backgrounds import paint_background
from dtvideo.toon.world.draw import Drawing, draw
from dtvideo.toon.world.figure import BODY_DIRECTIONS, Camera, Stance, camera_rotation
from dtvideo.toon.world.motion import motions
from dtvideo.toon.world.scene import HELD_OUT_IDENTITIES, Scene, sample_scene
from dtvideo.toon.world.stances import relaxed_stance
from poses.types import Pose

VIEWS = ("same view", "up to 45 degrees", "other views")
SAME_VIEW_DEGREES, HALF_TURN_DEGREES = 20.0, 45.0
# How far the camera goes round the character; of five clips three keep the view.
CAMERA_TURNS = ((0.0, 15.0), (0.0, 15.0), (0.0, 15.0), (20.0, 45.0), (45.0, 180.0))
FRAME_STEP = 4  # frames of the motion between two frames of a trial: 7.5 frames a second


@dataclass(frozen=True, eq=False)
class Trial:
    """One clip: a reference, the same character through a motion, and how far its view turned.

    degrees: for each frame the angle between where the chest looks in it and in the reference.
    """

    name: str
    caption: str
    motion: str
    reference: Drawing
    truths: tuple[Drawing, ...]
    degrees: Float[np.ndarray, " t"]

    @property
    def poses(self) -> list[Pose]:
        """The exact key points of each frame."""
        return [drawing.pose for drawing in self.truths]

    @property
    def views(self) -> list[str]:
        """The name in VIEWS of each frame's view change."""
        return [view_of(float(angle)) for angle in self.degrees]


def toon_trials(
    count: int, frames: int, *, seed: int = 0, size: tuple[int, int] = (128, 128)
) -> Iterator[Trial]:
    """Draw `count` clips of held-out characters in held-out motions, the same for one seed.

    A longer list begins with the shorter one; size is (width, height).
    """
    for index in range(count):
        yield _trial(index, frames, seed=seed, size=size)


def view_of(degrees: float) -> str:
    """Return the name of a view change."""
    return VIEWS[int(degrees > SAME_VIEW_DEGREES) + int(degrees > HALF_TURN_DEGREES)]


def pose_distance(first: Pose, second: Pose) -> float:
    """Return the mean distance of the joints known in both, in torso lengths of the first.

    Necks are brought together before: it tells how much a body moved, not where it stands.
    """
    both = (first.body[:, 2] > 0) & (second.body[:, 2] > 0)
    if not both[[1, 8, 11]].all():
        return float("nan")
    start, goal = (pose.body[:, :2] - pose.body[1, :2] for pose in (first, second))
    torso = float(np.linalg.norm(start[[8, 11]].mean(axis=0)))
    return float(np.linalg.norm(goal - start, axis=1)[both].mean() / max(torso, 1.0))


def _trial(index: int, frames: int, *, seed: int, size: tuple[int, int]) -> Trial:
    rng = np.random.default_rng((seed, index, 0x7A))
    identity = HELD_OUT_IDENTITIES.start + int(rng.integers(len(HELD_OUT_IDENTITIES)))
    scene = sample_scene(identity, key=seed, split="held-out")
    camera = _turned(scene.camera, rng, limits=CAMERA_TURNS[index % len(CAMERA_TURNS)])
    rest = relaxed_stance(rng)
    motion, stances = _moments(rng, frames)
    reference = _drawn(scene, [rest], scene.camera, size=size)[0]
    ahead = _heading(rest, scene.camera)
    return Trial(
        name=f"{index:04d}-{identity}",
        caption=scene.caption,
        motion=motion,
        reference=reference,
        truths=tuple(_drawn(scene, stances, camera, size=size)),
        degrees=np.array([_angle(ahead, _heading(stance, camera)) for stance in stances]),
    )


def _turned(camera: Camera, rng: np.random.Generator, *, limits: tuple[float, float]) -> Camera:
    turn = np.radians(rng.uniform(*limits)) * rng.choice([-1, 1])
    return replace(
        camera, yaw=camera.yaw + float(turn), scale=camera.scale * float(rng.uniform(0.95, 1.05))
    )


def _moments(rng: np.random.Generator, frames: int) -> tuple[str, list[Stance]]:
    """Return a held-out motion's name and moments of it; the body stays in its place."""
    choices = motions("held-out")
    motion = choices[int(rng.integers(len(choices)))]
    places = int(rng.integers(len(motion))) + FRAME_STEP * np.arange(frames)
    if not motion.loop:  # there and back again
        last = max(len(motion) - 1, 1)
        places = last - np.abs(places % (2 * last) - last)
    stances = [motion.stance(int(place) % len(motion)) for place in places]
    return motion.name, [replace(one, root=one.root * (0.0, 1.0, 0.0)) for one in stances]


def _drawn(
    scene: Scene, stances: list[Stance], camera: Camera, *, size: tuple[int, int]
) -> list[Drawing]:
    ground = paint_background(scene.background, scene.background_seed, size=size)
    return [draw(scene.identity, one, camera, size=size, background=ground) for one in stances]


def _heading(stance: Stance, camera: Camera) -> Float[np.ndarray, "2"]:
    """Return where the chest looks, seen from above: to the right and to the viewer."""
    turn = camera_rotation(replace(camera, pitch=0.0, roll=0.0))
    chest = turn @ stance.directions[BODY_DIRECTIONS.index("chest")]
    return np.asarray(chest[[0, 2]])


def _angle(first: Float[np.ndarray, "2"], second: Float[np.ndarray, "2"]) -> float:
    """Return the angle between two directions in degrees, 0 to 180."""
    turned = (second @ (1, 1j)) * np.conj(first @ (1, 1j))
    return float(np.degrees(abs(np.angle(turned))))
