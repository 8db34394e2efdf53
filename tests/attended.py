"""Forwards of small networks whose attention is installed."""

import torch

from dtvideo.attention import self_attention_layers
from tests.tiny_models import LATENT_CHANNELS, TEXT_WIDTH

SIZE = (8, 6)


def noise(*shape, seed):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def run(unet, controlnet=None, *, batch=1, size=SIZE, seed=0):
    """One forward with inputs that depend on the seed alone."""
    latents = noise(batch, LATENT_CHANNELS, *size, seed=seed)
    text = noise(batch, 5, TEXT_WIDTH, seed=seed + 100)
    residuals = {}
    if controlnet is not None:
        picture = noise(batch, 3, size[0] * 2, size[1] * 2, seed=seed + 200)
        down, mid = controlnet(latents, 7, text, picture, return_dict=False)
        residuals = {"down_block_additional_residuals": down, "mid_block_additional_residual": mid}
    return unet(latents, 7, text, return_dict=False, **residuals)[0]


def processors(*models):
    return [layer.processor for model in models for layer in self_attention_layers(model).values()]


@torch.no_grad()
def written(attention, *models, role="reference", step=0, size=SIZE, mask=None, seed=50, batch=1):
    with attention.write(role, step=step, size=size, mask=mask):
        return run(*models, seed=seed, size=size, batch=batch)
