"""Filling and smoothing: what is known stays, what is missing is marked, nothing crosses a cut."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from poses.smooth import Repair, fill_gaps, jitter, smooth
from poses.synthetic import walk
from poses.types import PoseSequence, confident, missing_joints

WRIST = 4


def line(frames):
    """A wrist that moves two pixels a frame; every other joint is missing."""
    body = missing_joints(frames, 18)
    body[:, WRIST] = np.column_stack(
        [2.0 * np.arange(frames) + 10, np.full(frames, 50.0), np.ones(frames)]
    )
    return PoseSequence(body=body, size=(512, 512), rate=Fraction(20))


def without(sequence, frames):
    body = sequence.body.copy()
    body[frames, WRIST] = (np.nan, np.nan, 0)
    return sequence.with_body(body)


def noisy(sequence, sigma):
    noise = np.random.default_rng(7).normal(0, sigma, sequence.body.shape)
    noise[..., 2] = 0
    return sequence.with_body(sequence.body + noise)


def error(one, other):
    return np.linalg.norm(one.body[..., :2] - other.body[..., :2], axis=-1).mean()


def test_a_short_gap_in_straight_motion_is_filled_exactly_and_listed():
    truth = line(20)
    filled, report = fill_gaps(without(truth, slice(8, 12)))
    np.testing.assert_allclose(filled.body[:, WRIST], truth.body[:, WRIST])
    assert report.repairs == (Repair("body", "right_wrist", 8, 11, "interpolated"),)
    assert report.frames == (8, 9, 10, 11)
    assert report.empty_frames == ()


def test_the_longest_gap_that_is_filled_is_the_stated_one():
    at_limit, _ = fill_gaps(without(line(40), slice(10, 20)), max_gap_seconds=0.5)
    beyond, _ = fill_gaps(without(line(40), slice(10, 21)), max_gap_seconds=0.5)
    assert confident(at_limit.body[:, WRIST]).all()
    assert not confident(beyond.body[15, WRIST])


def test_at_the_ends_the_place_is_held_and_fades_away():
    filled, report = fill_gaps(without(line(30), slice(20, 30)), fade_seconds=0.25)
    wrist = filled.body[:, WRIST]
    np.testing.assert_allclose(wrist[20:25, :2], np.tile(wrist[19, :2], (5, 1)))
    np.testing.assert_allclose(wrist[20:26, 2], [5 / 6, 4 / 6, 3 / 6, 2 / 6, 1 / 6, 0])
    assert report.repairs == (Repair("body", "right_wrist", 20, 23, "held"),)
    assert report.empty_frames == tuple(range(24, 30))


def test_a_first_frame_without_the_joint_holds_what_comes():
    filled, _ = fill_gaps(without(line(30), slice(0, 2)))
    np.testing.assert_allclose(filled.body[1, WRIST, :2], line(30).body[2, WRIST, :2])


def test_a_gap_is_never_bridged_across_a_cut():
    filled, report = fill_gaps(without(line(20), slice(8, 12)), cuts=[10])
    assert {repair.kind for repair in report.repairs} == {"held"}
    np.testing.assert_allclose(filled.body[9, WRIST, 0], 24)
    np.testing.assert_allclose(filled.body[10, WRIST, 0], 34)


def test_what_is_known_is_untouched_and_the_input_too():
    gappy = without(line(20), slice(8, 12))
    before = gappy.body.copy()
    filled, _ = fill_gaps(gappy)
    np.testing.assert_array_equal(gappy.body, before)
    known = confident(before)
    np.testing.assert_array_equal(filled.body[known], before[known])


def test_a_joint_that_is_never_seen_stays_missing():
    filled, _ = fill_gaps(line(20))
    assert np.isnan(filled.body[:, 0, :2]).all()


def test_hands_are_filled_by_their_own_names():
    hand = np.ones((10, 21, 3))
    hand[4, 3] = (np.nan, np.nan, 0)
    _, report = fill_gaps(replace(line(10), left_hand=hand))
    assert report.repairs == (Repair("left_hand", "thumb_3", 4, 4, "interpolated"),)


def test_smoothing_takes_noise_away_and_adds_no_error():
    truth = walk(120, rate=Fraction(30))
    rough = noisy(truth, 2.0)
    steady = smooth(rough)
    assert jitter(rough) > 3 * jitter(steady)
    assert error(steady, truth) < error(rough, truth)
    assert error(smooth(truth), truth) < 1.0


@pytest.mark.parametrize("rate", [24, 25, 30, 60])
def test_the_jitter_of_noise_falls_threefold_for_at_most_a_pixel_of_error(rate):
    truth = walk(4 * rate, rate=Fraction(rate))
    rough = noisy(truth, 1.5)
    clean = smooth(truth)
    left = truth.with_body(truth.body + smooth(rough).body - clean.body)
    added = truth.with_body(truth.body + rough.body - truth.body)
    acceleration = [
        np.sqrt(np.mean(np.diff((one.body - truth.body)[..., :2], n=2, axis=0) ** 2))
        for one in (added, left)
    ]
    assert acceleration[0] > 3 * acceleration[1]
    assert error(clean, truth) < 1.0


def test_motion_at_the_cutoff_keeps_half_its_amplitude():
    rate, seconds = 100, 10
    wave = np.sin(2 * np.pi * 4 * np.arange(rate * seconds) / rate)
    sequence = line(rate * seconds)
    sequence.body[:, WRIST, 0] = 100 * wave
    steady = smooth(replace(sequence, rate=Fraction(rate)), cutoff_hz=4.0)
    middle = slice(rate, -rate)
    np.testing.assert_allclose(steady.body[middle, WRIST, 0], 50 * wave[middle], atol=0.5)


@pytest.mark.parametrize("rate", [24, 25, 30, 60])
def test_smoothing_has_no_lag_at_any_rate(rate):
    truth = walk(4 * rate, rate=Fraction(rate))
    steady = smooth(truth)
    shifts = [
        error(smooth(truth), truth.with_body(np.roll(truth.body, k, axis=0))) for k in (-1, 1)
    ]
    assert error(steady, truth) < min(shifts)


@pytest.mark.parametrize("rate", [1_000, 90_000])
def test_even_motion_stays_as_it_is_however_many_frames_a_second_has(rate):
    sequence = replace(line(2_000), rate=Fraction(rate))
    np.testing.assert_allclose(smooth(sequence).body, sequence.body, atol=0.01)


def test_smoothing_keeps_a_jump_at_a_cut_sharp():
    sequence = line(40)
    body = sequence.body.copy()
    body[20:, WRIST, 0] += 200
    jump = sequence.with_body(body)
    np.testing.assert_allclose(smooth(jump, cuts=[20]).body[:, WRIST], body[:, WRIST])
    assert abs(smooth(jump).body[19, WRIST, 0] - body[19, WRIST, 0]) > 10


def test_smoothing_works_only_inside_confident_runs():
    sequence = noisy(line(30), 1.0)
    sequence.body[10:20, WRIST, 2] = 0.1
    steady = smooth(sequence)
    np.testing.assert_array_equal(steady.body[10:20], sequence.body[10:20])
    np.testing.assert_array_equal(steady.body[..., 2], sequence.body[..., 2])


def test_a_run_too_short_for_the_filter_is_left_alone():
    sequence = noisy(line(2), 1.0)
    np.testing.assert_array_equal(smooth(sequence).body, sequence.body)


def test_jitter_of_even_motion_is_zero():
    assert jitter(line(20)) == pytest.approx(0, abs=1e-9)
    assert jitter(line(2)) == 0
