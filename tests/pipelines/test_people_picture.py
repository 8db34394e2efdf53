"""People are numbered in pictures, so that one can be chosen."""

import numpy as np
import pytest

from dtvideo.images import LoadedImage, save_png
from dtvideo.overlay import number_people, overlay_pose
from pipelines import prepare
from pipelines.job import RenderJob
from pipelines.people_picture import telling_frames, video_people
from poses.errors import PoseError
from poses.people import Person
from poses.synthetic import stand
from poses.types import Pose


def shifted(pose, columns, size):
    body = pose.body.copy()
    body[:, 0] += columns
    return Pose(body, size=size)


def person_in(frames, *, column=0):
    pose = shifted(stand(size=(128, 128)), column, (256, 128))
    return Person(frames=tuple(frames), poses=(pose,) * len(frames))


def test_a_pose_stands_out_of_a_dimmed_picture():
    picture = np.full((64, 64, 3), 200, np.uint8)
    laid = overlay_pose(picture, stand(size=(64, 64)))
    assert (laid[0, 0] == 110).all()
    assert laid.max() == 255
    assert (picture == 200).all()


def test_the_tag_of_the_one_who_is_kept_is_filled():
    picture = np.zeros((128, 1024, 3), np.uint8)
    people = [shifted(stand(size=(128, 128)), shift, (1024, 128)) for shift in (0, 500)]
    first = number_people(picture, people, kept=0)
    second = number_people(picture, people, kept=1)
    yellow = (first == (255, 214, 64)).all(axis=2)
    assert yellow[:, :512].sum() > 1.2 * yellow[:, 512:].sum()
    assert (first != second).any()
    np.testing.assert_array_equal(number_people(picture, [None, people[1]])[:, :512], 0)


def test_as_many_frames_are_shown_as_everyone_needs():
    always, early, late = person_in(range(10)), person_in([0, 1]), person_in([8])
    assert telling_frames([always, early]) == [0]
    assert telling_frames([always, early, late]) == [0, 8]
    frames = (np.full((128, 256, 3), 9 * index, np.uint8) for index in range(10))
    assert video_people(frames, [always, early, late], kept=0).shape == (256, 1024, 3)


SIZE = (256, 128)
PAIR = [
    shifted(stand(size=(128, 128), height=0.9), 0, SIZE),
    shifted(stand(size=(128, 128), height=0.7), 128, SIZE),
]


class Pair:
    """A detector that finds two people."""

    name = licence = device = "pair"

    def detect(self, image):
        return list(PAIR)


@pytest.fixture
def picture():
    image = np.full((128, 256, 3), 240, np.uint8)
    for pose in PAIR:
        left, right = pose.body[:, 0].min(), pose.body[:, 0].max()
        image[10:126, int(left) : int(right) + 1] = (60, 40, 160)
    return image


def prepared(picture, monkeypatch, tmp_path, **settings):
    monkeypatch.setattr(prepare, "load_detector", lambda name: Pair())
    path = tmp_path / "pair.png"
    save_png(path, picture)
    job = RenderJob(reference=path, poses=tmp_path, **settings)
    return prepare.prepare_reference(job, LoadedImage(picture), size=SIZE)


def test_r12_the_largest_of_two_in_the_reference_is_used_and_told(picture, monkeypatch, tmp_path):
    reference = prepared(picture, monkeypatch, tmp_path)
    assert len(reference.people) == 2
    assert any("2 people in the picture; person 1 is used" in note for note in reference.notices)
    assert reference.mask[:, :128].sum() > 20 * reference.mask[:, 128:].sum()


@pytest.mark.parametrize("person", [2, "right", (200.0, 60.0)])
def test_another_in_the_reference_can_be_chosen(picture, monkeypatch, tmp_path, person):
    reference = prepared(picture, monkeypatch, tmp_path, reference_person=person)
    np.testing.assert_allclose(reference.pose.body, PAIR[1].body)
    assert reference.mask[:, 128:].sum() > 20 * reference.mask[:, :128].sum()


def test_r12_several_in_the_reference_are_refused_when_strict(picture, monkeypatch, tmp_path):
    with pytest.raises(PoseError, match="shows 2 people") as caught:
        prepared(picture, monkeypatch, tmp_path, strict=True)
    assert caught.value.code == "R12"
    chosen = prepared(picture, monkeypatch, tmp_path, strict=True, reference_person=1)
    np.testing.assert_allclose(chosen.pose.body, PAIR[0].body)
