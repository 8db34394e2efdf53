"""Who is found in the reference picture on a ground from which figures do not stand apart."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import dtvideo.metrics as metrics
from dtvideo.images import LoadedImage, load_image
from dtvideo.toon.world import HELD_OUT_IDENTITIES, draw, sample_scene
from dtvideo.toon.world.backgrounds import paint_background
from dtvideo.toon.world.stances import relaxed_stance
from dtvideo.video import read_frames
from pipelines import reference_people
from pipelines.job import RenderJob
from pipelines.prepare import load_reference, prepare_reference
from pipelines.reference_people import core_confidence, people_in_picture
from poses.errors import PoseError
from poses.synthetic import stand
from poses.types import Pose, confident

EXAMPLES = Path(__file__).parents[2] / "examples"
SIZE = (256, 128)
BUSY = ("patterned", "park", "forest", "beach", "city", "room", "stage", "space")
STANDING = stand(size=(128, 128), height=0.8)
MIXED = np.where(
    np.arange(18)[:, None] % 2 == 0, STANDING.body, STANDING.body + np.array([128.0, 0, 0])
)


def confident_of(pose, confidence):
    body = pose.body.copy()
    body[:, 2] = confidence
    return replace(pose, body=body)


class Mixing:
    """Sees of two people the left half of one and the right half of the other; of one side, one."""

    name = licence = device = "mixing"

    def __init__(self, *, whole, half):
        self.whole, self.half = whole, half

    def detect(self, image):
        width = image.shape[1]
        if width == SIZE[0]:
            return [confident_of(Pose(body=MIXED, size=SIZE), self.whole)]
        return [confident_of(STANDING, self.half)]


def found_in(image, monkeypatch, tmp_path, detector=None):
    if detector is not None:
        monkeypatch.setattr(reference_people, "load_detector", lambda name: detector)
    job = RenderJob(reference=tmp_path, poses=tmp_path)
    everywhere = np.ones(image.shape[:2], np.float32)
    return people_in_picture(job, LoadedImage(image), everywhere).people


@pytest.mark.parametrize(
    ("whole", "half", "count"), [(0.75, 0.9, 2), (0.9, 0.75, 1), (0.9, 0.9, 1), (0.5, 0.6, 1)]
)
def test_two_people_are_seen_more_surely_apart_and_one_more_surely_whole(
    monkeypatch, tmp_path, whole, half, count
):
    image = np.random.default_rng(0).integers(0, 255, (128, 256, 3)).astype(np.uint8)
    people = found_in(image, monkeypatch, tmp_path, Mixing(whole=whole, half=half))
    assert len(people) == count
    if count == 2:
        sides = sorted(float(pose.body[:, 0].mean()) for pose in people)
        assert sides[0] < 128 < sides[1]


def drawn(kind, number, places):
    """Draw held-out characters at some places (shares of the width) before a busy ground."""
    rng = np.random.default_rng((number, len(places)))
    image = paint_background(kind, number, size=(256, 160))
    for place in places:
        seed = HELD_OUT_IDENTITIES.start + int(rng.integers(len(HELD_OUT_IDENTITIES)))
        scene = sample_scene(seed, split="held-out")
        camera = replace(scene.camera, centre=(place, scene.camera.centre[1]))
        drawing = draw(
            scene.identity, relaxed_stance(rng), camera, size=(256, 160), background=image
        )
        image = drawing.image
    return image


def test_r12_two_characters_on_a_busy_ground_are_told_and_one_is_not_taken_for_two(
    monkeypatch, tmp_path
):
    """Measured over all grounds: nine pairs of ten, and no single character."""
    pairs = [drawn(kind, 1 + k, (0.27, 0.73)) for k, kind in enumerate(BUSY)]
    alone = [drawn(kind, 1 + k, (0.5,)) for k, kind in enumerate(BUSY)]
    told = [len(found_in(image, monkeypatch, tmp_path)) > 1 for image in pairs]
    assert sum(told) >= 6
    assert [len(found_in(image, monkeypatch, tmp_path)) for image in alone] == [1] * len(BUSY)


class Certain:
    """Sees the same people in every whole picture, with one confidence."""

    name = licence = device = "certain"

    def __init__(self, count, *, confidence):
        self.count, self.confidence = count, confidence

    def detect(self, image):
        count = self.count if image.shape[1] == SIZE[0] else 0
        return [confident_of(Pose(body=STANDING.body, size=SIZE), self.confidence)] * count


def test_r12_people_whom_only_an_unsure_detector_sees_are_refused_by_nobody(monkeypatch, tmp_path):
    detectors = {"toon": Certain(2, confidence=0.5), "mediapipe": Certain(1, confidence=0.9)}
    monkeypatch.setattr(reference_people, "load_detector", detectors.__getitem__)
    job = RenderJob(reference=tmp_path, poses=tmp_path, strict=True)
    picture = LoadedImage(np.random.default_rng(0).integers(0, 255, (128, 256, 3)).astype(np.uint8))
    everywhere = np.ones((128, 256), np.float32)
    assert people_in_picture(job, picture, everywhere).method == "mediapipe"
    detectors["mediapipe"].confidence = 0.5
    with pytest.raises(PoseError, match="shows 2 people"):
        people_in_picture(job, picture, everywhere)


def test_shoulders_that_are_not_found_count_against_a_pose_and_hips_do_not():
    pose = confident_of(STANDING, 0.9)
    head, portrait = pose.body.copy(), pose.body.copy()
    head[1:14] = portrait[8:14] = (np.nan, np.nan, 0)
    assert core_confidence(pose) == pytest.approx(0.9)
    assert core_confidence(replace(pose, body=portrait)) == pytest.approx(0.9)
    assert core_confidence(replace(pose, body=head)) == pytest.approx(0.9 / 4)


def people_of(image, *, detector=None):
    job = RenderJob(reference=EXAMPLES, poses=EXAMPLES, reference_detector=detector)
    return people_in_picture(job, LoadedImage(image), np.ones(image.shape[:2], np.float32))


def test_r11_a_person_is_found_by_the_detector_that_is_sure_of_one():
    """A net for drawn figures sees something in a film, too, but hardly where the person is."""
    frame = next(iter(read_frames(EXAMPLES / "dance.mp4")))
    people = people_of(frame)
    assert people.method == "mediapipe"
    assert people.doubt is None
    assert people.sureness > 0.9
    drawn_only = people_of(frame, detector="toon")
    assert drawn_only.doubt is not None
    assert metrics.pck(drawn_only.pose, people.pose, threshold=0.2) < 0.8


@pytest.mark.parametrize(
    ("name", "share", "doubtful"),
    [("hero", 1.0, False), ("hero", 0.6, False), ("fox", 1.0, False), ("fox", 0.6, False)]
    + [(name, 0.4, True) for name in ("hero", "fox", "robot")],
)
def test_r11_a_head_alone_is_doubtful_and_half_a_figure_is_not(name, share, doubtful):
    picture = load_image(EXAMPLES / f"{name}.png").rgb
    people = people_of(picture[: round(share * len(picture))])
    assert (people.doubt is not None) == doubtful


def test_r11_a_doubtful_pose_is_told_and_refused_by_strict(tmp_path):
    with Image.open(EXAMPLES / "fox.png") as picture:
        path = tmp_path / "head.png"
        picture.crop((0, 0, picture.width, round(0.4 * picture.height))).save(path)
    job = RenderJob(reference=path, poses=path)
    told = prepare_reference(job, load_reference(path), size=(128, 128))
    assert any("toon found is doubtful (confidence 0." in notice for notice in told.notices)
    with pytest.raises(PoseError, match=r"doubtful.*give --ref-pose FILE"):
        prepare_reference(replace(job, strict=True), load_reference(path), size=(128, 128))


@pytest.mark.parametrize(("name", "share"), [("hero", 0.58), ("fox", 0.58), ("robot", 0.65)])
def test_a_portrait_has_no_legs_and_hips_below_it(name, share, tmp_path):
    with Image.open(EXAMPLES / f"{name}.png") as picture:
        path = tmp_path / "portrait.png"
        picture.crop((0, 0, picture.width, round(share * picture.height))).save(path)
    job = RenderJob(reference=path, poses=path)
    found = prepare_reference(job, load_reference(path), size=(256, 256))
    shown = confident(found.pose.body)
    assert found.pose_method == "toon"
    assert shown[[0, 1, 2, 5, 8, 11]].all()
    assert not shown[[10, 13]].any()
