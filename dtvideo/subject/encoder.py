"""The subject encoder: a frozen image tower, what it saw at several depths, brought to tokens.

Section 3.1 of arXiv:2312.13691. The layers that look at the tokens, one for each transformer block
of the U-Net, belong to the encoder and are saved with it: they are trained together.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from diffusers.models.attention_processor import Attention
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from transformers import CLIPVisionConfig, CLIPVisionModel

from dtvideo.attention.layers import transformer_blocks
from dtvideo.errors import ModelError

HIDDEN_LAYERS = (4, 8, 12, 16, -1)
"""Of the 25 hidden states of CLIP ViT-L, 0 being the embeddings."""
PIXEL_MEAN = (0.48145466, 0.4578275, 0.40821073)
PIXEL_SPREAD = (0.26862954, 0.26130258, 0.27577711)
NORM_GROUPS = 32


class SubjectEncoder(ModelMixin, ConfigMixin):  # type: ignore[misc]
    """Turns the picture of a character into tokens, and holds the layers that look at them.

    vision: settings of the CLIP vision tower; hidden_layers: which of its hidden states are
    used; width: of the tokens, the U-Net's cross-attention width; blocks: residual blocks.
    layers: for each transformer block, by its path in the U-Net, the width of its features, its
    heads and the width of a head. Use `for_unet` to get them right.
    """

    @register_to_config  # type: ignore[untyped-decorator]
    def __init__(
        self,
        vision: dict[str, Any],
        layers: dict[str, Sequence[int]],
        hidden_layers: Sequence[int] = HIDDEN_LAYERS,
        width: int = 768,
        blocks: int = 2,
    ) -> None:
        super().__init__()
        config = CLIPVisionConfig(**vision)
        _check_depth(hidden_layers, config.num_hidden_layers)
        self.tower = CLIPVisionModel(config).requires_grad_(False)
        self.narrow = nn.Conv2d(len(hidden_layers) * config.hidden_size, width, 1)
        self.resnets = nn.ModuleList(ResidualBlock(width) for _ in range(blocks))
        self.norm = nn.LayerNorm(width)
        self.attentions = nn.ModuleDict(
            {
                _key(path): SubjectLayer(channels, width=width, heads=heads, head_width=head_width)
                for path, (channels, heads, head_width) in sorted(layers.items())
            }
        )

    @classmethod
    def for_unet(
        cls,
        unet: Any,
        tower: CLIPVisionModel,
        *,
        hidden_layers: Sequence[int] = HIDDEN_LAYERS,
        blocks: int = 2,
    ) -> "SubjectEncoder":
        """Return an untrained encoder for a U-Net that looks through a CLIP vision tower.

        Each layer begins as a copy of its block's text cross-attention, its output at zero: the
        U-Net's own output is unchanged to the bit.
        """
        found = transformer_blocks(unet)
        encoder: SubjectEncoder = cls(
            vision=tower.config.to_diff_dict(),
            layers={path: _measure(block.attn2) for path, block in found.items()},
            hidden_layers=tuple(hidden_layers),
            width=_text_width(unet),
            blocks=blocks,
        )
        encoder.tower.load_state_dict(tower.state_dict())
        for path, block in found.items():
            encoder.layer(path).begin_as(block)
        encoder.to(unet.dtype)
        return encoder

    @property
    def paths(self) -> tuple[str, ...]:
        """The transformer blocks that have a layer, by their path in the U-Net, sorted."""
        return tuple(sorted(self.config.layers))

    @property
    def picture_size(self) -> int:
        """Side in pixels of the pictures that the tower takes."""
        return int(self.tower.config.image_size)

    def layer(self, path: str) -> "SubjectLayer":
        """Return the layer of a transformer block."""
        layer = self.attentions[_key(path)]
        assert isinstance(layer, SubjectLayer)
        return layer

    def forward(self, pictures: Float[Tensor, "b 3 s s"]) -> Float[Tensor, "b n d"]:
        """Return the tokens of some pictures, made by `subject_picture`."""
        states = self.tower(pictures, output_hidden_states=True).hidden_states
        patches = torch.cat([states[index][:, 1:] for index in self.config.hidden_layers], dim=-1)
        side = math.isqrt(patches.shape[1])
        features = self.narrow(patches.mT.reshape(len(patches), -1, side, side))
        for block in self.resnets:
            features = block(features)
        tokens: Tensor = self.norm(features.flatten(2).mT)
        return tokens


class SubjectLayer(nn.Module):
    """Attention of one transformer block to the subject's tokens: its own norm, like the text's."""

    def __init__(self, channels: int, *, width: int, heads: int, head_width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)
        self.attention = Attention(
            channels, cross_attention_dim=width, heads=heads, dim_head=head_width
        )
        nn.init.zeros_(self.attention.to_out[0].weight)
        nn.init.zeros_(self.attention.to_out[0].bias)

    def begin_as(self, block: Any) -> None:
        """Copy the norm and the projections, but for the output, of a block's cross-attention."""
        self.norm.load_state_dict(block.norm2.state_dict())
        for name in ("to_q", "to_k", "to_v"):
            weights = _plain(getattr(block.attn2, name)).state_dict()
            getattr(self.attention, name).load_state_dict(weights)

    def forward(
        self, features: Float[Tensor, "b n c"], tokens: Float[Tensor, "b m d"]
    ) -> Float[Tensor, "b n c"]:
        """Return what is to be added to the block's features."""
        added: Tensor = self.attention(self.norm(features), encoder_hidden_states=tokens)
        return added


class ResidualBlock(nn.Module):
    """Two convolutions of 3 x 3 beside a straight way."""

    def __init__(self, width: int) -> None:
        super().__init__()
        groups = math.gcd(NORM_GROUPS, width)
        self.body = nn.Sequential(
            nn.GroupNorm(groups, width),
            nn.SiLU(),
            nn.Conv2d(width, width, 3, padding=1),
            nn.GroupNorm(groups, width),
            nn.SiLU(),
            nn.Conv2d(width, width, 3, padding=1),
        )

    def forward(self, features: Float[Tensor, "b d h w"]) -> Float[Tensor, "b d h w"]:
        """Return the features with the block's own added."""
        changed: Tensor = features + self.body(features)
        return changed


def subject_picture(
    reference: UInt8[np.ndarray, "h w 3"],
    mask: Float[np.ndarray, "h w"] | None,
    *,
    side: int,
) -> Float[Tensor, "1 3 side side"]:
    """Return the character on white, padded to a square, as a CLIP tower wants it.

    mask: 1 is the character; without one the whole picture is.
    """
    pixels = torch.from_numpy(np.ascontiguousarray(reference)).float() / 255
    if mask is not None:
        share = torch.from_numpy(np.ascontiguousarray(mask)).float()[..., None]
        pixels = pixels * share + 1 - share
    height, width = pixels.shape[:2]
    across, down = max(0, height - width), max(0, width - height)
    around = (across // 2, across - across // 2, down // 2, down - down // 2)
    square = F.pad(pixels.permute(2, 0, 1)[None], around, value=1.0)
    sized = F.interpolate(square, size=(side, side), mode="bicubic", antialias=True).clamp(0, 1)
    mean, spread = (torch.tensor(values).view(1, 3, 1, 1) for values in (PIXEL_MEAN, PIXEL_SPREAD))
    return (sized - mean) / spread


def _key(path: str) -> str:
    return path.replace(".", "/")


def _measure(attention: Any) -> tuple[int, int, int]:
    """Return the width of a cross-attention's input, its heads, and the width of a head."""
    return attention.query_dim, attention.heads, attention.inner_dim // attention.heads


def _text_width(unet: Any) -> int:
    """Return the one width of the words that a U-Net takes. Raises: ModelError M5."""
    width = unet.config.cross_attention_dim
    widths = {width} if isinstance(width, int) else set(width)
    if len(widths) != 1:
        problem = f"takes words of several widths, {sorted(widths)}"
        raise ModelError("M5", "unet", problem, "use one with a single width")
    return int(widths.pop())


def _plain(layer: nn.Module) -> nn.Module:
    """Return a layer without the LoRA around it."""
    base = getattr(layer, "base_layer", layer)
    assert isinstance(base, nn.Module)
    return base


def _check_depth(hidden_layers: Sequence[int], depth: int) -> None:
    states = depth + 1
    if wrong := [index for index in hidden_layers if not -states <= index < states]:
        raise ModelError(
            "M5",
            "subject encoder",
            f"hidden state {wrong[0]} of a tower that has {states}",
            f"choose from 0 to {depth}, or -1 for the last",
        )
