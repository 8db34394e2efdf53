import pytest
import torch

from dtvideo.toon.keypoints import KeypointNet
from dtvideo.toon.model import (
    LATENT_CHANNELS,
    SIZE,
    build_autoencoder,
    build_controlnet,
    build_scheduler,
    build_text_encoder,
    build_unet,
)
from dtvideo.toon.tokenizer import MAX_TOKENS, build_tokenizer


def count(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_the_autoencoder_makes_one_latent_of_two_by_two_pixels():
    vae = build_autoencoder()
    pixels = torch.zeros(1, 3, 32, 48)
    latents = vae.encode(pixels).latent_dist.mean
    assert latents.shape == (1, LATENT_CHANNELS, 16, 24)
    assert vae.decode(latents).sample.shape == pixels.shape
    assert vae.config.sample_size == SIZE


def test_the_denoiser_joins_coarse_latents_and_its_parts_fit():
    tokenizer = build_tokenizer(["blue", "hat"])
    text = build_text_encoder(tokenizer)(torch.zeros(1, MAX_TOKENS, dtype=torch.long))
    joined, time = torch.zeros(1, 2 * LATENT_CHANNELS, 8, 8), torch.tensor([3])
    words = text.last_hidden_state
    down, middle = build_controlnet()(
        joined, time, words, torch.zeros(1, 3, 16, 16), return_dict=False
    )
    made = build_unet()(
        joined,
        time,
        words,
        down_block_additional_residuals=down,
        mid_block_additional_residual=middle,
    ).sample
    assert made.shape == (1, LATENT_CHANNELS, 8, 8)
    assert made.isfinite().all()


def test_the_sampler_predicts_clean_latents_and_ends_in_pure_noise():
    scheduler = build_scheduler()
    assert scheduler.config.prediction_type == "sample"
    assert scheduler.alphas_cumprod[-1] == pytest.approx(0.0, abs=1e-6)
    assert scheduler.alphas_cumprod[0] > 0.99
    scheduler.set_timesteps(4)
    assert scheduler.timesteps.tolist() == [999, 749, 499, 249]


def test_a_perfect_prediction_is_the_result_of_sampling():
    scheduler = build_scheduler()
    scheduler.set_timesteps(4)
    clean, latents = torch.full((1, 2, 4, 4), 1.5), torch.randn(1, 2, 4, 4)
    for time in scheduler.timesteps:
        latents = scheduler.step(clean, time, latents).prev_sample
    torch.testing.assert_close(latents, clean)


def test_the_sizes_stay_those_of_the_shipped_weights():
    """Checkpoints of another size do not load: these numbers change with the weights only."""
    parts = build_autoencoder(), build_unet(), build_controlnet(), KeypointNet()
    assert [count(part) for part in parts] == [0, 7_564_780, 3_168_656, 2_667_324]
