"""Heads that ask what the layers remember of a reference for its colours; training alone has them.

A picture without a coarse frame can take its colours from nowhere else, but the way there is long:
through a layer's values, the layers after it and the output. Asked directly, the layers learn to
hold colours in a few hundred steps (docs/training-log.md).
"""

from collections.abc import Iterator, Mapping

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from dtvideo.attention.cache import Page
from dtvideo.attention.layers import layer_grid, self_attention_layers

COLOURS = 3


class ColourHeads(nn.Module):
    """A linear head for each self-attention layer: the mean colour of a token's cell.

    models: by the names that `install_self_subject_attention` puts before their layers.
    """

    def __init__(self, models: Mapping[str, nn.Module]) -> None:
        super().__init__()
        self.heads = nn.ModuleDict(
            {
                _key(f"{name}.{path}"): nn.Linear(layer.to_q.in_features, COLOURS)
                for name, model in models.items()
                for path, layer in self_attention_layers(model).items()
            }
        )

    def forward(
        self,
        page: Page,
        latents: Float[Tensor, "n c h w"],
        weights: Float[Tensor, "n h w"],
    ) -> Float[Tensor, ""]:
        """Return the mean squared error of all layers, each cell weighted.

        page: layer inputs as written from these latents, whose channels are red, then green, then
        blue patches of pixels.
        """
        colours = latents.reshape(len(latents), COLOURS, -1, *latents.shape[-2:]).mean(dim=2)
        return torch.stack(list(self._errors(page, colours, weights[:, None]))).mean()

    def _errors(
        self, page: Page, colours: Float[Tensor, "n 3 h w"], weights: Float[Tensor, "n 1 h w"]
    ) -> Iterator[Float[Tensor, ""]]:
        for name, entry in page.entries.items():
            grid = layer_grid(page.size, entry.tokens)
            wanted = F.adaptive_avg_pool2d(colours, grid).flatten(2).movedim(1, 2)
            counted = F.adaptive_avg_pool2d(weights, grid).flatten(2).movedim(1, 2)
            told = self.heads[_key(name)](entry.features[0])
            yield (counted * (told - wanted).square()).mean()


def _key(layer: str) -> str:
    """Return a layer's name as a ModuleDict takes it."""
    return layer.replace(".", "/")
