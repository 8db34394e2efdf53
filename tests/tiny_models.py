"""Real diffusers and transformers components at a tiny size, with random weights from a seed."""

from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    ControlNetModel,
    ControlNetUnionModel,
    DDIMScheduler,
    UNet2DConditionModel,
)
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
    CLIPVisionConfig,
    CLIPVisionModel,
    CLIPVisionModelWithProjection,
)

from dtvideo.subject import SubjectEncoder
from dtvideo.toon.tokenizer import build_tokenizer

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

XL_POOLED_WIDTH = 48
XL_BLOCKS: dict[str, Any] = {
    **BLOCKS,
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
    "transformer_layers_per_block": (1, 2),
    "attention_head_dim": (2, 4),
    "cross_attention_dim": TEXT_WIDTH + XL_POOLED_WIDTH,
    "use_linear_projection": True,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 8,
    "projection_class_embeddings_input_dim": XL_POOLED_WIDTH + 6 * 8,
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
    return _awakened(controlnet)


def _awakened(controlnet: Any) -> Any:
    """Fill the zero convolutions of a ControlNet."""
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


def tiny_tokenizer() -> CLIPTokenizer:
    """A CLIP tokenizer that knows a handful of words."""
    return build_tokenizer(["a", "girl", "with", "red", "hair", "blue", "dress", "dancing"])


def tiny_text_encoder(tokenizer: CLIPTokenizer, seed: int = 3) -> CLIPTextModel:
    """A text encoder of two layers for the words of a tokenizer."""
    torch.manual_seed(seed)
    config = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=TEXT_WIDTH,
        intermediate_size=2 * TEXT_WIDTH,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=tokenizer.model_max_length,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return CLIPTextModel(config).eval()


def tiny_components(*, coarse: bool = False, prediction_type: str = "epsilon") -> dict[str, Any]:
    """The parts of an animation pipeline; with `coarse`, of a coarse-conditioned one."""
    channels = LATENT_CHANNELS * (2 if coarse else 1)
    tokenizer = tiny_tokenizer()
    return {
        "vae": tiny_vae(),
        "text_encoder": tiny_text_encoder(tokenizer),
        "tokenizer": tokenizer,
        "unet": tiny_unet(in_channels=channels),
        "controlnet": tiny_controlnet(in_channels=channels),
        "scheduler": DDIMScheduler(
            beta_start=0.00085,
            beta_end=0.012,
            beta_schedule="scaled_linear",
            clip_sample=False,
            set_alpha_to_one=False,
            steps_offset=1,
            prediction_type=prediction_type,
        ),
    }


def tiny_xl_unet(seed: int = 0) -> UNet2DConditionModel:
    """A U-Net in SDXL's block layout: attention below the first level only, two blocks deep."""
    torch.manual_seed(seed)
    return UNet2DConditionModel(
        out_channels=LATENT_CHANNELS,
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        **XL_BLOCKS,
    ).eval()


def tiny_xl_controlnet(*, union: bool = False, seed: int = 1) -> Any:
    """A ControlNet for `tiny_xl_unet`, or one for six kinds of pictures, whose poses matter."""
    torch.manual_seed(seed)
    options: dict[str, Any] = {"conditioning_embedding_out_channels": (8, 16), **XL_BLOCKS}
    if not union:
        return _awakened(ControlNetModel(**options))
    return _awakened(
        ControlNetUnionModel(
            **options,
            num_control_type=6,
            num_trans_channel=16,
            num_trans_head=2,
            num_trans_layer=1,
            num_proj_channel=16,
        )
    )


def tiny_text_encoder_2(tokenizer: CLIPTokenizer, seed: int = 8) -> CLIPTextModelWithProjection:
    """A second text encoder, wider than the first, that also tells the words as a whole."""
    torch.manual_seed(seed)
    config = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=XL_POOLED_WIDTH,
        intermediate_size=2 * XL_POOLED_WIDTH,
        projection_dim=XL_POOLED_WIDTH,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=tokenizer.model_max_length,
        hidden_act="gelu",
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return CLIPTextModelWithProjection(config).eval()


def tiny_xl_components(*, union: bool = False) -> dict[str, Any]:
    """The parts of an animation pipeline of the SDXL class."""
    shared = tiny_components()
    return {
        **shared,
        "text_encoder_2": tiny_text_encoder_2(shared["tokenizer"]),
        "tokenizer_2": tiny_tokenizer(),
        "unet": tiny_xl_unet(),
        "controlnet": tiny_xl_controlnet(union=union),
    }


def tiny_image_encoder(seed: int = 4) -> CLIPVisionModelWithProjection:
    """An image encoder of two layers for pictures of 16 x 16 pixels."""
    torch.manual_seed(seed)
    config = CLIPVisionConfig(
        hidden_size=16,
        intermediate_size=32,
        projection_dim=8,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=16,
        patch_size=8,
    )
    return CLIPVisionModelWithProjection(config).eval()


def tiny_ip_adapter(unet: UNet2DConditionModel, *, width: int = 8) -> dict[str, Any]:
    """Weights of an IP-Adapter for a U-Net, as they lie in its file: four picture tokens."""
    torch.manual_seed(5)
    projection = {
        "proj.weight": torch.randn(4 * TEXT_WIDTH, width),
        "proj.bias": torch.zeros(4 * TEXT_WIDTH),
        "norm.weight": torch.ones(TEXT_WIDTH),
        "norm.bias": torch.zeros(TEXT_WIDTH),
    }
    adapter = {}
    for number, name in enumerate(unet.attn_processors):
        if name.endswith("attn2.processor"):
            layer = unet.get_submodule(name.removesuffix(".processor"))
            for part in ("k", "v"):
                shape = (layer.inner_dim, TEXT_WIDTH)
                adapter[f"{number}.to_{part}_ip.weight"] = torch.randn(shape)
    return {"image_proj": projection, "ip_adapter": adapter}


def tiny_tower(seed: int = 6) -> CLIPVisionModel:
    """A CLIP vision tower of two layers for pictures of 16 x 16 pixels: four patches."""
    torch.manual_seed(seed)
    config = CLIPVisionConfig(
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=16,
        patch_size=8,
    )
    return CLIPVisionModel(config).eval()


def tiny_subject_encoder(unet: UNet2DConditionModel, seed: int = 7) -> SubjectEncoder:
    """An untrained subject encoder for a U-Net, which looks at two depths of `tiny_tower`."""
    torch.manual_seed(seed)
    return SubjectEncoder.for_unet(unet, tiny_tower(), hidden_layers=(1, -1)).eval()
