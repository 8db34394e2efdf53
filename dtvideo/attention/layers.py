"""Which layers of a model are self-attention, by exact name, and the grid that each one sees."""

from collections.abc import Collection

from diffusers.models.attention import BasicTransformerBlock
from diffusers.models.attention_processor import Attention
from torch import nn

from dtvideo.errors import UsageError


def self_attention_layers(model: nn.Module) -> dict[str, Attention]:
    """Return the self-attention layers of a model's transformer blocks by module path, in order."""
    return {
        f"{path}.{name}": layer
        for path, block in transformer_blocks(model).items()
        for name, layer in block.named_children()
        if isinstance(layer, Attention) and not layer.is_cross_attention
    }


def transformer_blocks(model: nn.Module) -> dict[str, BasicTransformerBlock]:
    """Return a model's transformer blocks by module path, in order."""
    return {
        path: block
        for path, block in model.named_modules()
        if isinstance(block, BasicTransformerBlock)
    }


def pick_layers(
    available: dict[str, Attention], names: Collection[str] | None
) -> dict[str, Attention]:
    """Return the named layers, or all when no names are given.

    Raises: UsageError M11 for a name that does not exist; the message lists those that do.
    """
    if names is None:
        return available
    if unknown := [name for name in names if name not in available]:
        raise UsageError(
            "M11", "layers", f"no layer is named {unknown[0]!r}", f"choose from {list(available)}"
        )
    return {name: layer for name, layer in available.items() if name in names}


def layer_grid(size: tuple[int, int], tokens: int) -> tuple[int, int]:
    """Return the (h, w) that a layer with so many tokens sees when the latent is `size`.

    Each downsampling halves a side and rounds up.
    Raises: UsageError M11 when no halving of the latent has that many cells.
    """
    height, width = size
    while height * width > tokens and (height, width) != (1, 1):
        height, width = (height + 1) // 2, (width + 1) // 2
    if height * width != tokens:
        raise UsageError(
            "M11",
            "size",
            f"a layer with {tokens} tokens does not come from a latent of {size}",
            "give the (height, width) of the latents that go through the model",
        )
    return height, width
