"""The whole repair: sides, outliers and gaps of one clip, against the truth."""

import numpy as np

from poses.heads import HEAD_POINTS
from poses.repair import repair
from poses.skeleton import BODY18
from poses.synthetic import walk
from poses.types import confident


def test_a_damaged_walk_is_mended_and_every_repair_is_listed():
    truth = walk(80)
    body = truth.body.copy()
    body[20:26] = body[20:26][:, list(BODY18.mirrored)]
    body[40, 4, :2] += 200
    body[60:64] = (np.nan, np.nan, 0)
    mended, report = repair(truth.with_body(body))
    distance = np.linalg.norm(mended.body[:, 1:14, :2] - truth.body[:, 1:14, :2], axis=-1)
    assert confident(mended.body).all()
    assert distance.mean() < 0.5
    assert distance.max() < 25
    assert {one.kind for one in report.repairs} == {"exchanged", "dropped", "interpolated"}
    assert report.frames == (*range(20, 26), 40, *range(60, 64))
    assert report.describe() == "repaired frames 20-25, 40, 60-63"


def test_a_face_of_frames_taken_from_behind_is_that_of_the_frames_about_them():
    truth = walk(60)
    body = truth.body.copy()
    wrong = slice(20, 26)
    body[wrong, [0, 14, 15], 1] -= 6
    body[wrong] = body[wrong][:, list(BODY18.mirrored)]
    mended, _ = repair(truth.with_body(body))
    head = list(HEAD_POINTS)
    about = [
        each.body[wrong, head, :2] - each.body[wrong, head, :2].mean(axis=1, keepdims=True)
        for each in (mended, truth)
    ]
    np.testing.assert_allclose(*about, atol=0.5)


def test_a_sound_clip_is_returned_as_it_is():
    truth = walk(80)
    mended, report = repair(truth)
    np.testing.assert_array_equal(mended.body, truth.body)
    assert report.repairs == ()
    assert report.describe() == "repaired frames none"
