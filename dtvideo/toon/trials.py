"""Trials of the drawn world: clips whose truth is known, fixed by a seed, never trained on."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from jaxtyping import Float

from dtvideo.toon.world.backgrounds import paint_background
from dtvideo.toon.world.draw import Drawing, draw, key_points
from dtvideo.toon.world.figure import BODY_DIRECTIONS, Camera, Stance, camera_rotation
from dtvideo.toon.world.motion import Motion, motions
from dtvideo.toon.world.scene import HELD_OUT_IDENTITIES, Scene, sample_scene
from dtvideo.toon.world.stances import relaxed_stance
from poses.retarget import retarget
from poses.types import Pose, PoseSequence

VIEWS = ("same view", "up to 45 degrees", "other views")
SAME_VIEW_DEGREES, HALF_TURN_DEGREES = 20.0, 45.0
# How far the camera goes round the character; of five clips three keep the view.
CAMERA_TURNS = ((0.0, 15.0), (0.0, 15.0), (0.0, 15.0), (20.0, 45.0), (45.0, 180.0))
FRAME_STEP = 4  # frames of the motion between two frames of a trial: 7.5 frames a second


DRAWINGS_KEPT = 16  # of the frames drawn last
ZOOM = (0.95, 1.05)  # how much nearer the camera comes
OTHER_BODY = 0x0B  # last key of a random draw: who else performs the motion


@dataclass(frozen=True, eq=False)
class Trial:
    """One clip: a reference, the same character through a motion, and how far its view turned.

    truths: the true frames, drawn when they are asked for; poses: what drives each frame, the
    truth's exact key points unless another body gave them; degrees: for each frame the angle
    between where the chest looks in it and in the reference.
    """

    name: str
    caption: str
    motion: str
    reference: Drawing
    truths: Sequence[Drawing]
    poses: tuple[Pose, ...]
    degrees: Float[np.ndarray, " t"]

    @property
    def views(self) -> list[str]:
        """The name in VIEWS of each frame's view change."""
        return [view_of(float(angle)) for angle in self.degrees]


class Drawings(Sequence[Drawing]):
    """One character in many stances, each drawn when it is asked for; the last few are kept."""

    def __init__(
        self, scene: Scene, stances: Sequence[Stance], camera: Camera, *, size: tuple[int, int]
    ) -> None:
        ground = paint_background(scene.background, scene.background_seed, size=size)

        def drawn(index: int) -> Drawing:
            return draw(scene.identity, stances[index], camera, size=size, background=ground)

        self._count = len(stances)
        self._drawn = lru_cache(DRAWINGS_KEPT)(drawn)

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[each] for each in range(*index.indices(self._count))]
        if not -self._count <= index < self._count:
            raise IndexError(index)
        return self._drawn(index % self._count)


def toon_trials(
    count: int, frames: int, *, seed: int = 0, size: tuple[int, int] = (128, 128)
) -> Iterator[Trial]:
    """Draw `count` clips of held-out characters in held-out motions, the same for one seed.

    A longer list begins with the shorter one; size is (width, height).
    """
    for index in range(count):
        yield _trial(_plan(index, frames, seed=seed), size=size)


def other_body_trials(
    count: int, frames: int, *, seed: int = 0, size: tuple[int, int] = (128, 128)
) -> Iterator[tuple[Trial, Trial]]:
    """Draw clips like those of `toon_trials`, each as two trials of the same truth.

    The first is driven by the truth's own key points. In the second another held-out character
    performs the motion before the same camera, and its key points are fitted to the
    reference, as a driving video's are. The camera keeps its distance, which a motion fitted to
    the reference cannot tell.
    """
    for index in range(count):
        plan = _plan(index, frames, seed=seed, zooms=False)
        trial = _trial(plan, size=size)
        yield trial, replace(trial, poses=_performed(plan, trial.reference.pose))


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


@dataclass(frozen=True, eq=False)
class _Plan:
    """What a trial shows: a character, the camera of the motion, the moments of it."""

    name: str
    scene: Scene
    camera: Camera
    rest: Stance
    motion: Motion
    moments: tuple[int, ...]
    performer: Scene

    @property
    def stances(self) -> list[Stance]:
        return [in_place(self.motion.stance(moment)) for moment in self.moments]


def _plan(index: int, frames: int, *, seed: int, zooms: bool = True) -> _Plan:
    rng = np.random.default_rng((seed, index, 0x7A))
    identity = _any_identity(rng)
    scene = sample_scene(identity, key=seed, split="held-out")
    camera = _turned(scene.camera, rng, limits=CAMERA_TURNS[index % len(CAMERA_TURNS)])
    rest = relaxed_stance(rng)
    choices = motions("held-out")
    motion = choices[int(rng.integers(len(choices)))]
    performer = _any_identity(np.random.default_rng((seed, index, OTHER_BODY)))
    return _Plan(
        name=f"{index:04d}-{identity}",
        scene=scene,
        camera=camera if zooms else replace(camera, scale=scene.camera.scale),
        rest=rest,
        motion=motion,
        moments=_moments(motion, rng, frames),
        performer=sample_scene(performer, key=seed, split="held-out"),
    )


def _any_identity(rng: np.random.Generator) -> int:
    return HELD_OUT_IDENTITIES.start + int(rng.integers(len(HELD_OUT_IDENTITIES)))


def _trial(plan: _Plan, *, size: tuple[int, int]) -> Trial:
    scene, camera, stances = plan.scene, plan.camera, plan.stances
    ahead = _heading(plan.rest, scene.camera)
    return Trial(
        name=plan.name,
        caption=scene.caption,
        motion=plan.motion.name,
        reference=Drawings(scene, [plan.rest], scene.camera, size=size)[0],
        truths=Drawings(scene, stances, camera, size=size),
        poses=tuple(key_points(scene.identity, one, camera, size=size) for one in stances),
        degrees=np.array([_angle(ahead, _heading(stance, camera)) for stance in stances]),
    )


def _performed(plan: _Plan, reference: Pose) -> tuple[Pose, ...]:
    """Return the moments as another character performs them, fitted to the reference.

    The fit knows the whole motion, so that it does not depend on how many frames a trial has.
    """
    performer = plan.performer
    camera = replace(performer.camera, yaw=plan.camera.yaw, pitch=plan.camera.pitch)
    stances = [in_place(plan.motion.stance(index)) for index in range(len(plan.motion))]
    size = reference.size
    found = [key_points(performer.identity, one, camera, size=size).body for one in stances]
    fitted, _ = retarget(
        PoseSequence(body=np.stack(found), size=size, rate=plan.motion.rate), reference
    )
    return tuple(fitted[moment] for moment in plan.moments)


def _turned(camera: Camera, rng: np.random.Generator, *, limits: tuple[float, float]) -> Camera:
    turn = np.radians(rng.uniform(*limits)) * rng.choice([-1, 1])
    return replace(
        camera, yaw=camera.yaw + float(turn), scale=camera.scale * float(rng.uniform(*ZOOM))
    )


def _moments(motion: Motion, rng: np.random.Generator, frames: int) -> tuple[int, ...]:
    """Return frame numbers of a motion; one that is no loop goes there and back again."""
    places = int(rng.integers(len(motion))) + FRAME_STEP * np.arange(frames)
    if not motion.loop:
        last = max(len(motion) - 1, 1)
        places = last - np.abs(places % (2 * last) - last)
    return tuple(int(place) % len(motion) for place in places)


def in_place(stance: Stance) -> Stance:
    """Return a stance that does not travel, so that the body stays in the picture."""
    return replace(stance, root=stance.root * (0.0, 1.0, 0.0))


def _heading(stance: Stance, camera: Camera) -> Float[np.ndarray, "2"]:
    """Return where the chest looks, seen from above: to the right and to the viewer."""
    turn = camera_rotation(replace(camera, pitch=0.0, roll=0.0))
    chest = turn @ stance.directions[BODY_DIRECTIONS.index("chest")]
    return np.asarray(chest[[0, 2]])


def _angle(first: Float[np.ndarray, "2"], second: Float[np.ndarray, "2"]) -> float:
    """Return the angle between two directions in degrees, 0 to 180."""
    turned = (second @ (1, 1j)) * np.conj(first @ (1, 1j))
    return float(np.degrees(abs(np.angle(turned))))
