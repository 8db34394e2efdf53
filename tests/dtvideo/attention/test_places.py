import numpy as np
import torch

from dtvideo.attention import PosePlaces, Source, align, body_places, self_subject_attention
from poses.types import Pose, missing_joints
from tests.drawn import SIDE, dance, figure, standing

GRID = (32, 32)


def cell_of(pose, joint, grid=GRID):
    x, y = pose.body[joint, :2] / pose.size * grid[::-1]
    return int(y) * grid[1] + int(x)


def moved(pose, *, scale=1.0, shift=(0.0, 0.0)):
    body = pose.body.copy()
    body[:, :2] = body[:, :2] * scale + shift
    return Pose(body, pose.size)


def test_the_body_keeps_its_coordinates_wherever_it_moves():
    pose = standing()
    there = moved(pose, scale=0.5, shift=(16, 8))
    joints = (3, 4, 6, 7, 9, 10, 12, 13)
    here = body_places(pose, (64, 64))[[cell_of(pose, joint, (64, 64)) for joint in joints]]
    far = body_places(there, (128, 128))[[cell_of(there, joint, (128, 128)) for joint in joints]]
    np.testing.assert_allclose(here, far, atol=0.12)


def test_a_raised_hand_is_still_the_hand_and_no_foot():
    before, after = dance()[0], dance()[3]
    hand, foot = 7, 13
    old, new = body_places(before, GRID), body_places(after, GRID)
    to_hand = np.linalg.norm(new[cell_of(after, hand)] - old[cell_of(before, hand)])
    to_foot = np.linalg.norm(new[cell_of(after, hand)] - old[cell_of(before, foot)])
    to_other_hand = np.linalg.norm(new[cell_of(after, hand)] - old[cell_of(before, 4)])
    assert to_hand < 0.2
    assert min(to_foot, to_other_hand) > 2


def test_away_from_the_body_it_is_the_place_in_the_picture():
    pose = standing()
    found = body_places(pose, (4, 4))
    np.testing.assert_allclose(found[0], (-1.5, -1.5, 1.5))
    np.testing.assert_allclose(found[-1], (1.5, 1.5, 1.5))


def test_without_any_joint_everything_is_the_picture():
    found = body_places(Pose(missing_joints(18), (64, 32)), (2, 4))
    np.testing.assert_allclose(found[:, 2], 1.5)
    np.testing.assert_allclose(found[:4, 0], (-1.5, -0.5, 0.5, 1.5))
    np.testing.assert_allclose(found[::4, 1], (-0.5, 0.5))


def test_a_missing_arm_leaves_the_rest_alone():
    pose = standing()
    body = pose.body.copy()
    body[[6, 7]] = missing_joints(2)
    whole, partial = body_places(pose, GRID), body_places(Pose(body, pose.size), GRID)
    knee = cell_of(pose, 9)
    np.testing.assert_array_equal(whole[knee], partial[knee])
    assert np.isfinite(partial).all()


def test_a_mirrored_pose_has_mirrored_coordinates():
    pose = standing()
    body = pose.body.copy()
    body[:, 0] = SIDE - body[:, 0]
    swapped = [0, 1, 5, 6, 7, 2, 3, 4, 11, 12, 13, 8, 9, 10, 15, 14, 17, 16]
    mirrored = body_places(Pose(body[swapped], pose.size), GRID).reshape(*GRID, 3)[:, ::-1]
    expected = body_places(pose, GRID).reshape(*GRID, 3) * (-1, 1, 1)
    close = np.isclose(mirrored, expected, atol=1e-4).all(axis=-1)
    assert close.mean() > 0.98  # a tie between two bones may go either way


def test_places_of_a_batch_have_a_row_for_each_pose():
    poses = [dance()[0], dance()[3]]
    rows = PosePlaces(poses)(GRID)
    assert rows.shape == (2, 1024, 3)
    for row, pose in zip(rows, poses, strict=True):
        assert torch.equal(row, PosePlaces(pose)(GRID))


def test_the_bias_alone_moves_the_colours_onto_the_new_pose():
    """No network: every score is 0, the values are the reference's colours."""
    assert share_of_right_colours(0.0) < 0.2
    assert share_of_right_colours(100.0) > 0.85


def share_of_right_colours(strength):
    """How many cells of the figure get its true colour, give or take a quarter."""
    before, after = dance()[0], dance()[3]
    picture, truth = (torch.from_numpy(figure(pose)).float() / 255 for pose in (before, after))
    picture, truth = (each[1::2, 1::2].reshape(-1, 3) for each in (picture, truth))
    near = align(PosePlaces(after)(GRID), PosePlaces(before)(GRID), strength=strength)
    zeros = torch.zeros(1, 1, 1024, 8)
    colours = torch.nn.functional.pad(picture, (0, 5))[None, None]
    source = Source(zeros, colours, 1e6, near)
    read = self_subject_attention(zeros, zeros, zeros, [source])[0, 0, :, :3]
    in_figure = (truth - truth[0]).abs().amax(dim=-1) > 0.1
    right = (read - truth).abs().amax(dim=-1) < 0.25
    return right[in_figure].float().mean().item()
