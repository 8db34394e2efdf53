import numpy as np
import pytest

from dtvideo.errors import UsageError
from dtvideo.toon.trials import toon_trials
from pipelines.evaluate_keypoints import (
    ANY,
    CUTS,
    EMPTY,
    MOTION,
    REFERENCE,
    evaluate_keypoints,
)
from poses.types import Pose


class Fixed:
    """Finds the same pose, or nobody, whatever it is shown."""

    name, licence, device = "fixed", "Apache-2.0", "cpu"

    def __init__(self, pose: Pose | None) -> None:
        self.pose = pose
        self.seen: list[np.ndarray] = []

    def detect(self, image: np.ndarray) -> list[Pose]:
        self.seen.append(image)
        return [] if self.pose is None else [self.pose]


def mean(report, measure: str, view: str) -> float:
    return report.interval(measure, method="fixed", view=view).mean


def test_a_detector_that_finds_nobody_is_right_about_empty_grounds_only():
    report = evaluate_keypoints(Fixed(None), clips=2, size=48)
    for view in (REFERENCE, MOTION, ANY):
        assert mean(report, "pck_10", view) == 0
        assert report.interval("pck_10_if_sure", method="fixed", view=view).count == 0
    assert mean(report, "not_sure", EMPTY) == 1
    assert report.interval("pck_10", method="fixed", view=EMPTY).count == 0


def test_a_detector_that_always_finds_somebody_is_never_unsure():
    pose = next(toon_trials(1, 2, size=(48, 48))).reference.pose
    report = evaluate_keypoints(Fixed(pose), clips=2, size=48)
    assert {mean(report, "not_sure", view) for view in report.views} == {0.0}
    assert 0 <= mean(report, "pck_10", REFERENCE) <= mean(report, "pck_20", REFERENCE) <= 1
    assert mean(report, "pck_10", ANY) == mean(report, "pck_10_if_sure", ANY)
    assert mean(report, "pixels_off", ANY) > 0


def test_the_same_pictures_are_shown_for_the_same_seed():
    first, second, other = (Fixed(None) for _ in range(3))
    evaluate_keypoints(first, clips=1, size=32)
    evaluate_keypoints(second, clips=1, size=32)
    evaluate_keypoints(other, clips=1, size=32, seed=1)
    assert len(first.seen) == 4
    np.testing.assert_array_equal(first.seen, second.seen)
    assert not np.array_equal(first.seen, other.seen)


def test_of_figures_that_are_cut_off_joints_below_the_picture_count_against_who_tells_them():
    pose = next(toon_trials(1, 2, size=(48, 48))).reference.pose
    sure = Pose(body=np.column_stack([pose.body[:, :2], np.full(18, 0.5)]), size=pose.size)
    everything = evaluate_keypoints(Fixed(sure), clips=3, size=48, cut=True)
    shown = Fixed(None)
    nothing = evaluate_keypoints(shown, clips=3, size=48, cut=True)
    assert everything.views == nothing.views == tuple(CUTS)
    for view in CUTS:
        assert mean(everything, "told_below", view) == 1
        assert mean(everything, "core", view) == pytest.approx(0.5)
        assert nothing.interval("told_below", method="fixed", view=view).count == 0
    heights = [image.shape[0] for image in shown.seen[:4]]
    assert heights == sorted(heights)
    assert heights[0] < heights[-1] <= 48


def test_no_clips_are_refused():
    with pytest.raises(UsageError, match=r"M11.*clips: is 0"):
        evaluate_keypoints(Fixed(None), clips=0)
