"""Tiny models written with the original names of Stable Diffusion, as in single-file checkpoints.

The names hold for the components of `tests.tiny_models`: two resolutions, one layer in each.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

Weights = Mapping[str, Tensor]
Place = str | Callable[[re.Match[str]], str]
PER_LEVEL = 2

RESNET: tuple[tuple[str, str], ...] = (
    ("norm1", "in_layers.0"),
    ("conv1", "in_layers.2"),
    ("norm2", "out_layers.0"),
    ("conv2", "out_layers.3"),
    ("time_emb_proj", "emb_layers.1"),
    ("conv_shortcut", "skip_connection"),
)
UNET: tuple[tuple[str, Place], ...] = (
    (r"^time_embedding\.linear_(\d)", lambda m: f"time_embed.{2 * int(m[1]) - 2}"),
    (r"^add_embedding\.linear_(\d)", lambda m: f"label_emb.0.{2 * int(m[1]) - 2}"),
    (r"^conv_in", "input_blocks.0.0"),
    (r"^conv_norm_out", "out.0"),
    (r"^conv_out", "out.2"),
    (r"^down_blocks\.(\d)\.resnets\.(\d)", lambda m: f"input_blocks.{_down(m)}.0"),
    (r"^down_blocks\.(\d)\.attentions\.(\d)", lambda m: f"input_blocks.{_down(m)}.1"),
    (r"^down_blocks\.(\d)\.downsamplers\.0\.conv", lambda m: f"input_blocks.{_down(m, 1)}.0.op"),
    (r"^mid_block\.resnets\.(\d)", lambda m: f"middle_block.{2 * int(m[1])}"),
    (r"^mid_block\.attentions\.0", "middle_block.1"),
    (r"^up_blocks\.(\d)\.resnets\.(\d)", lambda m: f"output_blocks.{_up(m)}.0"),
    (r"^up_blocks\.(\d)\.attentions\.(\d)", lambda m: f"output_blocks.{_up(m)}.1"),
    (r"^up_blocks\.(\d)\.upsamplers\.0\.conv", lambda m: f"output_blocks.{_up(m, 1)}.2.conv"),
)
CONTROLNET: tuple[tuple[str, Place], ...] = (
    (r"^controlnet_cond_embedding\.conv_in", "input_hint_block.0"),
    (
        r"^controlnet_cond_embedding\.blocks\.(\d)",
        lambda m: f"input_hint_block.{2 * int(m[1]) + 2}",
    ),
    (r"^controlnet_cond_embedding\.conv_out", "input_hint_block.14"),
    (r"^controlnet_down_blocks\.(\d)", lambda m: f"zero_convs.{m[1]}.0"),
    (r"^controlnet_mid_block", "middle_block_out.0"),
)
VAE: tuple[tuple[str, Place], ...] = (
    (r"conv_norm_out", "norm_out"),
    (r"down_blocks\.(\d)\.resnets\.(\d)", r"down.\1.block.\2"),
    (r"down_blocks\.(\d)\.downsamplers\.0", r"down.\1.downsample"),
    (r"up_blocks\.(\d)\.resnets\.(\d)", lambda m: f"up.{1 - int(m[1])}.block.{m[2]}"),
    (r"up_blocks\.(\d)\.upsamplers\.0", lambda m: f"up.{1 - int(m[1])}.upsample"),
    (r"mid_block\.resnets\.(\d)", lambda m: f"mid.block_{int(m[1]) + 1}"),
    (r"mid_block\.attentions\.0", "mid.attn_1"),
    (r"attn_1\.group_norm", "attn_1.norm"),
    (r"attn_1\.to_([qkv])", r"attn_1.\1"),
    (r"attn_1\.to_out\.0", "attn_1.proj_out"),
    (r"conv_shortcut", "nin_shortcut"),
)

OPEN_CLIP: tuple[tuple[str, Place], ...] = (
    (r"^text_model\.embeddings\.position_embedding\.weight", "positional_embedding"),
    (r"^text_model\.embeddings\.token_embedding", "token_embedding"),
    (r"^text_model\.final_layer_norm", "ln_final"),
    (r"^text_model\.encoder\.layers", "transformer.resblocks"),
    (r"\.layer_norm(\d)", r".ln_\1"),
    (r"\.mlp\.fc1", ".mlp.c_fc"),
    (r"\.mlp\.fc2", ".mlp.c_proj"),
    (r"\.self_attn", ".attn"),
)


def original_checkpoint(components: Mapping[str, Any]) -> dict[str, Tensor]:
    """Return the weights of U-Net, autoencoder and text encoder under their original names."""
    unet = _renamed(components["unet"].state_dict(), UNET)
    vae = _renamed(components["vae"].state_dict(), VAE)
    return {
        **_prefixed("model.diffusion_model.", {_in_resnet(n): v for n, v in unet.items()}),
        **_prefixed("first_stage_model.", {n: _convolved(n, v) for n, v in vae.items()}),
        **_prefixed(
            "cond_stage_model.transformer.text_model.", components["text_encoder"].state_dict()
        ),
    }


def original_xl_checkpoint(components: Mapping[str, Any]) -> dict[str, Tensor]:
    """The same for SDXL: the first text encoder as before, the second as OpenCLIP names it."""
    whole = original_checkpoint(components)
    old, new = "cond_stage_model.", "conditioner.embedders.0."
    first = {name.replace(old, new): value for name, value in whole.items()}
    second = _open_clip(components["text_encoder_2"].state_dict())
    return {**first, **_prefixed("conditioner.embedders.1.model.", second)}


def _open_clip(weights: Weights) -> dict[str, Tensor]:
    """OpenCLIP joins query, key and value, and has its projection the other way round."""
    renamed = _renamed(weights, OPEN_CLIP)
    projection = renamed.pop("text_projection.weight").T.contiguous()
    joined = {"text_projection": projection}
    for name, value in renamed.items():
        match = re.match(r"(.*\.attn)\.q_proj\.(weight|bias)", name)
        if match:
            parts = [renamed[f"{match[1]}.{part}_proj.{match[2]}"] for part in "qkv"]
            joined[f"{match[1]}.in_proj_{match[2]}"] = torch.cat(parts)
        elif not re.search(r"\.attn\.[kv]_proj", name):
            joined[name] = value
    return joined


def original_controlnet(weights: Weights) -> dict[str, Tensor]:
    """Return the weights of a ControlNet under their original names."""
    renamed = _renamed(weights, (*CONTROLNET, *UNET))
    return _prefixed("control_model.", {_in_resnet(n): v for n, v in renamed.items()})


def _down(match: re.Match[str], layer: int | None = None) -> int:
    return 1 + int(match[1]) * PER_LEVEL + (int(match[2]) if layer is None else layer)


def _up(match: re.Match[str], layer: int | None = None) -> int:
    return int(match[1]) * PER_LEVEL + (int(match[2]) if layer is None else layer)


def _renamed(weights: Weights, rules: tuple[tuple[str, Place], ...]) -> dict[str, Tensor]:
    found = {}
    for name, value in weights.items():
        for pattern, place in rules:
            name = re.sub(pattern, place, name)
        found[name] = value.clone()
    return found


def _in_resnet(name: str) -> str:
    """Rename inside a residual block; those of attention keep their names."""
    if re.match(r"(input|output)_blocks\.\d+\.0\.|middle_block\.[02]\.", name):
        for ours, theirs in RESNET:
            name = name.replace(f".{ours}.", f".{theirs}.")
    return name


def _convolved(name: str, value: Tensor) -> Tensor:
    """The original autoencoder's attention is made of 1 x 1 convolutions."""
    return value[..., None, None] if "attn_1" in name and value.ndim == 2 else value


def _prefixed(prefix: str, weights: Weights) -> dict[str, Tensor]:
    return {f"{prefix}{name}": value for name, value in weights.items()}
