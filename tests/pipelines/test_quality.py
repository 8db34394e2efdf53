from dataclasses import replace

import numpy as np
import pytest

from dtvideo.puppet import Puppet
from dtvideo.toon.trials import toon_trials
from pipelines.prepare import Reference
from pipelines.quality import QualityMeter, fitting_detector
from poses.types import PoseSequence


@pytest.fixture(scope="module")
def trial():
    """A drawn character whose frames are known: the truth of a render."""
    return next(iter(toon_trials(1, 6, seed=3, size=(128, 128))))


@pytest.fixture(scope="module")
def reference(trial):
    return reference_of(trial)


def reference_of(trial):
    drawn = trial.reference
    mask = drawn.mask.astype(np.float32)
    return Reference(drawn.image, mask, drawn.pose, mask_method="alpha", pose_method="file")


def measured(trial, reference, frames):
    meter = QualityMeter(reference, poses(trial))
    for index, frame in enumerate(frames):
        meter.add(index, frame)
    return meter.figures()


def poses(trial):
    body = np.stack([pose.body for pose in trial.poses])
    return PoseSequence(body, size=trial.poses[0].size)


def truth(trial):
    return [each.image for each in trial.truths]


def test_the_truth_is_itself_and_moves(trial, reference):
    figures = measured(trial, reference, truth(trial))
    assert (figures["blank_frames"], figures["still_frames"]) == ([], [])
    assert figures["identity_delta_e"] < 6
    assert figures["flicker"] > 1
    assert figures["pose"]["detector"] == fitting_detector(reference).name
    assert figures["pose"]["looks"] == 6


def test_the_truth_takes_the_poses():
    """Wild stances are found worse, 0.58 of them in two of these four characters."""
    found = [
        measured(each, reference_of(each), truth(each))["pose"]["pck_0.2"]
        for each in toon_trials(4, 6, seed=3)
    ]
    assert np.mean(found) > 0.75


def test_another_colour_another_pose_and_a_standstill_are_seen(trial, reference):
    true = measured(trial, reference, truth(trial))
    red = [
        np.clip(frame * np.array([1, 0.3, 0.3]), 0, 255).astype(np.uint8) for frame in truth(trial)
    ]
    assert measured(trial, reference, red)["identity_delta_e"] > true["identity_delta_e"] + 10
    mirrored = [np.ascontiguousarray(frame[::-1]) for frame in truth(trial)]
    assert measured(trial, reference, mirrored)["pose"]["pck_0.2"] < true["pose"]["pck_0.2"] / 2
    still = [truth(trial)[0]] * 6
    figures = measured(trial, reference, still)
    assert figures["still_frames"] == [1, 2, 3, 4, 5]
    assert figures["flicker"] == 0


def test_a_blank_frame_is_named(trial, reference):
    frames = truth(trial)
    frames[2] = np.full_like(frames[2], 200)
    assert measured(trial, reference, frames)["blank_frames"] == [2]


def test_a_transparent_result_has_the_figures_of_an_opaque_one(trial, reference):
    puppet = Puppet.prepare(reference.image, reference.mask, reference.pose)
    opaque, clear = [], []
    for each in trial.truths:
        alpha = np.round(each.mask * 255).astype(np.uint8)
        colours = np.where(each.mask[..., None] > 0, each.image, 255 - puppet.ground)
        clear.append(np.dstack([colours, alpha]).astype(np.uint8))
        share = each.mask[..., None]
        opaque.append(np.round(colours * share + puppet.ground * (1 - share)).astype(np.uint8))
    first, second = (measured(trial, reference, frames) for frames in (opaque, clear))
    assert second["pose"]["pck_0.2"] == first["pose"]["pck_0.2"] > 0.6


def test_a_detector_that_cannot_find_the_reference_is_not_asked(trial, reference):
    blank = replace(reference, image=np.full_like(reference.image, 128))
    assert fitting_detector(blank) is None
    assert measured(trial, blank, truth(trial))["pose"] is None
