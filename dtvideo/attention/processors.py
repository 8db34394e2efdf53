"""The attention processor that writes what a layer sees of a reference, or reads it back."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from diffusers.models.attention_processor import Attention
from jaxtyping import Float
from torch import Tensor

from dtvideo.attention.alignment import Alignment, PoseAlignment
from dtvideo.attention.cache import Entry, Page, ReferenceCache
from dtvideo.attention.functional import Source, self_subject_attention
from dtvideo.attention.layers import layer_grid
from dtvideo.attention.places import Places
from dtvideo.errors import UsageError

MASK_FLOOR = 0.05  # a cell of a resized mask below this holds no subject


class AllWrittenError(Exception):
    """Leaves a forward of which nothing is wanted beyond what its layers have stored."""


@dataclass(frozen=True, eq=False)
class Writing:
    """Forwards store their features as `role`; row i at steps[i], or all rows at the one step.

    stop_after: how many layers store before the forward is left; 0 lets it come to its end.
    """

    role: str
    steps: tuple[int, ...]
    size: tuple[int, int]
    mask: Float[Tensor, "*b h w"] | None
    places: Places | None = None
    stop_after: int = 0
    _weights: dict[int, Tensor] = field(default_factory=dict)

    def weight(self, tokens: int) -> float | Tensor:
        """Return the weight of each token of a layer: 1.0, (tokens,) or (batch, tokens)."""
        if self.mask is None:
            return 1.0
        if tokens not in self._weights:
            self._weights[tokens] = resize_mask(self.mask, layer_grid(self.size, tokens))
        return self._weights[tokens]


@dataclass(frozen=True, eq=False)
class Reading:
    """Forwards attend to these pages, each token times the weight of its role.

    window: (h, w) of the latents inside where they are windows of what a page was written from.
    """

    sources: Mapping[str, tuple[Page, float]]
    alignment: PoseAlignment | None = None
    window: tuple[int, int] | None = None

    def grid(self, page: Page, entry: Entry) -> tuple[int, int]:
        """Return the (h, w) of the tokens that a layer reads an entry with."""
        rows, columns = layer_grid(page.size, entry.tokens)
        if self.window is None:
            return rows, columns
        height, width = self.window
        return height * rows // page.size[0], width * columns // page.size[1]


@dataclass(eq=False)
class Exchange:
    """What all processors of one installation share: the cache and what is going on."""

    cache: ReferenceCache
    mode: Writing | Reading | None = None


class SelfSubjectProcessor:
    """Self-attention that can also attend to remembered references.

    With nothing to write and no source to read it hands the call to the processor it replaced.
    """

    def __init__(self, original: Any, *, layer: str, exchange: Exchange) -> None:
        self.original = original
        self.layer = layer
        self.exchange = exchange

    def __call__(
        self,
        attn: Attention,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        *args: Any,
        **kwargs: Any,
    ) -> Tensor:
        mode = self.exchange.mode
        if mode is None or (isinstance(mode, Reading) and not mode.sources):
            plain: Tensor = self.original(
                attn, hidden_states, encoder_hidden_states, attention_mask, *args, **kwargs
            )
            return plain
        if attention_mask is not None:
            raise UsageError("M11", self.layer, "an attention mask is set", "pass none")
        key, value = project(attn, hidden_states)
        if isinstance(mode, Writing):
            self._write(mode, hidden_states, key=key, value=value)
            return attend(attn, hidden_states, key=key, value=value, sources=())
        sources = self._read(mode, attn, hidden_states)
        return attend(attn, hidden_states, key=key, value=value, sources=sources)

    def _write(self, mode: Writing, hidden_states: Tensor, *, key: Tensor, value: Tensor) -> None:
        tokens = hidden_states.shape[1]
        grid = layer_grid(mode.size, tokens)
        weight = mode.weight(tokens)
        if len(mode.steps) not in (1, len(hidden_states)):
            raise UsageError(
                "M11", "step", f"names {len(mode.steps)} steps", f"batch has {len(hidden_states)}"
            )
        keep_input = self.exchange.cache.storage in ("features", "inputs")
        features: tuple[Tensor, ...] = (hidden_states,) if keep_input else (key, value)
        kept = _kept_tokens(weight)
        places = mode.places(grid) if mode.places is not None else None
        if kept is not None and isinstance(weight, Tensor):
            features, weight = tuple(_take(part, kept) for part in features), weight[kept]
            places = _take(places, kept) if places is not None else None
        for row, step in enumerate(mode.steps):
            rows = slice(None) if len(mode.steps) == 1 else slice(row, row + 1)
            entry = Entry(tuple(part[rows] for part in features), weight, tokens, places)
            self.exchange.cache.store(mode.role, step, self.layer, entry)
        written = self.exchange.cache.page(mode.role, mode.steps[-1])
        if len(written.entries) == mode.stop_after:
            raise AllWrittenError

    def _read(self, mode: Reading, attn: Attention, hidden_states: Tensor) -> list[Source]:
        sources = []
        for role, (page, role_weight) in mode.sources.items():
            entry = page.entries.get(self.layer)
            tokens = hidden_states.shape[1]
            if entry is None or math.prod(mode.grid(page, entry)) != tokens:
                found = "nothing" if entry is None else f"{entry.tokens} tokens"
                raise UsageError(
                    "M11",
                    f"{role} at {self.layer}",
                    f"{found} written from a latent of {page.size}, {tokens} tokens to read",
                    "write the source at the resolution it is read at",
                )
            entry = entry.over_rows(len(hidden_states))
            features = tuple(part.to(hidden_states.device) for part in entry.features)
            key, value = features if len(features) == 2 else project(attn, features[0])
            alignment = self._align(mode, role, entry)
            sources.append(Source(key, value, entry.weight * role_weight, alignment))
        return sources

    def _align(self, mode: Reading, role: str, entry: Entry) -> Alignment | None:
        if mode.alignment is None:
            return None
        if entry.places is None:
            raise UsageError(
                "M11", role, "was written without its pose", "give `places` when writing it"
            )
        grid = mode.grid(mode.sources[role][0], entry)
        return mode.alignment.to_source(role, grid, key=entry.places, weight=entry.weight)


def resize_mask(mask: Float[Tensor, "*b h w"], grid: tuple[int, int]) -> Float[Tensor, "*b n"]:
    """Average a mask over the cells of a grid; cells below the floor become 0."""
    batched = mask if mask.ndim == 3 else mask[None]
    cells = F.interpolate(batched[:, None].float(), size=grid, mode="area").flatten(1)
    cells = torch.where(cells < MASK_FLOOR, 0.0, cells)
    return cells if mask.ndim == 3 else cells[0]


def project(
    attn: Attention, hidden_states: Float[Tensor, "b n c"]
) -> tuple[Float[Tensor, "b heads n d"], Float[Tensor, "b heads n d"]]:
    """Return a layer's keys and values of some tokens."""
    key = _split_heads(attn.to_k(hidden_states), attn.heads)
    value = _split_heads(attn.to_v(hidden_states), attn.heads)
    return key if attn.norm_k is None else attn.norm_k(key), value


def attend(
    attn: Attention,
    hidden_states: Float[Tensor, "b n c"],
    *,
    key: Float[Tensor, "b heads n d"],
    value: Float[Tensor, "b heads n d"],
    sources: list[Source] | tuple[()],
) -> Float[Tensor, "b n c"]:
    """Run a layer on its own tokens and the sources."""
    query = _split_heads(attn.to_q(hidden_states), attn.heads)
    query = query if attn.norm_q is None else attn.norm_q(query)
    attended = self_subject_attention(query, key, value, sources)
    merged = attended.transpose(1, 2).flatten(2)  # (batch, tokens, heads * head_dim)
    output: Tensor = attn.to_out[1](attn.to_out[0](merged))
    if attn.residual_connection:
        output = output + hidden_states
    scaled: Tensor = output / attn.rescale_output_factor
    return scaled


def _split_heads(states: Tensor, heads: int) -> Tensor:
    batch, tokens, channels = states.shape
    return states.view(batch, tokens, heads, channels // heads).transpose(1, 2)


def _kept_tokens(weight: float | Tensor) -> Tensor | None:
    """Return which tokens the mask of a whole batch leaves in; None when it drops none."""
    if not isinstance(weight, Tensor) or weight.ndim == 2:
        return None
    return weight.nonzero().squeeze(1)


def _take(part: Tensor, kept: Tensor) -> Tensor:
    """Return some tokens of a part; they lie on axis -2."""
    return part.index_select(-2, kept.to(part.device))
