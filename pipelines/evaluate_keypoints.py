"""Measure a pose detector on drawn characters whose key points are known.

report = evaluate_keypoints(ToonDetector(), clips=200)
print(report.table())
"""

from collections.abc import Callable, Iterator

import numpy as np
from jaxtyping import UInt8

import dtvideo.metrics as metrics
from dtvideo.errors import UsageError
from dtvideo.toon.trials import in_place
from dtvideo.toon.world import HELD_OUT_IDENTITIES, Drawing, draw, sample_scene
from dtvideo.toon.world.backgrounds import paint_background
from dtvideo.toon.world.motion import motions
from dtvideo.toon.world.scene import moved_camera
from dtvideo.toon.world.stances import random_stance, relaxed_stance
from pipelines.reference_people import core_confidence
from pipelines.report import ClipScores, Report
from poses.detectors import PoseDetector
from poses.types import Pose, confident

CUTS = {
    "cut at the neck": 0.0,
    "cut at the chest": 0.5,
    "cut at the hips": 1.0,
    "cut at the knees": 1.8,
}
"""Where a figure ends, from the neck down in lengths of its torso."""
REFERENCE, MOTION, ANY, EMPTY = "reference stance", "motion", "any stance", "empty ground"
NECK, HIPS = 1, (8, 11)
FIGURES = 0x4F  # last key of random draws: whom a detector is shown

Shown = tuple[str, UInt8[np.ndarray, "h w 3"], Pose | None]
"""A view, its picture, and the pose in it."""


def evaluate_keypoints(
    detector: PoseDetector,
    *,
    clips: int = 100,
    seed: int = 0,
    size: int = 128,
    cut: bool = False,
    progress: Callable[[str, int, int], None] | None = None,
) -> Report:
    """Show a detector held-out characters in four ways each, and the ground without them.

    Views: a natural stance as in a reference; a moment of a held-out motion; any stance from a
    camera that may have gone round; the empty ground. A figure that the detector does not find
    counts as missed in all its joints, but for "if sure" and the median distance.
    cut: show the natural stance alone instead, cut off at four heights. Then "told below" is the
    share of the joints below the picture that are found in it all the same, and "core" the mean
    confidence of nose, neck, shoulders and hips, both of those that are found at all.
    Raises: UsageError M11 for less than one clip.
    """
    if clips < 1:
        raise UsageError("M11", "clips", f"is {clips}", "give 1 or more")
    scores = []
    views = tuple(CUTS) if cut else (REFERENCE, MOTION, ANY, EMPTY)
    for index in range(clips):
        pictures = _pictures(index, seed=seed, size=size)
        for view, image, truth in _cut_pictures(next(pictures)) if cut else pictures:
            found = detector.detect(image)
            scored = _score(found[0] if found else None, truth)
            if cut and found and truth is not None:
                scored |= _score_cut(found[0], truth)
            scores.append(ClipScores(detector.name, f"{index:04d}", ((view,),), (scored,), {}))
        if progress is not None:
            progress("evaluate", index + 1, clips)
    about = {"detector": detector.name, "clips": clips, "seed": seed, "size": size}
    return Report(tuple(scores), views=views, about=about)


def _score(found: Pose | None, truth: Pose | None) -> dict[str, float]:
    """Return the measures of one picture; without a truth only whether nobody was found."""
    scores = {"not_sure": float(found is None)}
    if truth is None:
        return scores
    scores |= {"pck_10": 0.0, "pck_20": 0.0}
    if found is None:
        return scores
    near = metrics.pck(found, truth, threshold=0.1)
    scores |= {"pck_10": near, "pck_20": metrics.pck(found, truth, threshold=0.2)}
    errors = metrics.joint_errors(found, truth)
    off = errors[np.isfinite(errors)]
    scores["pck_10_if_sure"] = near
    return scores | ({"pixels_off": float(np.median(off))} if len(off) else {})


def _pictures(index: int, *, seed: int, size: int) -> Iterator[Shown]:
    """Draw one held-out character in each view, with its true pose."""
    rng = np.random.default_rng((seed, index, FIGURES))
    identity = HELD_OUT_IDENTITIES.start + int(rng.integers(len(HELD_OUT_IDENTITIES)))
    scene = sample_scene(identity, key=seed, split="held-out")
    ground = paint_background(scene.background, scene.background_seed, size=(size, size))
    motion = motions("held-out")[int(rng.integers(len(motions("held-out"))))]
    moment = motion.stance(int(rng.integers(len(motion))))
    shown = (
        (REFERENCE, relaxed_stance(rng), scene.camera),
        (MOTION, in_place(moment), scene.camera),
        (ANY, random_stance(rng), moved_camera(scene.camera, rng)),
    )
    for view, stance, camera in shown:
        drawing: Drawing = draw(
            scene.identity, stance, camera, size=(size, size), background=ground
        )
        yield view, drawing.image, drawing.pose
    yield EMPTY, ground, None


def _cut_pictures(shown: Shown) -> Iterator[Shown]:
    """Yield the upper parts of a picture; joints below the border are missing in the truth."""
    _, image, pose = shown
    assert pose is not None
    neck, hips = pose.body[NECK, 1], pose.body[list(HIPS), 1].mean()
    for view, length in CUTS.items():
        rows = min(len(image), max(1, round(neck + length * (hips - neck))))
        body = np.where(pose.body[:, 1:2] < rows, pose.body, (np.nan, np.nan, 0.0))
        yield view, np.ascontiguousarray(image[:rows]), Pose(body=body, size=(image.shape[1], rows))


def _score_cut(found: Pose, truth: Pose) -> dict[str, float]:
    """Return what is told of joints below the picture, and how surely the rest is."""
    below = ~confident(truth.body)
    scores = {"core": core_confidence(found)}
    return scores | ({"told_below": confident(found.body)[below].mean()} if below.any() else {})
