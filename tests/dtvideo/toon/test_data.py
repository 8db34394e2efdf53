import numpy as np
import pytest

from dtvideo.puppet import Puppet, coarse_frame
from dtvideo.toon.data import _scene_keys, figure_chunk, lesson, moving_pair
from dtvideo.toon.world import sample_scene, scene_drawings


def test_a_chunk_is_a_function_of_seed_and_index():
    first, again = (figure_chunk(1, 2, count=2, size=32) for _ in range(2))
    np.testing.assert_array_equal(first.images, again.images)
    np.testing.assert_array_equal(first.bodies, again.bodies)
    for seed, index in ((1, 3), (2, 2)):
        other = figure_chunk(seed, index, count=2, size=32)
        assert not np.array_equal(first.images, other.images)


def test_chunks_continue_one_another():
    """Figure 1 of a chunk of two is figure 0 of the next chunk of one."""
    both = figure_chunk(5, 0, count=2, size=32)
    second = figure_chunk(5, 1, count=1, size=32)
    np.testing.assert_array_equal(both.images[1:], second.images)


def test_some_references_have_key_points_as_a_detector_finds_them():
    far = []
    for number in range(20):
        identity, key = _scene_keys(3, number)
        exact = scene_drawings(sample_scene(identity, key=key), 1, key=key, size=(48, 48))[0].pose
        found = lesson(3, number, sequels=0, size=48).reference.pose
        far.append(np.nanmean(np.linalg.norm(found.body[:, :2] - exact.body[:, :2], axis=1)))
    moved = [one for one in far if one > 0]
    assert 2 <= len(moved) <= 12
    assert np.mean(moved) == pytest.approx(0.01 * 48 * (np.pi / 2) ** 0.5, rel=0.25)


def test_a_lesson_shows_one_character_and_its_coarse_frames():
    drawn = lesson(0, 7, sequels=2, size=48)
    again = lesson(0, 7, sequels=2, size=48)
    assert len(drawn.sequels) == 2
    assert drawn.caption
    for sequel, same in zip(drawn.sequels, again.sequels, strict=True):
        np.testing.assert_array_equal(sequel.frame.image, same.frame.image)
        reference = drawn.reference
        expected = coarse_frame(reference.image, reference.mask, reference.pose, sequel.frame.pose)
        np.testing.assert_array_equal(sequel.coarse, expected)
    assert not np.array_equal(drawn.sequels[0].frame.image, drawn.sequels[1].frame.image)


def test_gaps_take_parts_from_coarse_frames_and_nothing_else():
    """Where a part is missing the ground shows; what is drawn beside stays as it was."""
    changed = 0
    for number in range(6):
        whole, torn = (lesson(0, number, sequels=2, size=48, gaps=gaps) for gaps in (0.0, 1.0))
        np.testing.assert_array_equal(whole.reference.image, torn.reference.image)
        ground = Puppet.prepare(torn.reference.image, torn.reference.mask, torn.reference.pose)
        for sequel, gapped in zip(whole.sequels, torn.sequels, strict=True):
            np.testing.assert_array_equal(sequel.frame.image, gapped.frame.image)
            assert (gapped.coarse != sequel.coarse).any()
            gone = np.abs(gapped.coarse.astype(int) - ground.ground).max(axis=2) == 0
            kept = np.abs(sequel.coarse.astype(int) - ground.ground).max(axis=2) == 0
            changed += int((gone & ~kept).sum())
            assert not (kept & ~gone).any()
    assert changed > 100


@pytest.mark.parametrize("seed", [0, 1, 2, 3])
def test_the_frame_before_is_near_and_before_the_same_ground(seed):
    before, frame = moving_pair(sample_scene(9), np.random.default_rng(seed), size=48)
    clear = (before.mask == 0) & (frame.mask == 0)
    np.testing.assert_array_equal(before.image[clear], frame.image[clear])
    moved = np.linalg.norm(before.pose.body[:, :2] - frame.pose.body[:, :2], axis=1)
    assert 0 <= np.nanmean(moved) < 10


def test_figures_come_with_their_ground_and_joints():
    chunk = figure_chunk(0, 0, count=2, size=48)
    assert chunk.images.shape == chunk.grounds.shape == (2, 48, 48, 3)
    for image, ground, body in zip(chunk.images, chunk.grounds, chunk.bodies, strict=True):
        differs = (image != ground).any(axis=-1)
        assert 0.02 < differs.mean() < 0.9
        x, y = body[body[:, 2] > 0, :2].mean(axis=0)
        assert differs[int(y) - 4 : int(y) + 5, int(x) - 4 : int(x) + 5].any()
