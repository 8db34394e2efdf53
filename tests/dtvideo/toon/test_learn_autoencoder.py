from dataclasses import replace

import numpy as np
import pytest
import torch

from dtvideo.errors import UsageError
from dtvideo.seeds import keyed_generator
from dtvideo.toon.data import Pictures
from dtvideo.toon.learn_autoencoder import (
    AutoencoderTraining,
    random_crops,
    reconstruction_losses,
    train_autoencoder,
)
from dtvideo.training.steps import CHECKPOINT, OptimiserSettings

TINY = AutoencoderTraining(
    optimiser=OptimiserSettings(steps=2, warmup=1, log_every=1),
    batch=4, crop=16, size=32, chunk_scenes=1, per_scene=2, chunk_steps=1,
)  # fmt: skip


def test_a_constant_error_costs_its_size_and_no_edges():
    images, weights = torch.zeros(2, 3, 4, 4), torch.rand(2, 1, 4, 4) + 0.5
    pixel, edge = reconstruction_losses(images + 0.5, images, weights)
    assert pixel.item() == pytest.approx(0.5)
    assert edge.item() == pytest.approx(0.0, abs=1e-7)


def test_errors_are_weighted_by_hand_worked_numbers():
    """One wrong pixel of four, by 1, whose weight is 3 where the others have 1: mean weight 1.5.

    Its neighbours: across, differences 1 and 0 with the weights of the right pixels (1, 1).
    """
    decoded, images = torch.zeros(1, 3, 2, 2), torch.zeros(1, 3, 2, 2)
    weights = torch.ones(1, 1, 2, 2)
    decoded[..., 0, 0], weights[..., 0, 0] = 1.0, 3.0
    pixel, edge = reconstruction_losses(decoded, images, weights)
    assert pixel.item() == pytest.approx(3 / 1.5 / 4)
    assert edge.item() == pytest.approx(2 * (1 / 1.5 / 2))


def numbered(size: int = 8, count: int = 3) -> Pictures:
    """Pictures whose pixel tells its place: red the row, green the column, blue the picture."""
    number, rows, columns = np.meshgrid(*map(np.arange, (count, size, size)), indexing="ij")
    images = np.stack([rows, columns, number], axis=-1).astype(np.uint8)
    return Pictures(images, images[..., 0] >= size // 2)


def test_crops_are_windows_of_pictures_with_the_weights_of_their_masks():
    settings = replace(TINY, size=8, crop=4, batch=6)
    generator = keyed_generator(0, "test")
    images, weights = random_crops(numbered(), settings, step=0, generator=generator)
    assert images.shape == (6, 3, 4, 4)
    levels = ((images + 1) * 127.5).round()
    assert (levels[:, 0].diff(dim=1) == 1).all()
    assert (levels[:, 1].diff(dim=2) == 1).all()
    expected = torch.where(levels[:, :1] >= 4, settings.figure_weight, 1.0)
    torch.testing.assert_close(weights, expected)
    assert len({tuple(levels[row, :, 0, 0].tolist()) for row in range(6)}) > 1


def test_the_last_tenth_of_a_run_sees_whole_pictures():
    settings = replace(TINY, size=8, crop=4, batch=8, optimiser=OptimiserSettings(steps=10))
    shapes = [
        random_crops(numbered(), settings, step=step, generator=keyed_generator(0, "t"))[0].shape
        for step in (8, 9)
    ]
    assert shapes == [(8, 3, 4, 4), (2, 3, 8, 8)]


def test_two_steps_run_and_move_the_weights(tmp_path):
    told: list[str] = []
    train_autoencoder(TINY, tmp_path, report=told.append)
    assert (tmp_path / CHECKPOINT).is_file()
    assert [line.split()[:2] for line in told] == [["step", "1"], ["step", "2"]]
    assert "psnr" in told[0]


@pytest.mark.parametrize(("name", "value"), [("batch", 3), ("crop", 0), ("crop", 33)])
def test_settings_that_cannot_be_are_refused(name, value):
    with pytest.raises(UsageError, match=f"{name}: is {value}") as caught:
        replace(TINY, **{name: value})
    assert caught.value.code == "M11"
