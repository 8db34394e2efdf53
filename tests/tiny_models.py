"""Real diffusers and transformers components at a tiny size, with random weights from a seed."""

from typing import Any

import torch
from diffusers import AutoencoderKL, ControlNetModel, UNet2DConditionModel

LATENT_CHANNELS = 4
TEXT_WIDTH = 32
BLOCKS: dict[str, Any] = {
    "block_out_channels": (16, 32),
    "layers_per_block": 1,
    "down_block_types": ("CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "cross_attention_dim": TEXT_WIDTH,
    "attention_head_dim": 2,
    "norm_num_groups": 8,
}


def tiny_unet(*, in_channels: int = LATENT_CHANNELS, seed: int = 0) -> UNet2DConditionModel:
    """A U-Net with 5 self-attention layers on two resolutions; it halves the latents once."""
    torch.manual_seed(seed)
    up_blocks = ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D")
    return UNet2DConditionModel(
        in_channels=in_channels, out_channels=LATENT_CHANNELS, up_block_types=up_blocks, **BLOCKS
    ).eval()


def tiny_controlnet(*, in_channels: int = LATENT_CHANNELS, seed: int = 1) -> ControlNetModel:
    """A ControlNet for `tiny_unet` whose zero convolutions are not zero, so that poses matter."""
    torch.manual_seed(seed)
    controlnet = ControlNetModel(
        in_channels=in_channels, conditioning_embedding_out_channels=(8, 16), **BLOCKS
    )
    for block in (*controlnet.controlnet_down_blocks, controlnet.controlnet_mid_block):
        torch.nn.init.normal_(block.weight, std=0.05)
    torch.nn.init.normal_(controlnet.controlnet_cond_embedding.conv_out.weight, std=0.05)
    return controlnet.eval()


def tiny_vae(seed: int = 2) -> AutoencoderKL:
    """An autoencoder that halves each side of a picture."""
    torch.manual_seed(seed)
    return AutoencoderKL(
        block_out_channels=(8, 16),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        latent_channels=LATENT_CHANNELS,
        norm_num_groups=4,
        sample_size=16,
    ).eval()
