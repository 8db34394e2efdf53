"""Models written with the original names of Stable Diffusion, as in single-file checkpoints.

How many levels there are, and how many layers in each, is read from the weights' own names, so
that tiny models and those of full size go the same way.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

Weights = Mapping[str, Tensor]
Place = str | Callable[[re.Match[str]], str]
Rules = tuple[tuple[str, Place], ...]

RESNET = (
    ("norm1", "in_layers.0"),
    ("conv1", "in_layers.2"),
    ("norm2", "out_layers.0"),
    ("conv2", "out_layers.3"),
    ("time_emb_proj", "emb_layers.1"),
    ("conv_shortcut", "skip_connection"),
)
CONTROLNET: Rules = (
    (r"^controlnet_cond_embedding\.conv_in", "input_hint_block.0"),
    (
        r"^controlnet_cond_embedding\.blocks\.(\d)",
        lambda m: f"input_hint_block.{2 * int(m[1]) + 2}",
    ),
    (r"^controlnet_cond_embedding\.conv_out", "input_hint_block.14"),
    (r"^controlnet_down_blocks\.(\d+)", lambda m: f"zero_convs.{m[1]}.0"),
    (r"^controlnet_mid_block", "middle_block_out.0"),
)


def unet_rules(weights: Weights) -> Rules:
    """Return where the parts of a U-Net go; a level is its layers and what changes the size."""
    per_level = 1 + len(_numbers(weights, r"^down_blocks\.0\.resnets\.(\d)"))

    def down(match: re.Match[str]) -> int:
        return 1 + int(match[1]) * per_level + int(match[2])

    def up(match: re.Match[str]) -> int:
        return int(match[1]) * per_level + int(match[2])

    def upsampler(match: re.Match[str]) -> str:
        after = 2 if _numbers(weights, rf"^up_blocks\.{match[1]}\.attentions\.(\d)") else 1
        return f"output_blocks.{(int(match[1]) + 1) * per_level - 1}.{after}.conv"

    return (
        (r"^time_embedding\.linear_(\d)", lambda m: f"time_embed.{2 * int(m[1]) - 2}"),
        (r"^add_embedding\.linear_(\d)", lambda m: f"label_emb.0.{2 * int(m[1]) - 2}"),
        (r"^conv_in", "input_blocks.0.0"),
        (r"^conv_norm_out", "out.0"),
        (r"^conv_out", "out.2"),
        (r"^down_blocks\.(\d)\.resnets\.(\d)", lambda m: f"input_blocks.{down(m)}.0"),
        (r"^down_blocks\.(\d)\.attentions\.(\d)", lambda m: f"input_blocks.{down(m)}.1"),
        (
            r"^down_blocks\.(\d)\.downsamplers\.0\.conv",
            lambda m: f"input_blocks.{(int(m[1]) + 1) * per_level}.0.op",
        ),
        (r"^mid_block\.resnets\.(\d)", lambda m: f"middle_block.{2 * int(m[1])}"),
        (r"^mid_block\.attentions\.0", "middle_block.1"),
        (r"^up_blocks\.(\d)\.resnets\.(\d)", lambda m: f"output_blocks.{up(m)}.0"),
        (r"^up_blocks\.(\d)\.attentions\.(\d)", lambda m: f"output_blocks.{up(m)}.1"),
        (r"^up_blocks\.(\d)\.upsamplers\.0\.conv", upsampler),
    )


def vae_rules(weights: Weights) -> Rules:
    """Return where the parts of an autoencoder go; the way up is counted from its end."""
    last = max(_numbers(weights, r"^decoder\.up_blocks\.(\d)"))
    return (
        (r"conv_norm_out", "norm_out"),
        (r"down_blocks\.(\d)\.resnets\.(\d)", r"down.\1.block.\2"),
        (r"down_blocks\.(\d)\.downsamplers\.0", r"down.\1.downsample"),
        (r"up_blocks\.(\d)\.resnets\.(\d)", lambda m: f"up.{last - int(m[1])}.block.{m[2]}"),
        (r"up_blocks\.(\d)\.upsamplers\.0", lambda m: f"up.{last - int(m[1])}.upsample"),
        (r"mid_block\.resnets\.(\d)", lambda m: f"mid.block_{int(m[1]) + 1}"),
        (r"mid_block\.attentions\.0", "mid.attn_1"),
        (r"attn_1\.group_norm", "attn_1.norm"),
        (r"attn_1\.to_([qkv])", r"attn_1.\1"),
        (r"attn_1\.to_out\.0", "attn_1.proj_out"),
        (r"conv_shortcut", "nin_shortcut"),
    )


def _numbers(weights: Weights, pattern: str) -> set[int]:
    """Return the numbers that a pattern finds in the names of weights."""
    return {int(match[1]) for name in weights if (match := re.match(pattern, name))}


OPEN_CLIP: Rules = (
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
    return original_names(_state_dicts(components, ("unet", "vae", "text_encoder")))


def original_xl_checkpoint(components: Mapping[str, Any]) -> dict[str, Tensor]:
    """The same for SDXL: the first text encoder as before, the second as OpenCLIP names it."""
    parts = ("unet", "vae", "text_encoder", "text_encoder_2")
    return original_names(_state_dicts(components, parts))


def original_names(parts: Mapping[str, Weights]) -> dict[str, Tensor]:
    """Return the weights of a model's parts under their original names, SDXL's with a second
    text encoder among them.
    """
    unet = renamed(parts["unet"], unet_rules(parts["unet"]))
    vae = renamed(parts["vae"], vae_rules(parts["vae"]))
    is_xl = "text_encoder_2" in parts
    words = "conditioner.embedders.0." if is_xl else "cond_stage_model."
    first = {n.removeprefix("text_model."): v for n, v in parts["text_encoder"].items()}
    found = {
        **_prefixed("model.diffusion_model.", {_in_resnet(n): v for n, v in unet.items()}),
        **_prefixed("first_stage_model.", {n: _convolved(n, v) for n, v in vae.items()}),
        **_prefixed(f"{words}transformer.text_model.", first),
    }
    if is_xl:
        second = _open_clip(parts["text_encoder_2"])
        found |= _prefixed("conditioner.embedders.1.model.", second)
    return found


def _state_dicts(components: Mapping[str, Any], names: Iterable[str]) -> dict[str, Weights]:
    return {name: components[name].state_dict() for name in names}


def _open_clip(weights: Weights) -> dict[str, Tensor]:
    """OpenCLIP joins query, key and value, and has its projection the other way round."""
    names = renamed(weights, OPEN_CLIP)
    projection = names.pop("text_projection.weight").T.contiguous()
    joined = {"text_projection": projection}
    for name, value in names.items():
        match = re.match(r"(.*\.attn)\.q_proj\.(weight|bias)", name)
        if match:
            parts = [names[f"{match[1]}.{part}_proj.{match[2]}"] for part in "qkv"]
            joined[f"{match[1]}.in_proj_{match[2]}"] = torch.cat(parts)
        elif not re.search(r"\.attn\.[kv]_proj", name):
            joined[name] = value
    return joined


def original_controlnet(weights: Weights) -> dict[str, Tensor]:
    """Return the weights of a ControlNet under their original names."""
    names = renamed(weights, (*CONTROLNET, *unet_rules(weights)))
    return _prefixed("control_model.", {_in_resnet(n): v for n, v in names.items()})


def renamed(weights: Weights, rules: Rules) -> dict[str, Tensor]:
    """Return weights with every rule applied to their names."""
    found = {}
    for name, value in weights.items():
        for pattern, place in rules:
            name = re.sub(pattern, place, name)
        found[name] = value
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
