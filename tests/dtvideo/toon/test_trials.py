import numpy as np
import pytest

from dtvideo.metrics import pck
from dtvideo.toon.trials import (
    DRAWINGS_KEPT,
    VIEWS,
    other_body_trials,
    pose_distance,
    toon_trials,
    view_of,
)
from dtvideo.toon.world import HELD_OUT_IDENTITIES
from poses.types import Pose, missing_joints


def test_a_longer_list_begins_with_the_shorter_one() -> None:
    short = list(toon_trials(2, 2, size=(48, 48)))
    longer = list(toon_trials(3, 2, size=(48, 48)))
    for first, second in zip(short, longer, strict=False):
        assert first.name == second.name
        np.testing.assert_array_equal(first.truths[1].image, second.truths[1].image)


def test_another_seed_gives_other_characters_of_the_held_out_split() -> None:
    names = {trial.name for seed in (0, 1) for trial in toon_trials(2, 2, seed=seed, size=(32, 32))}
    assert len(names) == 4
    assert all(int(name.split("-")[1]) in HELD_OUT_IDENTITIES for name in names)


def test_trials_hold_all_frames_and_the_background_of_the_reference() -> None:
    trial = next(toon_trials(1, 3, size=(64, 64)))
    assert len(trial.truths) == len(trial.poses) == len(trial.views) == 3
    both_clear = (trial.reference.mask == 0) & (trial.truths[2].mask == 0)
    np.testing.assert_array_equal(
        trial.reference.image[both_clear], trial.truths[2].image[both_clear]
    )


def test_view_changes_fall_into_three_rows() -> None:
    assert [view_of(angle) for angle in (0.0, 20.0, 21.0, 45.0, 46.0, 180.0)] == [
        VIEWS[0], VIEWS[0], VIEWS[1], VIEWS[1], VIEWS[2], VIEWS[2],
    ]  # fmt: skip


def test_pose_distance_is_told_in_torsos_and_does_not_see_the_place() -> None:
    body = np.tile([50.0, 50.0, 1.0], (18, 1))
    body[1, :2], body[8, :2], body[11, :2] = (50, 20), (45, 60), (55, 60)
    moved = body + np.array([7, 3, 0])
    moved[4, 0] += 36  # 18 joints: 2 pixels on average, of a torso of 40
    first, second = (Pose(body=joints, size=(100, 100)) for joints in (body, moved))
    assert pose_distance(first, second) == pytest.approx(0.05)
    assert np.isnan(pose_distance(first, Pose(body=missing_joints(18), size=(100, 100))))


def test_poses_are_those_of_the_drawn_truth():
    trial = next(toon_trials(1, 3, size=(48, 48)))
    for pose, truth in zip(trial.poses, trial.truths, strict=True):
        np.testing.assert_array_equal(pose.body, truth.pose.body)


def test_of_a_long_clip_only_the_last_drawings_are_kept():
    truths = next(toon_trials(1, 3 * DRAWINGS_KEPT, size=(32, 32))).truths
    first = truths[0]
    assert truths[0] is first
    for drawing in truths:
        last = drawing
    assert truths[-1] is last
    assert truths[0] is not first
    np.testing.assert_array_equal(truths[0].image, first.image)
    with pytest.raises(IndexError):
        truths[len(truths)]


def test_another_body_performs_what_the_truth_shows_with_poses_of_its_own():
    """Fitted to the reference, its key points are near the truth's, but not the same."""
    found = []
    for own, other in other_body_trials(6, 3):
        assert other.truths is own.truths
        assert own.reference.pose.size == other.poses[0].size
        for mine, fitted, truth in zip(own.poses, other.poses, own.truths, strict=True):
            np.testing.assert_array_equal(mine.body, truth.pose.body)
            assert not np.array_equal(fitted.body, truth.pose.body)
            found.append(pck(fitted, truth.pose, threshold=0.2))
    assert np.mean(found) > 0.9
