import pytest
import torch

from dtvideo.errors import UsageError
from dtvideo.toon.patches import PatchAutoencoder

PIXELS = torch.rand(2, 3, 8, 12, generator=torch.Generator().manual_seed(0)) * 2 - 1


def test_the_way_there_and_back_loses_nothing():
    vae = PatchAutoencoder(patch_size=4)
    assert torch.equal(vae(PIXELS).sample, PIXELS)
    latents = vae.encode(PIXELS).latent_dist.sample()
    assert torch.equal(latents, vae.encode(PIXELS, return_dict=False)[0].mode())
    assert latents.square().sum().item() == pytest.approx(PIXELS.square().sum().item())
    assert torch.equal(vae.decode(latents, return_dict=False)[0], PIXELS)


def test_a_latent_is_the_pixels_of_one_patch_colour_by_colour():
    latents = PatchAutoencoder(patch_size=2).encode(PIXELS).latent_dist.mean
    assert latents.shape == (2, 12, 4, 6)
    patch = PIXELS[1, :, 4:6, 10:12]
    assert torch.equal(latents[1, :, 2, 5], patch.flatten())


def test_pipelines_read_what_they_need_from_the_configuration(tmp_path):
    PatchAutoencoder(patch_size=8, sample_size=64, scaling_factor=1.5).save_pretrained(tmp_path)
    config = PatchAutoencoder.from_pretrained(tmp_path).config
    assert config.latent_channels == 3 * 8**2
    assert 2 ** (len(config.block_out_channels) - 1) == 8
    assert (config.sample_size, config.scaling_factor) == (64, 1.5)


def test_it_has_a_device_and_a_type_like_any_other_part():
    vae = PatchAutoencoder().to(torch.float16)
    assert (vae.dtype, vae.device.type) == (torch.float16, "cpu")


@pytest.mark.parametrize("patch_size", [0, 3, -2])
def test_a_patch_that_halving_does_not_reach_is_refused(patch_size):
    with pytest.raises(UsageError, match=f"patch_size: is {patch_size}") as caught:
        PatchAutoencoder(patch_size=patch_size)
    assert caught.value.code == "M11"
