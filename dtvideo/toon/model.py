"""The parts of the toon model: diffusers' and transformers' own classes at small size.

The denoiser is coarse-conditioned (docs/decisions/0002-residual-coarse-frame.md): the encoded
coarse frame is joined to the noisy latents, so `in_channels` is twice the latent channels.
"""

from diffusers import ControlNetModel, DDIMScheduler, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from dtvideo.toon.patches import PatchAutoencoder
from dtvideo.toon.tokenizer import MAX_TOKENS

SIZE = 128
"""Side of the pictures that the model is trained on, in pixels."""
PATCH = 2
"""Side of a patch that is one latent, in pixels."""
LATENT_CHANNELS = 3 * PATCH**2
TEXT_WIDTH = 96
CHANNELS = (32, 64, 96, 160)
HEADS = (1, 2, 3, 5)
ATTENTION_STRIDES = (4, 8, 16)
"""Pixels from one token to the next, of all the layers with self-attention."""


def build_autoencoder() -> PatchAutoencoder:
    """Return the fixed transform between pictures and latents."""
    vae: PatchAutoencoder = PatchAutoencoder(patch_size=PATCH, sample_size=SIZE)
    return vae


def build_unet() -> UNet2DConditionModel:
    """Return an untrained U-Net with self-attention at 1/4, 1/8 and 1/16 of the picture's side.

    At 1/4 a token has room for every colour of its 4 x 4 pixels, which a reference must show.
    """
    return UNet2DConditionModel(
        sample_size=SIZE // PATCH,
        out_channels=LATENT_CHANNELS,
        down_block_types=("DownBlock2D", *("CrossAttnDownBlock2D",) * 3),
        up_block_types=(*("CrossAttnUpBlock2D",) * 3, "UpBlock2D"),
        **_widths(),
    )


def build_controlnet() -> ControlNetModel:
    """Return an untrained pose ControlNet that fits `build_unet`."""
    return ControlNetModel(
        conditioning_embedding_out_channels=(16, 32),
        down_block_types=(*("DownBlock2D",) * 2, *("CrossAttnDownBlock2D",) * 2),
        **_widths(),
    )


def _widths() -> dict[str, object]:
    return {
        "in_channels": 2 * LATENT_CHANNELS,
        "block_out_channels": CHANNELS,
        "layers_per_block": 1,
        "cross_attention_dim": TEXT_WIDTH,
        "attention_head_dim": HEADS,
        "norm_num_groups": 16,
    }


def build_text_encoder(tokenizer: CLIPTokenizer) -> CLIPTextModel:
    """Return an untrained CLIP text encoder for the words of a tokenizer."""
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=TEXT_WIDTH,
            intermediate_size=2 * TEXT_WIDTH,
            num_hidden_layers=2,
            num_attention_heads=4,
            max_position_embeddings=MAX_TOKENS,
            projection_dim=TEXT_WIDTH,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


def build_scheduler() -> DDIMScheduler:
    """Return the toon sampler: predicts the clean latents, ends in pure noise, few steps."""
    return DDIMScheduler(
        beta_schedule="scaled_linear",
        beta_start=0.00085,
        beta_end=0.012,
        prediction_type="sample",
        timestep_spacing="trailing",
        rescale_betas_zero_snr=True,
        clip_sample=False,
        set_alpha_to_one=True,
    )
