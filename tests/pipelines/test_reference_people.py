"""Who is found in the reference picture on a ground from which figures do not stand apart."""

from dataclasses import replace

import numpy as np
import pytest

from dtvideo.images import LoadedImage
from dtvideo.toon.world import HELD_OUT_IDENTITIES, draw, sample_scene
from dtvideo.toon.world.backgrounds import paint_background
from dtvideo.toon.world.stances import relaxed_stance
from pipelines import reference_people
from pipelines.job import RenderJob
from pipelines.reference_people import people_in_picture
from poses.synthetic import stand
from poses.types import Pose

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
