import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from dtvideo.toon.data import Figures
from dtvideo.toon.keypoints import CELL
from dtvideo.toon.learn_keypoints import (
    KeypointTraining,
    keypoint_loss,
    random_views,
    train_keypoints,
    vary,
)
from dtvideo.training.steps import CHECKPOINT, OptimiserSettings
from poses.skeleton import BODY18

TINY = KeypointTraining(
    optimiser=OptimiserSettings(steps=2, warmup=1, log_every=1),
    batch=2, size=32, chunk=2, chunk_steps=1,
)  # fmt: skip
STILL = replace(TINY, size=64, turn=0.0, zoom=1.0)


def test_even_maps_cost_the_logarithm_of_their_cells_and_presence_that_of_two():
    joints = torch.tensor([[[1.0, 2.0, 1.0], [0.0, 0.0, 0.0]]])
    loss, figures = keypoint_loss(torch.zeros(1, 2, 4, 8), torch.zeros(1, 2), joints, spread=1.0)
    assert loss.item() == pytest.approx(math.log(32) + math.log(2), rel=1e-5)
    assert figures["presence"] == pytest.approx(math.log(2), rel=1e-5)
    assert figures["cells"] == pytest.approx(
        math.hypot(1, 2)
    )  # all even: the first cell is the peak


def test_a_map_that_is_the_target_costs_its_entropy_and_missing_joints_cost_nothing():
    x, y = torch.meshgrid(torch.arange(9.0), torch.arange(9.0), indexing="xy")
    perfect = -((x - 4) ** 2 + (y - 3) ** 2) / 2
    maps = torch.stack([perfect, 100 * torch.rand(9, 9)])[None]
    joints = torch.tensor([[[4.0, 3.0, 1.0], [0.0, 0.0, 0.0]]])
    loss, figures = keypoint_loss(maps, torch.tensor([[30.0, -30.0]]), joints, spread=1.0)
    target = perfect.flatten().softmax(0)
    assert loss.item() == pytest.approx(-(target * target.log()).sum().item(), rel=1e-4)
    assert figures["cells"] == 0


def test_no_joint_at_all_costs_presence_alone():
    loss, _ = keypoint_loss(
        torch.randn(1, 2, 4, 4), torch.zeros(1, 2), torch.zeros(1, 2, 3), spread=1.0
    )
    assert loss.item() == pytest.approx(math.log(2), rel=1e-5)


@pytest.mark.parametrize("seed", range(8))
def test_joints_stay_on_their_pixels_however_the_picture_is_moved(seed, monkeypatch):
    """A white disc about each of three joints: what was moved is white where the joint is."""
    monkeypatch.setattr("dtvideo.toon.learn_keypoints.COVERED", 0.0)
    size = 64
    places = {0: (20, 30), 4: (44, 24), 7: (30, 50)}
    image, body = np.zeros((size, size, 3), np.uint8), np.full((18, 3), np.nan)
    rows, columns = np.mgrid[:size, :size]
    for joint, (x, y) in places.items():
        body[joint] = (x + 0.5, y + 0.5, 1.0)
        image[np.hypot(columns - x, rows - y) < 4] = 255
    moved, joints = vary(image, body, replace(TINY, size=size), np.random.default_rng(seed))
    for joint in np.flatnonzero(joints[:, 2]):
        x, y = (joints[joint, :2] * CELL + (CELL - 1) / 2).round().astype(int)
        assert moved[y, x].min() > 100
    assert set(np.flatnonzero(joints[:, 2])) <= set(places) | {BODY18.mirrored[j] for j in places}


def test_mirrored_pictures_have_left_and_right_exchanged():
    body = np.full((18, 3), np.nan)
    body[4] = (32, 32, 1)
    found = {
        int(joint)
        for seed in range(12)
        for joint in np.flatnonzero(
            vary(np.zeros((64, 64, 3), np.uint8), body, STILL, np.random.default_rng(seed))[1][:, 2]
        )
    }
    assert found == {4, BODY18.mirrored[4]}


def test_joints_outside_of_the_picture_and_missing_ones_are_zero():
    body = np.full((18, 3), np.nan)
    body[2] = (-40, 10, 1)
    joints = vary(np.zeros((64, 64, 3), np.uint8), body, STILL, np.random.default_rng(0))[1]
    np.testing.assert_array_equal(joints, 0)


@pytest.mark.parametrize("seed", range(12))
def test_of_a_figure_that_is_cut_off_joints_above_stay_on_their_pixels_and_those_below_are_gone(
    seed,
):
    """A column of discs, as bright as they are high: what is left is the upper part, in order."""
    size, joints = 64, (0, 1, 8, 9, 10)
    image, body = np.full((size, size, 3), 10, np.uint8), np.full((18, 3), np.nan)
    rows, columns = np.mgrid[:size, :size]
    for joint, y, light in zip(joints, (8, 20, 32, 44, 56), (250, 210, 170, 130, 90), strict=True):
        body[joint] = (32.5, y + 0.5, 1.0)
        image[np.hypot(columns - 32, rows - y) < 4] = light
    settings = replace(STILL, size=size, cut=1.0)
    moved, found = vary(image, body, settings, np.random.default_rng(seed))
    there = [joint for joint in range(18) if found[joint, 2]]
    upper = {BODY18.mirrored.index(joint) for joint in joints} | set(joints)
    assert 0 < len(there) < len(joints)
    assert set(there) <= upper
    places = [(found[joint, :2] * CELL + (CELL - 1) / 2).round().astype(int) for joint in there]
    lights = [int(moved[y, x].max()) for x, y in sorted(map(tuple, places), key=lambda at: at[1])]
    assert lights == sorted(lights, reverse=True)
    assert min(lights) > 40


@pytest.mark.parametrize("flat", [0.0, 1.0])
def test_empty_pictures_show_the_ground_and_no_joints(flat):
    images, grounds = np.full((1, 64, 64, 3), 250, np.uint8), np.zeros((1, 64, 64, 3), np.uint8)
    chunk = Figures(images, grounds, np.tile([32.0, 32.0, 1.0], (1, 18, 1)))
    pixels, joints = random_views(chunk, replace(STILL, flat=flat), np.random.default_rng(0))
    assert (pixels.mean().item() < 0) == (flat == 1.0)
    assert joints[..., 2].mean().item() == 1 - flat


def test_two_steps_run(tmp_path):
    told: list[str] = []
    train_keypoints(TINY, tmp_path, report=told.append)
    assert (tmp_path / CHECKPOINT).is_file()
    assert len(told) == 2
    assert "cells" in told[0]


@pytest.mark.parametrize("seed", range(6))
def test_joints_are_told_finer_than_half_a_pixel_mirrored_or_not(seed, monkeypatch):
    """The centre of a wide soft spot; half a pixel too much would be a whole one in the mirror."""
    size, place = 64, np.array((30.5, 40.5))
    rows, columns = np.mgrid[:size, :size] + 0.5
    spot = np.exp(-((columns - place[0]) ** 2 + (rows - place[1]) ** 2) / 50)
    image = np.round(255 * spot[..., None].repeat(3, axis=2)).astype(np.uint8)
    body = np.full((18, 3), np.nan)
    body[0] = (*place, 1.0)
    monkeypatch.setattr("dtvideo.toon.learn_keypoints.COVERED", 0.0)
    moved, joints = vary(image, body, replace(STILL, turn=0.5), np.random.default_rng(seed))
    weight = moved.astype(float).mean(axis=2)
    weight = np.where(weight > np.median(weight) + 60, weight, 0)
    centre = (
        np.array([(weight * each).sum() for each in (columns - 0.5, rows - 0.5)]) / weight.sum()
    )
    np.testing.assert_allclose(joints[0, :2] * CELL + (CELL - 1) / 2, centre, atol=0.25)
