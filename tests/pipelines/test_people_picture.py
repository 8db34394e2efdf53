"""People are numbered in pictures, so that one can be chosen."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dtvideo.images import LoadedImage, save_png
from dtvideo.overlay import number_people, overlay_pose
from dtvideo.segmentation import find_mask
from pipelines import prepare, reference_people
from pipelines.job import RenderJob
from pipelines.people_picture import telling_frames, video_people
from poses.errors import PoseError
from poses.io import write_clip
from poses.people import Person
from poses.synthetic import stand
from poses.types import Pose, PoseSequence
from tests.drawn import GROUND


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
    monkeypatch.setattr(reference_people, "load_detector", lambda name: Pair())
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


def test_a_place_is_one_in_the_file_however_the_picture_is_searched(picture):
    whole = LoadedImage(picture).with_room((256, 0, 0, 128), (0, 0, 0))
    seen = prepare.reduced(whole, 256)
    job = RenderJob(reference=Path(), poses=Path(), reference_person=(100.0, 20.0))
    place = prepare._person_in(job, seen, whole=whole)  # 512 pixels are searched as 256
    np.testing.assert_allclose(place, (178.0, 10.0))


def test_p3_a_place_outside_the_reference_is_refused(picture, monkeypatch, tmp_path):
    with pytest.raises(PoseError, match=r"--ref-person: 257,60 is outside the picture") as caught:
        prepared(picture, monkeypatch, tmp_path, reference_person=(257.0, 60.0))
    assert caught.value.code == "P3"
    with pytest.raises(PoseError, match=r"--ref-person: 3 does not exist"):
        prepared(picture, monkeypatch, tmp_path, reference_person=3)


def test_r12_several_in_the_reference_are_refused_when_strict(picture, monkeypatch, tmp_path):
    with pytest.raises(PoseError, match="shows 2 people") as caught:
        prepared(picture, monkeypatch, tmp_path, strict=True)
    assert caught.value.code == "R12"
    chosen = prepared(picture, monkeypatch, tmp_path, strict=True, reference_person=1)
    np.testing.assert_allclose(chosen.pose.body, PAIR[0].body)


def drawn_pair(*, alpha):
    """Two heroes on one ground, the left one larger; in RGB or cut out."""
    hero = Image.open(Path(__file__).parents[2] / "examples" / "hero.png").convert("RGB")
    whole = np.full((256, 512, 3), GROUND, np.uint8)
    covered = np.zeros((256, 512), np.uint8)
    for side, left in ((240, 8), (190, 290)):
        small = np.asarray(hero.resize((side, side)))
        mask = find_mask(LoadedImage(small)).mask > 0.5
        place = np.s_[250 - side : 250, left : left + side]
        whole[place][mask], covered[place][mask] = small[mask], 255
    return LoadedImage(whole, covered if alpha else None)


@pytest.mark.parametrize("alpha", [False, True])
@pytest.mark.parametrize(("choice", "number"), [(None, 1), (2, 2), ("right", 2)])
def test_r12_of_two_drawn_characters_one_is_used_and_told(tmp_path, alpha, choice, number):
    job = RenderJob(reference=tmp_path, poses=tmp_path, reference_person=choice)
    reference = prepare.prepare_reference(job, drawn_pair(alpha=alpha), size=(512, 256))
    assert any(f"person {number} is used" in note for note in reference.notices)
    assert len(reference.people) == 2
    left, right = reference.mask[:, :256].sum(), reference.mask[:, 256:].sum()
    assert (left > 20 * right) if number == 1 else (right > 20 * left)
    inside = reference.pose.body[:, 0] < 256
    assert inside.all() if number == 1 else not inside.any()


def test_r12_two_figures_without_a_pose_are_told_and_the_largest_is_used(tmp_path):
    picture = np.full((128, 256, 3), GROUND, np.uint8)
    picture[20:120, 20:80], picture[40:120, 150:200] = (40, 60, 160), (160, 60, 40)
    job = RenderJob(reference=tmp_path, poses=tmp_path)
    reference = prepare.prepare_reference(job, LoadedImage(picture), size=SIZE)
    (note,) = [note for note in reference.notices if "figures" in note]
    assert note.startswith("2 figures in the picture; the one on the left is used")
    assert "--ref-mask" in note
    assert reference.mask[:, 128:].sum() == 0


def test_the_mask_is_of_the_figure_that_a_given_pose_lies_on(tmp_path):
    pair = drawn_pair(alpha=False)
    job = RenderJob(reference=tmp_path, poses=tmp_path, reference_person=2)
    right = prepare.prepare_reference(job, pair, size=(512, 256))
    write_clip(PoseSequence.from_poses([right.pose]), tmp_path / "pose.json")
    job = RenderJob(reference=tmp_path, poses=tmp_path, reference_pose=tmp_path / "pose.json")
    reference = prepare.prepare_reference(job, pair, size=(512, 256))
    np.testing.assert_allclose(reference.pose.body, right.pose.body, atol=1e-3)
    np.testing.assert_array_equal(reference.mask, right.mask)
