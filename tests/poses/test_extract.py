"""Extraction streams, masks the impossible and tells what ran and what it found."""

from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
import pytest

from poses.errors import PoseError
from poses.extract import extract_poses
from poses.render import draw_pose
from poses.repair import repair
from poses.select import select_person
from poses.smooth import smooth
from poses.synthetic import stand, walk
from poses.types import Pose, PoseSequence


@dataclass
class Scripted:
    """A detector that returns what it was given, frame by frame."""

    script: list[list[Pose]]
    name: str = "scripted"
    licence: str = "none"
    device: str = "paper"
    seen: list[tuple[int, ...]] = field(default_factory=list)

    def detect(self, image):
        self.seen.append(image.shape)
        return self.script[len(self.seen) - 1]


def frames(count, size=(64, 48)):
    return (np.zeros((size[1], size[0], 3), dtype=np.uint8) for _ in range(count))


def person():
    return stand(size=(64, 48))


def test_everyone_found_is_kept_by_frame_with_what_ran():
    detector = Scripted([[person()], [], [person(), person()]])
    found = extract_poses(frames(3), detector, rate=Fraction(30000, 1001))
    assert found.counts == (1, 0, 2)
    assert found.empty_frames == (1,)
    assert (found.size, found.rate, len(found)) == ((64, 48), Fraction(30000, 1001), 3)
    assert found.describe() == (
        "scripted on paper (none): people in 2 of 3 frames, up to 2 at once, nobody in frames 1"
    )


def test_few_frames_are_taken_before_the_first_is_done():
    detector = Scripted([[person()]] * 20)

    def watched():
        for frame in range(20):
            assert frame - len(detector.seen) <= 3
            yield np.zeros((48, 64, 3), dtype=np.uint8)

    extract_poses(watched(), detector)


def test_p4_joints_that_cannot_be_become_missing_and_no_line_goes_to_the_corner():
    pose = person()
    pose.body[4] = (np.nan, 3, 0.9)
    pose.body[5] = (0, 0, 0.9)
    pose.body[6] = (-3, 10, 0.9)
    pose.body[7] = (10, 48.5, 0.9)
    pose.body[8] = (np.inf, 2, 0.9)
    (found,) = extract_poses(frames(1), Scripted([[pose]])).people[0]
    bad = [4, 5, 6, 7, 8]
    assert np.isnan(found.body[bad, :2]).all()
    assert (found.body[bad, 2] == 0).all()
    assert np.isfinite(np.delete(found.body, bad, axis=0)).all()
    assert not draw_pose(found)[:4, :4].any()


def test_a_person_with_no_joint_left_is_nobody():
    pose = person()
    pose.body[:, 0] += 1000
    found = extract_poses(frames(2), Scripted([[pose], [person()]]))
    assert found.counts == (0, 1)


def test_nobody_in_the_whole_clip_is_refused_with_counts_and_frames():
    with pytest.raises(
        PoseError, match=r"dance\.mp4: no person found in any of 4 frames \(0-3\)"
    ) as e:
        extract_poses(frames(4), Scripted([[]] * 4), subject="dance.mp4")
    assert (e.value.code, e.value.exit_code) == ("P1", 3)


def test_no_frames_at_all_are_refused():
    with pytest.raises(PoseError, match="0 frames") as caught:
        extract_poses(frames(0), Scripted([]))
    assert caught.value.code == "V5"


def test_a_change_of_size_is_refused_with_both_sizes():
    mixed = [*frames(1), *frames(1, size=(32, 48))]
    with pytest.raises(PoseError, match=r"frame 1 is \(32, 48\), those before it \(64, 48\)"):
        extract_poses(mixed, Scripted([[person()]] * 2))


def test_p5_a_hard_cut_is_found_and_nothing_is_smoothed_across_it():
    before, after = walk(16, size=(64, 48)), walk(16, size=(64, 48), height=0.6)
    shaken = np.random.default_rng(3).normal(0, 1, (32, 18, 2))
    body = np.concatenate([before.body, after.body])
    body[..., :2] = (body[..., :2] + shaken).clip(1, 47)
    dark = [np.full((48, 64, 3), 30, np.uint8)] * 16
    light = [np.full((48, 64, 3), (200, 90, 160), np.uint8)] * 16
    script = [[Pose(body=joints, size=(64, 48))] for joints in body]
    found = extract_poses([*dark, *light], Scripted(script))
    assert found.cuts == (16,)
    sequence, _ = repair(select_person(found).sequence, cuts=found.cuts)
    whole = smooth(sequence, cuts=found.cuts).body
    shots = [smooth(PoseSequence(body=half, size=(64, 48))).body
             for half in (sequence.body[:16], sequence.body[16:])]  # fmt: skip
    np.testing.assert_array_equal(whole, np.concatenate(shots))
    assert np.abs(smooth(sequence).body - whole).max() > 1
