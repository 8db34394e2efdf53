import numpy as np
import pytest
import torch

from dtvideo.attention import body_places
from dtvideo.toon.data import lesson
from dtvideo.toon.lessons import (
    PICTURES,
    Lessons,
    encode_lessons,
    encode_pictures,
    layer_places,
    lesson_tensors,
    stack_lessons,
)
from dtvideo.toon.model import build_autoencoder
from dtvideo.toon.tokenizer import MAX_TOKENS, build_tokenizer
from poses.render import draw_pose

SIDE = 32


@pytest.fixture(scope="module")
def vae():
    vae = build_autoencoder()
    vae.register_to_config(scaling_factor=0.5)
    return vae


@pytest.fixture(scope="module")
def tokenizer():
    return build_tokenizer(["a", "girl", "with", "hat"])


def test_latents_are_scaled_posterior_means(vae):
    drawn = np.random.default_rng(0).integers(0, 256, (2, 3, SIDE, SIDE), dtype=np.uint8)
    pictures = torch.from_numpy(drawn)
    pixels = pictures / 127.5 - 1
    expected = 0.5 * vae.encode(pixels).latent_dist.mode()
    torch.testing.assert_close(encode_pictures(pictures, vae=vae), expected)


def planes(image: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(image).permute(2, 0, 1)


def test_a_lesson_becomes_one_row_with_everything_in_its_place(tokenizer):
    drawn = lesson(0, 3, sequels=2, size=SIDE)
    row = lesson_tensors(drawn, tokenizer=tokenizer)
    assert len(row) == 1
    for number, sequel in enumerate(drawn.sequels):
        for name, image in (("frames", sequel.frame.image), ("before", sequel.before.image),
                            ("coarse", sequel.coarse)):  # fmt: skip
            assert torch.equal(getattr(row, name)[0, number], planes(image))
        assert torch.equal(row.frame_maps[0, number], planes(draw_pose(sequel.frame.pose)))
        assert torch.equal(row.before_maps[0, number], planes(draw_pose(sequel.before.pose)))
        assert torch.equal(row.frame_masks[0, number], torch.from_numpy(sequel.frame.mask))
        assert torch.equal(row.frame_places[0, number], layer_places(sequel.frame.pose))
        assert torch.equal(row.before_places[0, number], layer_places(sequel.before.pose))
    assert torch.equal(row.reference[0], planes(drawn.reference.image))
    assert torch.equal(row.reference_places[0], layer_places(drawn.reference.pose))
    assert torch.equal(row.reference_mask[0], torch.from_numpy(drawn.reference.mask))
    assert row.tokens.shape == (1, 2, MAX_TOKENS)
    assert row.tokens[0, 0].tolist() == tokenizer(
        drawn.caption, padding="max_length", truncation=True
    ).input_ids  # fmt: skip
    assert row.tokens[0, 1].tolist() == tokenizer("", padding="max_length").input_ids


def test_encoded_lessons_have_latents_for_pictures_and_keep_the_rest(vae, tokenizer):
    row = lesson_tensors(lesson(0, 3, sequels=2, size=SIDE), tokenizer=tokenizer)
    encoded = encode_lessons(row, vae=vae)
    torch.testing.assert_close(
        encoded.coarse[0, 1], encode_pictures(row.coarse[0, 1:], vae=vae)[0], rtol=0, atol=0
    )
    for name in vars(row):
        found, before = getattr(encoded, name), getattr(row, name)
        assert found.shape[: found.ndim - 3] == before.shape[: before.ndim - 3]
        assert name in PICTURES or found is before


def test_places_of_all_layers_follow_each_other(tokenizer):
    pose = lesson(0, 3, sequels=1, size=SIDE).reference.pose
    grids = [(8, 8), (4, 4), (2, 2)]
    expected = np.concatenate([body_places(pose, grid) for grid in grids])
    torch.testing.assert_close(layer_places(pose), torch.from_numpy(expected), rtol=0, atol=0)


def test_stacked_lessons_are_picked_apart_again(tokenizer):
    rows = [
        lesson_tensors(lesson(0, number, sequels=1, size=SIDE), tokenizer=tokenizer)
        for number in range(3)
    ]
    whole: Lessons = stack_lessons(rows)
    assert len(whole) == 3
    picked = whole.rows(torch.tensor([2, 0]))
    for name, value in vars(picked).items():
        assert torch.equal(value, torch.cat([vars(rows[2])[name], vars(rows[0])[name]])), name
