"""A detector that finds one person finds several when it looks again."""

import numpy as np

from poses.crowd import find_everyone, paint_out
from poses.extract import extract_poses
from poses.types import Pose, confident

COLOURS = ((250, 10, 10), (10, 250, 10), (10, 10, 250))


def draw_blobs(*columns, size=(300, 120)):
    """A grey picture with a coloured figure of 10 x 60 pixels at each column."""
    picture = np.full((size[1], size[0], 3), 128, np.uint8)
    for colour, column in zip(COLOURS, columns, strict=False):
        picture[30:90, column - 5 : column + 5] = colour
    return picture


class BlobDetector:
    """Finds the figure furthest to the left; remembers nothing but how often it was asked."""

    name = licence = device = "blob"
    finds_one = True

    def __init__(self):
        self.looks = 0

    def detect(self, image):
        self.looks += 1
        height, width = image.shape[:2]
        for colour in COLOURS:
            rows, columns = np.nonzero((image == colour).all(axis=2))
            if len(rows) > 300:
                return [self.pose(columns.mean(), rows.min(), rows.max(), (width, height))]
        return []

    def pose(self, column, top, bottom, size):
        rows = np.linspace(top, bottom, 18)
        return Pose(np.stack([np.full(18, column), rows, np.ones(18)], axis=-1), size=size)


def columns_of(people):
    return [round(pose.body[0, 0]) for pose in people]


def test_everyone_is_found_by_looking_again():
    assert columns_of(find_everyone(BlobDetector(), draw_blobs(60, 150, 240))) == [60, 150, 240]


def test_a_single_person_costs_one_look_more():
    detector = BlobDetector()
    assert len(find_everyone(detector, draw_blobs(60))) == 1
    assert detector.looks == 2


def test_a_find_on_top_of_the_first_is_not_another_person():
    class Stubborn(BlobDetector):
        def detect(self, image):
            return [self.pose(60, 30, 90, image.shape[1::-1])]

    assert len(find_everyone(Stubborn(), draw_blobs(60))) == 1


def test_painting_out_leaves_the_picture_itself_alone():
    picture = draw_blobs(60)
    before = picture.copy()
    (pose,) = BlobDetector().detect(picture)
    assert confident(pose.body).all()
    painted = paint_out(picture, pose)
    np.testing.assert_array_equal(picture, before)
    assert not (painted == COLOURS[0]).all(axis=2).any()


def test_an_extraction_looks_again_once_a_second_while_alone():
    detector = BlobDetector()
    extract_poses([draw_blobs(60)] * 50, detector)
    assert detector.looks == 52


def test_a_second_that_begins_with_two_people_is_looked_at_twice_throughout():
    frames = [draw_blobs(60)] * 30 + [draw_blobs(60, 200)] * 45
    found = extract_poses(frames, BlobDetector())
    assert found.counts == (1,) * 50 + (2,) * 25
    everyone = extract_poses(frames, BlobDetector(), everyone=True)
    assert everyone.counts == (1,) * 30 + (2,) * 45


def test_several_detectors_find_the_same_as_one():
    frames = [draw_blobs(40 + frame, 200) for frame in range(60)]
    alone = extract_poses(frames, BlobDetector())
    together = extract_poses(frames, [BlobDetector() for _ in range(3)])
    assert together.counts == alone.counts
    for one, other in zip(alone.people, together.people, strict=True):
        for pose, same in zip(one, other, strict=True):
            np.testing.assert_array_equal(pose.body, same.body)
