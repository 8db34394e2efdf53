import re
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from dtvideo.images import LoadedImage, load_image, save_png
from dtvideo.toon.world import HELD_OUT_IDENTITIES, sample_scene, scene_drawings
from pipelines.job import RenderJob
from pipelines.prepare import find_character, prepare_reference
from pipelines.render import plan
from pipelines.room import give_room, room_to_move
from poses.io import write_clip
from poses.types import Pose, PoseSequence, missing_joints

WHITE = (255, 255, 255)


@pytest.fixture(scope="module")
def drawing():
    scene = sample_scene(HELD_OUT_IDENTITIES.start + 5, split="held-out")
    return scene_drawings(scene, 1, size=(256, 256))[0]


@pytest.fixture
def job(tmp_path):
    return RenderJob(reference=tmp_path / "hero.png", poses=tmp_path / "motion.json")


def box_of(drawing):
    rows, columns = np.nonzero(drawing.mask > 0.5)
    return columns.min(), rows.min(), columns.max() + 1, rows.max() + 1


def cut_close(drawing, *, alpha=True, ground=WHITE):
    """Return the character alone, its picture as large as itself."""
    left, top, right, bottom = box_of(drawing)
    rgba = drawing.rgba[top:bottom, left:right]
    cover = rgba[..., 3:] / 255
    rgb = np.round(rgba[..., :3] * cover + np.array(ground) * (1 - cover)).astype(np.uint8)
    return LoadedImage(rgb, rgba[..., 3] if alpha else None)


def body_in(drawing, left, top):
    body = drawing.pose.body.copy()
    body[:, :2] -= (left, top)
    return body


@pytest.mark.parametrize("alpha", [True, False], ids=["transparent", "on white"])
def test_a_character_that_is_cut_close_gets_room_for_its_arms(drawing, job, alpha):
    close = cut_close(drawing, alpha=alpha)
    large = give_room(job, close)
    left, top, right, bottom = large.room
    assert min(left, top, right, bottom) > 0
    assert large.file_size == close.size
    height, width = close.rgb.shape[:2]
    np.testing.assert_array_equal(large.rgb[top : top + height, left : left + width], close.rgb)
    outside = np.ones(large.rgb.shape[:2], bool)
    outside[top : top + height, left : left + width] = False
    assert (large.rgb[outside] == 255).all()
    assert not alpha or not large.alpha[outside].any()
    assert f"becomes {large.size[0]}x{large.size[1]}" in large.notices[-1]
    x, y = box_of(drawing)[:2]
    body = body_in(drawing, x - left, y - top)
    arm = np.linalg.norm(body[2, :2] - body[3, :2]) + np.linalg.norm(body[3, :2] - body[4, :2])
    assert body[2, 0] - arm >= 0  # stretched out to the side
    assert body[5, 0] + arm <= large.size[0]
    assert body[[2, 5], 1].min() - arm >= 0  # and upwards


def test_given_mask_and_pose_of_the_picture_lie_where_the_character_does(drawing, job, tmp_path):
    close = cut_close(drawing)
    left, top = box_of(drawing)[:2]
    width, height = close.size
    pose = Pose(body=body_in(drawing, left, top), size=close.size)
    sequence = PoseSequence(body=pose.body[None], size=pose.size, rate=Fraction(1))
    write_clip(sequence, tmp_path / "pose.json")
    save_png(tmp_path / "mask.png", close.alpha)
    given = replace(
        job, reference_pose=tmp_path / "pose.json", reference_mask=tmp_path / "mask.png"
    )
    large = give_room(given, close)
    found, (mask, method, _) = find_character(given, large, whole=large)
    x, y = large.room[:2]
    assert method == "file"
    np.testing.assert_allclose(found.pose.body[:, :2], pose.body[:, :2] + (x, y), atol=0.01)
    np.testing.assert_array_equal(
        mask[y : y + height, x : x + width], close.alpha.astype(np.float32) / 255
    )
    assert mask.sum() == pytest.approx((close.alpha / 255).sum(), rel=1e-5)
    half = tuple(side // 2 for side in large.size)
    reference = prepare_reference(given, large, size=half)
    scale = min(half[0] / large.size[0], half[1] / large.size[1])
    np.testing.assert_allclose(
        reference.pose.body[:, :2], (pose.body[:, :2] + (x, y)) * scale, atol=1.5
    )


def test_pictures_that_cannot_or_shall_not_go_on_stay_as_they_are(drawing, job):
    close = cut_close(drawing)
    assert give_room(replace(job, room=False), close) is close
    noise = np.random.default_rng(0).integers(0, 255, close.rgb.shape).astype(np.uint8)
    scenic = LoadedImage(np.where(close.alpha[..., None] > 127, close.rgb, noise))
    assert give_room(job, scenic) is scenic
    empty = LoadedImage(np.full((64, 64, 3), 255, np.uint8), np.zeros((64, 64), np.uint8))
    assert give_room(replace(job, reference_detector="toon"), empty) is empty


def test_a_character_with_room_enough_keeps_its_picture(drawing, job):
    close = cut_close(drawing)
    roomy = close.with_room((200, 200, 200, 40), WHITE)
    assert give_room(job, roomy) is roomy
    assert roomy.file_size == close.size


def test_a_border_that_cuts_the_character_off_gets_no_room(drawing):
    """Of a portrait down to the thighs the lower border is not moved: its cut would show."""
    left, top, right, _ = box_of(drawing)
    hips = round(float(drawing.pose.body[[8, 11], 1].mean()))
    mask = np.pad(drawing.mask[top:hips, left:right], 10)
    pose = Pose(body=body_in(drawing, left - 10, top - 10), size=mask.shape[::-1])
    picture = np.array((10.0, 10.0, mask.shape[1] - 10, mask.shape[0] - 10))
    room = room_to_move(pose, mask, picture=picture)
    assert room[3] == 0
    assert min(room[:3]) > 0


@pytest.mark.parametrize("feet", [False, True])
def test_a_narrow_cut_counts_where_the_character_shows_no_feet(feet):
    """A column that meets the lower border with an eighth of its height: a waist, or two shoes."""
    mask = np.zeros((120, 120), np.float32)
    mask[20:110, 54:66] = 1
    body = missing_joints(18)
    for joint, place in {1: (60, 40), 2: (55, 40), 5: (65, 40), 8: (56, 80), 11: (64, 80)}.items():
        body[joint] = (*place, 1)
    if feet:
        body[[10, 13]] = (60, 108, 1)
    pose = Pose(body=body, size=(120, 120))
    room = room_to_move(pose, mask, picture=np.array((10.0, 10.0, 110.0, 110.0)))
    assert (room[3] > 0) == feet


@pytest.mark.parametrize("arm", [10.0, 35.0], ids=["turned to the viewer", "long"])
def test_room_above_is_what_raised_arms_reach_beyond_the_border(arm):
    """A torso of 40 pixels, shoulders 30 below the upper border, a head up to 6 below it."""
    body = missing_joints(18)
    body[1], body[2], body[5] = (50, 26, 1), (40, 30, 1), (60, 30, 1)
    body[8], body[11] = (44, 66, 1), (56, 66, 1)
    body[3], body[4] = (40, 30 + arm, 1), (40, 30 + 2 * arm, 1)
    mask = np.zeros((120, 100), np.float32)
    mask[6:110, 35:65] = 1
    picture = np.array((0.0, 0.0, 100.0, 120.0))
    above = room_to_move(Pose(body=body, size=(100, 120)), mask, picture=picture)[1]
    reach = max(2 * arm, 0.8 * 40) + 0.35 * 40  # the hand; arms that look shorter are turned
    assert above == pytest.approx(reach - 30)
    assert above > 10


def test_room_is_added_to_what_was_added_before():
    picture = LoadedImage(np.zeros((4, 6, 3), np.uint8))
    grown = picture.with_room((1, 2, 3, 4), WHITE).with_room((1, 0, 0, 1), WHITE)
    assert grown.room == (2, 2, 3, 5)
    assert (grown.size, grown.file_size) == ((11, 11), (6, 4))


def test_a_loaded_file_has_no_room_of_its_own(tmp_path):
    save_png(tmp_path / "a.png", np.zeros((20, 30, 3), np.uint8))
    assert load_image(tmp_path / "a.png").file_size == (30, 20)


def test_a_render_has_the_room_and_tells_it_unless_it_shall_not(drawing, tmp_path):
    left, top, right, bottom = box_of(drawing)
    save_png(tmp_path / "hero.png", drawing.rgba[top:bottom, left:right])
    size = (int(right - left), int(bottom - top))
    body = np.stack([body_in(drawing, left, top)] * 2)
    write_clip(PoseSequence(body=body, size=size, rate=Fraction(8)), tmp_path / "motion.json")
    job = RenderJob(reference=tmp_path / "hero.png", poses=tmp_path / "motion.json")
    shapes = {}
    for room in (True, False):
        told = plan(replace(job, room=room, output=tmp_path / "a.mp4"))
        width, height = map(int, re.search(r"of (\d+)x(\d+) at", told).groups())
        shapes[room] = width / height
        assert ("room to move is added" in told) is room
    assert shapes[False] == pytest.approx(size[0] / size[1], rel=0.1)
    assert shapes[True] > 1.25 * shapes[False]
