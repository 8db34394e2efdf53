import numpy as np
import pytest
import torch

from dtvideo.errors import QualityError
from dtvideo.latents import decode_latents, encode_picture, frame_noise, picture_tensor
from tests.tiny_models import tiny_vae

PICTURE = np.random.default_rng(0).integers(0, 256, (8, 12, 3), dtype=np.uint8)
SHAPE = (1, 4, 32, 32)


@pytest.fixture(scope="module")
def vae():
    return tiny_vae().requires_grad_(False)


def test_a_picture_becomes_channels_from_0_to_1():
    tensor = picture_tensor(PICTURE, device="cpu", dtype=torch.float32)
    assert tensor.shape == (1, 3, 8, 12)
    assert tensor[0, 2, 5, 7].item() == pytest.approx(PICTURE[5, 7, 2] / 255)


def test_encoding_is_the_scaled_mean_and_draws_nothing(vae):
    latents = encode_picture(vae, PICTURE, device="cpu")
    torch.manual_seed(5)
    assert torch.equal(encode_picture(vae, PICTURE, device="cpu"), latents)
    pixels = torch.from_numpy(PICTURE).permute(2, 0, 1)[None] / 127.5 - 1
    expected = vae.encode(pixels).latent_dist.mean * vae.config.scaling_factor
    torch.testing.assert_close(latents, expected)


def test_decoding_returns_a_picture_of_the_size_encoded(vae):
    latents = encode_picture(vae, PICTURE, device="cpu")
    picture = decode_latents(vae, latents, frame=0)
    pixels = vae.decode(latents / vae.config.scaling_factor).sample
    expected = ((pixels[0] + 1) * 127.5).clamp(0, 255).permute(1, 2, 0).numpy()
    assert picture.shape == PICTURE.shape
    assert np.abs(picture - expected).max() < 0.51


def test_a_flat_picture_is_refused_with_its_colour(vae):
    flat = tiny_vae().requires_grad_(False)
    torch.nn.init.zeros_(flat.decoder.conv_out.weight)
    torch.nn.init.constant_(flat.decoder.conv_out.bias, -1.0)
    with pytest.raises(QualityError, match=r"M8.*frame 3: is one flat colour, RGB \(0, 0, 0\)"):
        decode_latents(flat, torch.randn(1, 4, 4, 6), frame=3)


def test_m7_a_picture_that_is_not_finite_is_refused(vae):
    with pytest.raises(QualityError, match=r"M7.*frame 2: the decoded picture is not finite"):
        decode_latents(vae, torch.full((1, 4, 4, 6), torch.nan), frame=2)


def test_m7_half_precision_that_overflows_is_decoded_again_in_float32():
    vae = tiny_vae().requires_grad_(False)
    vae.post_quant_conv.weight.mul_(1e3)
    latents = encode_picture(tiny_vae(), PICTURE, device="cpu").detach() * 1e3
    expected = decode_latents(vae, latents, frame=0)
    half = vae.to(torch.float16)
    assert not torch.isfinite(half.decode((latents / 0.18215).half()).sample).all()
    found = decode_latents(half, latents, frame=0)
    assert half.dtype == torch.float16
    assert np.abs(found.astype(int) - expected).mean() < 2


@pytest.mark.parametrize("shared", [0.0, 0.3, 1.0])
def test_frames_share_as_much_of_their_noise_as_asked(shared):
    one, other = (frame_noise(SHAPE, seed=1, frame=frame, shared=shared) for frame in (0, 1))
    assert one.std().item() == pytest.approx(1, abs=0.05)
    correlation = (one * other).mean() / (one.std() * other.std())
    assert correlation.item() == pytest.approx(shared, abs=0.05)


def test_noise_is_a_function_of_seed_and_frame():
    draws = {"seed": 1, "frame": 4, "shared": 0.5}
    noise = frame_noise(SHAPE, **draws)
    assert torch.equal(frame_noise(SHAPE, **draws), noise)
    assert not torch.equal(frame_noise(SHAPE, **{**draws, "frame": 5}), noise)
    assert not torch.equal(frame_noise(SHAPE, **{**draws, "seed": 2}), noise)
