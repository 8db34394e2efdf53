"""Fitting a motion to another body, against the same motion performed by that body."""

from dataclasses import replace

import numpy as np
import pytest

from poses.errors import PoseError
from poses.limbs import TREE, tree_places
from poses.retarget import retarget
from poses.smooth import smooth
from poses.synthetic import ADULT, CHIBI, Proportions, stand, walk
from poses.types import Pose, PoseSequence, confident, missing_joints

LANKY = Proportions(thigh=0.27, shin=0.26, torso=0.26, shoulder=0.13, head=0.08)
CANVAS = (400, 600)


def torso(pose):
    places = tree_places(pose.body)
    return np.linalg.norm(places[1] - places[18])


def error(fitted, truth):
    return np.linalg.norm(fitted.body[..., :2] - truth.body[..., :2], axis=-1).mean()


def hidden(pose, joints):
    body = pose.body.copy()
    body[list(joints)] = (np.nan, np.nan, 0)
    return replace(pose, body=body)


def longest_against(fitted, reference):
    """The longest each segment gets, in units of the reference's longer side."""
    places, target = tree_places(fitted.body), tree_places(reference.body)
    lengths = {}
    for joint, parent, name in TREE:
        wanted = np.linalg.norm(target[joint] - target[parent])
        reached = np.linalg.norm(places[:, joint] - places[:, parent], axis=-1).max()
        old = lengths.get(name, (0.0, 0.0))
        lengths[name] = (max(old[0], wanted), max(old[1], reached))
    return max(reached / wanted for wanted, reached in lengths.values())


@pytest.mark.parametrize("body", [ADULT, CHIBI, LANKY], ids=["adult", "chibi", "lanky"])
def test_the_motion_becomes_that_of_the_other_body(body):
    reference = stand(body=body, size=CANVAS)
    fitted, report = retarget(walk(100), reference)
    assert error(fitted, walk(100, body=body, size=CANVAS)) < 0.01 * torso(reference)
    assert fitted.size == CANVAS
    assert report.anchor == "ground"
    assert report.ground == pytest.approx(0.95 * 600)
    assert longest_against(fitted, reference) < 1.05


@pytest.mark.parametrize("body", [ADULT, CHIBI, LANKY], ids=["adult", "chibi", "lanky"])
def test_smoothed_noisy_key_points_come_within_four_hundredths_of_the_torso(body):
    driver, reference = walk(100), stand(body=body, size=CANVAS)
    noise = np.random.default_rng(3).normal(0, 1.5, driver.body.shape) * (1, 1, 0)
    fitted, _ = retarget(smooth(driver.with_body(driver.body + noise)), reference)
    assert error(fitted, walk(100, body=body, size=CANVAS)) < 0.04 * torso(reference)
    assert longest_against(fitted, reference) < 1.3


def test_a_motion_fitted_to_its_own_body_is_unchanged():
    driver = walk(100, sway=0.0)
    fitted, report = retarget(driver, stand())
    assert error(fitted, driver) < 0.5
    assert report.scale == pytest.approx(1, abs=0.01)
    assert report.warnings == ()


def test_a_head_that_looks_down_throughout_looks_down_and_is_not_stretched():
    driver, reference = walk(100, sway=0.0), stand()
    bent = driver.body.copy()
    face = [0, 14, 15]
    bent[:, face, 1] += 0.75 * (bent[:, [1], 1] - bent[:, [0], 1])
    fitted, report = retarget(driver.with_body(bent), reference)
    assert report.ratios["head"] == pytest.approx(1, abs=0.1)
    ears = fitted.body[:, [16, 17], 1].mean(axis=1)
    own_ears = reference.body[[16, 17], 1].mean()
    assert (fitted.body[:, 0, 1] - ears > reference.body[0, 1] - own_ears + 5).all()
    assert (fitted.body[:, 0, 1] < fitted.body[:, 1, 1]).all()


def test_a_head_that_turns_to_the_side_keeps_its_size():
    driver = walk(100, turn=1.3, sway=0.0)
    _, report = retarget(driver, stand())
    assert report.ratios["head width"] == pytest.approx(1, abs=0.1)
    assert report.ratios["head"] == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("noise", [0.0, 2.0])
def test_a_large_head_keeps_its_shape_however_badly_a_small_one_is_seen(noise):
    driver, reference = walk(60), stand(body=CHIBI, size=CANVAS)
    shake = np.random.default_rng(5).normal(0, noise, (60, 5, 2))
    driver.body[:, [0, 14, 15, 16, 17], :2] += shake
    driver.body[30, [0, 14, 15, 16, 17], :2] = driver.body[30, 0, :2]
    fitted, _ = retarget(driver, reference)
    own = np.linalg.norm(reference.body[17, :2] - reference.body[16, :2])
    ears = np.linalg.norm(fitted.body[:, 17, :2] - fitted.body[:, 16, :2], axis=-1)
    assert ears.max() < 1.02 * own
    assert ears.min() > 0.5 * own


def test_a_reference_without_a_face_gets_one_of_its_size():
    reference = hidden(stand(body=LANKY, size=CANVAS), (0, 14, 15, 16, 17))
    fitted, report = retarget(walk(60), reference)
    ears = np.linalg.norm(fitted.body[:, 17, :2] - fitted.body[:, 16, :2], axis=-1)
    own = stand().body
    expected = report.scale * np.linalg.norm(own[17, :2] - own[16, :2])
    assert np.median(ears) == pytest.approx(expected, rel=0.1)
    assert any("head" in warning for warning in report.warnings)


def test_a_head_grows_with_a_body_that_comes_near():
    driver = walk(100, sway=0.0, turn=0.0)
    growth = np.linspace(0.5, 1.0, 100)
    driver.body[..., :2] = 256 + (driver.body[..., :2] - 256) * growth[:, None, None]
    fitted, _ = retarget(driver, stand(size=CANVAS))
    ears = np.linalg.norm(fitted.body[:, 17, :2] - fitted.body[:, 16, :2], axis=-1)
    assert ears[-1] > 1.5 * ears[0]


def test_a_planted_foot_does_not_slide():
    driver = walk(100, sway=0.0)
    step = np.linspace(0, 60, 100)
    body = driver.body.copy()
    body[:, :, 0] += (step - body[:, 10, 0])[:, None]
    body[:, :, 1] += (480 - body[:, 10, 1])[:, None]
    body[:, :, 0] -= step[:, None]
    fitted, _ = retarget(driver.with_body(body), stand(body=CHIBI))
    foot = fitted.body[:, 10, :2]
    assert np.ptp(foot[:, 0]) < 2


def test_hidden_legs_are_scaled_like_the_rest_and_said():
    reference = hidden(stand(size=CANVAS), (9, 10, 12, 13))
    fitted, report = retarget(walk(100), reference)
    assert report.anchor == "hips"
    assert report.ratios["shin"] == pytest.approx(report.scale)
    assert any("thigh, shin" in warning for warning in report.warnings)
    assert error(fitted, walk(100, size=CANVAS)) < 0.08 * torso(reference)


def test_one_hidden_arm_follows_the_other():
    reference = hidden(stand(body=CHIBI, size=CANVAS), (3, 4))
    _, report = retarget(walk(100), reference)
    whole = retarget(walk(100), stand(body=CHIBI, size=CANVAS))[1]
    assert report.ratios == pytest.approx(whole.ratios)
    assert report.warnings == ()


def test_a_forearm_seen_from_its_end_does_not_shrink_the_arm():
    reference = stand(size=CANVAS)
    for elbow, wrist in ((3, 4), (6, 7)):
        reference.body[wrist, :2] = reference.body[elbow, :2] + (1, 3)
    _, report = retarget(walk(100), reference)
    assert report.ratios["forearm"] == pytest.approx(report.ratios["upper arm"])
    assert any("forearm would be scaled by 0.0" in warning for warning in report.warnings)


def test_a_reference_seen_from_the_side_keeps_its_shoulders():
    reference = stand(size=CANVAS)
    reference.body[:, 0] = 200 + 0.05 * (reference.body[:, 0] - 200)
    _, report = retarget(walk(100), reference)
    assert report.ratios["shoulder"] == pytest.approx(report.scale)


def test_a_bust_is_placed_by_its_neck():
    reference = hidden(stand(size=CANVAS), (4, 7, *range(8, 14)))
    fitted, report = retarget(walk(100, sway=0.0), reference)
    assert report.anchor == "neck"
    middle = np.median(fitted.body[:, 1, :2], axis=0)
    np.testing.assert_allclose(middle, reference.body[1, :2], atol=1)


def test_missing_joints_stay_missing_and_children_hang_on():
    driver = walk(100)
    body = driver.body.copy()
    body[50, 3] = (np.nan, np.nan, 0)
    fitted, _ = retarget(driver.with_body(body), stand(body=CHIBI, size=CANVAS))
    truth = walk(100, body=CHIBI, size=CANVAS)
    assert not confident(fitted.body)[50, 3]
    assert np.linalg.norm(fitted.body[50, 4, :2] - truth.body[50, 4, :2]) < 5


def test_frames_without_feet_stay_on_their_way():
    driver = walk(100)
    body = driver.body.copy()
    body[40:50][:, [10, 13]] = (np.nan, np.nan, 0)
    fitted, report = retarget(driver.with_body(body), stand(body=LANKY, size=CANVAS))
    truth = walk(100, body=LANKY, size=CANVAS)
    assert report.anchor == "ground"
    assert np.abs(fitted.body[40:50, 1, 1] - truth.body[40:50, 1, 1]).max() < 10


def test_a_frame_without_anybody_stays_empty():
    driver = walk(20)
    body = driver.body.copy()
    body[7] = missing_joints(18)
    fitted, _ = retarget(driver.with_body(body), stand())
    assert np.isnan(fitted.body[7, :, :2]).all()
    assert confident(fitted.body[[6, 8]]).all()


def test_a_frame_without_neck_or_shoulders_is_reported_as_lost():
    driver = walk(20)
    body = driver.body.copy()
    body[7, [1, 2, 5]] = (np.nan, np.nan, 0)
    fitted, report = retarget(driver.with_body(body), stand())
    assert report.lost_frames == (7,)
    assert not confident(fitted.body[7]).any()


def test_a_neck_that_is_missing_hangs_the_body_and_stays_missing():
    driver = walk(20)
    driver.body[:, 1] = missing_joints(1)
    fitted, _ = retarget(driver, stand())
    assert np.isnan(fitted.body[:, 1, :2]).all()
    assert confident(fitted.body[:, 2:]).all()


def test_hips_that_never_come_with_a_neck_cannot_place_a_body():
    driver = walk(20)
    driver.body[:10, [1, 2, 5]] = missing_joints(3)
    driver.body[10:, [8, 11]] = missing_joints(2)
    assert retarget(driver, hidden(stand(), (10, 13)))[1].anchor == "neck"
    driver.body[10:] = missing_joints(18)
    with pytest.raises(PoseError, match="motion: shows no neck"):
        retarget(driver, stand())


@pytest.mark.parametrize("seed", range(25))
def test_whatever_is_missing_a_joint_is_a_place_or_missing_and_the_head_holds_together(seed):
    rng = np.random.default_rng(seed)
    driver, reference = walk(int(rng.integers(1, 30)), turn=3.0), stand(body=CHIBI, size=CANVAS)
    gone = rng.random(driver.body.shape[:2]) < rng.choice([0.1, 0.5])
    driver.body[gone] = (np.nan, np.nan, 0)
    joints = rng.choice([0, *range(3, 18)], 4)
    fitted, _ = retarget(driver, hidden(reference, joints))
    known = fitted.body[..., 2] > 0
    assert np.isfinite(fitted.body[known]).all()
    assert np.isnan(fitted.body[~known][:, :2]).all()
    head = fitted.body[:, [0, 14, 15, 16, 17], :2]
    apart = np.linalg.norm(head[:, :, None] - head[:, None], axis=-1)
    largest = np.linalg.norm(reference.body[17, :2] - reference.body[16, :2])
    assert np.nanmax(apart, initial=0.0) < 1.4 * largest


def test_an_outstretched_outlier_is_shortened():
    driver = walk(100)
    body = driver.body.copy()
    body[50, 4, :2] += (300, 0)
    fitted, report = retarget(driver.with_body(body), stand())
    assert report.shortened == 1
    assert longest_against(fitted, stand()) <= 1.3 + 1e-3


def test_hands_and_face_keep_to_wrists_and_nose():
    driver = walk(30)
    hand = driver.body[:, 7:8] + np.linspace(0, 20, 21)[:, None] * (0, 1, 0)
    face = driver.body[:, 0:1] + np.linspace(-9, 9, 70)[:, None] * (1, 0, 0)
    driver = PoseSequence(body=driver.body, size=driver.size, left_hand=hand, face=face)
    fitted, report = retarget(driver, stand(body=CHIBI, size=CANVAS))
    np.testing.assert_allclose(fitted.left_hand[:, 0], fitted.body[:, 7])
    span = np.linalg.norm(fitted.left_hand[:, 20, :2] - fitted.left_hand[:, 0, :2], axis=-1)
    np.testing.assert_allclose(span, 20 * report.ratios["forearm"])
    middle = fitted.face[..., :2].mean(axis=1)
    np.testing.assert_allclose(middle, fitted.body[:, 0, :2], atol=1e-6)
    assert fitted.right_hand is None


def test_a_face_is_as_wide_as_the_head_of_a_reference_whose_face_was_not_found():
    driver, reference = walk(30, turn=0.0), stand(body=CHIBI, size=CANVAS)
    half = np.linalg.norm(driver.body[0, 17, :2] - driver.body[0, 16, :2]) / 2
    face = np.repeat(driver.body[:, 0:1], 70, axis=1)
    face[:, :17, 0] += np.linspace(-1.6, 1.6, 17) * half  # the ears are told too close together
    fitted, _ = retarget(replace(driver, face=face), reference)
    width = fitted.face[:, 16, 0] - fitted.face[:, 0, 0]
    own = np.linalg.norm(reference.body[17, :2] - reference.body[16, :2])
    np.testing.assert_allclose(width, own, rtol=0.02)


def test_the_hand_of_the_reference_sets_the_size_of_hands():
    driver = walk(30)
    hand = driver.body[:, 7:8] + np.linspace(0, 20, 21)[:, None] * (0, 1, 0)
    driver = PoseSequence(body=driver.body, size=driver.size, left_hand=hand)
    own = stand()
    large = own.body[7] + np.linspace(0, 30, 21)[:, None] * (0, 1, 0)
    fitted, _ = retarget(driver, replace(own, left_hand=large))
    span = np.linalg.norm(fitted.left_hand[:, 20, :2] - fitted.left_hand[:, 0, :2], axis=-1)
    np.testing.assert_allclose(span, 30, rtol=1e-6)


def test_leaving_the_picture_is_reported():
    _, report = retarget(walk(100, sway=3.0), stand())
    assert report.outside_frames
    assert "leaves the picture" in report.describe()


def only(*joints):
    body = np.full_like(walk(5).body, np.nan)
    body[..., 2] = 0
    body[:, joints] = walk(5).body[:, joints]
    return walk(5).with_body(body)


@pytest.mark.parametrize(("motion", "lacking"), [(only(4), "no limb"), (only(9, 10), "no neck")])
def test_p1_a_motion_that_shows_next_to_nothing_is_at_fault_and_not_the_reference(motion, lacking):
    with pytest.raises(PoseError, match=f"motion: shows {lacking}") as caught:
        retarget(motion, stand())
    assert caught.value.code == "P1"


def test_nothing_in_common_is_refused():
    lonely = Pose(body=missing_joints(18), size=(64, 64))
    with pytest.raises(PoseError, match="no segment") as caught:
        retarget(walk(5), lonely)
    assert caught.value.code == "R11"


def test_the_input_is_not_changed():
    driver, reference = walk(20), stand()
    before = driver.body.copy(), reference.body.copy()
    retarget(driver, reference)
    np.testing.assert_array_equal(driver.body, before[0])
    np.testing.assert_array_equal(reference.body, before[1])
