import numpy as np
import pytest
import torch

from dtvideo.toon.data import lesson
from dtvideo.toon.lessons import Lessons, encode_lesson, encode_pictures, stack_lessons
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
    pictures = np.random.default_rng(0).integers(0, 256, (2, SIDE, SIDE, 3), dtype=np.uint8)
    pixels = torch.from_numpy(pictures).permute(0, 3, 1, 2) / 127.5 - 1
    expected = 0.5 * vae.encode(pixels).latent_dist.mode()
    torch.testing.assert_close(encode_pictures(pictures, vae=vae), expected)


def test_a_lesson_becomes_one_row_with_everything_in_its_place(vae, tokenizer):
    drawn = lesson(0, 3, sequels=2, size=SIDE)
    row = encode_lesson(drawn, vae=vae, tokenizer=tokenizer)
    assert len(row) == 1
    for number, sequel in enumerate(drawn.sequels):
        for name, image in (("frames", sequel.frame.image), ("before", sequel.before.image),
                            ("coarse", sequel.coarse)):  # fmt: skip
            expected = encode_pictures(image[None], vae=vae)[0]
            torch.testing.assert_close(getattr(row, name)[0, number], expected, rtol=0, atol=1e-5)
        map_of = torch.from_numpy(draw_pose(sequel.frame.pose)).permute(2, 0, 1)
        assert torch.equal(row.frame_maps[0, number], map_of)
        map_of = torch.from_numpy(draw_pose(sequel.before.pose)).permute(2, 0, 1)
        assert torch.equal(row.before_maps[0, number], map_of)
        assert torch.equal(row.frame_masks[0, number], torch.from_numpy(sequel.frame.mask))
        for bodies, drawing in (
            (row.frame_bodies, sequel.frame),
            (row.before_bodies, sequel.before),
        ):
            expected = torch.from_numpy(drawing.pose.body).float()
            torch.testing.assert_close(bodies[0, number], expected, equal_nan=True)
    expected = encode_pictures(drawn.reference.image[None], vae=vae)
    torch.testing.assert_close(row.reference, expected, rtol=0, atol=1e-5)
    assert torch.equal(row.reference_mask[0], torch.from_numpy(drawn.reference.mask))
    assert row.tokens.shape == (1, 2, MAX_TOKENS)
    assert row.tokens[0, 0].tolist() == tokenizer(
        drawn.caption, padding="max_length", truncation=True
    ).input_ids  # fmt: skip
    assert row.tokens[0, 1].tolist() == tokenizer("", padding="max_length").input_ids


def test_stacked_lessons_are_picked_apart_again(vae, tokenizer):
    rows = [
        encode_lesson(lesson(0, number, sequels=1, size=SIDE), vae=vae, tokenizer=tokenizer)
        for number in range(3)
    ]
    whole: Lessons = stack_lessons(rows)
    assert len(whole) == 3
    picked = whole.rows(torch.tensor([2, 0]))
    for name, value in vars(picked).items():
        assert torch.equal(value, torch.cat([vars(rows[2])[name], vars(rows[0])[name]])), name
