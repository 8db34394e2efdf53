"""Self-subject attention as one pure function (Eq. 3 of arXiv:2312.13691).

The weight of a source token enters as log(weight), a bias that depends on the key alone.
It is never spread over (queries x keys): on the CPU the kernel reads it as a row of stride 0;
elsewhere it rides in spare head dimensions, where a query of ones picks it up. So does, everywhere,
the alignment of queries with a source (dtvideo.attention.alignment).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from dtvideo.attention.alignment import Alignment
from dtvideo.errors import UsageError

NEVER = -1000.0  # bias of a token that one row of a batch drops and another keeps: exp gives 0
LANES = 8  # head dimensions are padded to a multiple of this, as fused kernels want

Lanes = tuple[Float[Tensor, "*r #q lanes"], Float[Tensor, "*s k lanes"]]
"""Further head dimensions of the queries and of the keys."""


@dataclass(frozen=True, eq=False)
class Source:
    """Keys and values of one reference at one layer, and how much each of its tokens counts.

    key, value: (batch or 1, heads, tokens, head_dim); a batch of 1 serves every row.
    weight: a number, or (tokens,), >= 0. (batch, tokens) is for training with a mask per row:
    a token that only some rows drop stays in the product with a bias of -1000.
    alignment: how near each query is to each token, added to the score.
    """

    key: Float[Tensor, "b heads n d"]
    value: Float[Tensor, "b heads n d"]
    weight: float | Float[Tensor, "*b n"] = 1.0
    alignment: Alignment | None = None


def self_subject_attention(
    query: Float[Tensor, "b heads q d"],
    key: Float[Tensor, "b heads k d"],
    value: Float[Tensor, "b heads k d"],
    sources: Sequence[Source],
    *,
    scale: float | None = None,
) -> Float[Tensor, "b heads q d"]:
    """Attend to one's own tokens and to those of the sources, each counted `weight` times.

    softmax(q [k, k_r]^T * scale + log m) [v, v_r]; scale defaults to head_dim ** -0.5. Tokens of
    weight 0 are dropped before the product; without any left it is plain attention.
    Raises: UsageError M11 when a weight is negative or not a number.
    """
    kept = [left for source in sources if (left := drop_unweighted(source)) is not None]
    if not kept:
        return F.scaled_dot_product_attention(query, key, value, scale=scale)
    rows = len(query)
    keys = torch.cat([key, *(_over_rows(source.key, rows) for source in kept)], dim=2)
    values = torch.cat([value, *(_over_rows(source.value, rows) for source in kept)], dim=2)
    if all(_is_plain(source) for source in kept):
        return F.scaled_dot_product_attention(query, keys, values, scale=scale)
    bias = _log_weights(kept, own_tokens=key.shape[2])
    scale = query.shape[-1] ** -0.5 if scale is None else scale
    if any(source.alignment is not None for source in kept):
        lanes = _aligned_lanes(kept, bias, query=query, scale=scale)
        return _attend_in_lanes(query, keys, values, lanes=lanes, scale=scale)
    if query.device.type == "cpu":
        # torch's kernel reads a float32 mask beside float64 queries wrongly, without a word
        mask = bias[:, None, None, :].to(torch.promote_types(query.dtype, bias.dtype))
        return F.scaled_dot_product_attention(query, keys, values, attn_mask=mask, scale=scale)
    lanes = _bias_lanes(bias / scale, query.dtype)
    return _attend_in_lanes(query, keys, values, lanes=lanes, scale=scale)


def drop_unweighted(source: Source) -> Source | None:
    """Return the source without the tokens that no row weighs; None when none is left.

    Raises: UsageError M11 when a weight is negative or not a number.
    """
    weight = source.weight
    if not isinstance(weight, Tensor):
        _check_weight(math.isfinite(weight) and weight >= 0, weight)
        return source if weight > 0 and source.key.shape[2] > 0 else None
    _check_weight(bool((torch.isfinite(weight) & (weight >= 0)).all()), weight)
    counted = weight > 0 if weight.ndim == 1 else (weight > 0).any(dim=0)
    if counted.all():
        return source if len(counted) else None
    if not counted.any():
        return None
    kept = counted.nonzero().squeeze(1)
    alignment = source.alignment
    if alignment is not None:
        key_places = alignment.key.index_select(-2, kept.to(alignment.key.device))
        alignment = replace(alignment, key=key_places)
    return Source(
        key=source.key.index_select(2, kept.to(source.key.device)),
        value=source.value.index_select(2, kept.to(source.value.device)),
        weight=weight[..., kept],
        alignment=alignment,
    )


def _check_weight(good: bool, weight: float | Tensor) -> None:
    if not good:
        found = weight if not isinstance(weight, Tensor) else weight.min().item()
        raise UsageError("M11", "weight", f"is {found}", "give a finite number of at least 0")


def _is_plain(source: Source) -> bool:
    return source.alignment is None and not isinstance(source.weight, Tensor) and source.weight == 1


def _over_rows(tokens: Tensor, rows: int) -> Tensor:
    if len(tokens) not in (1, rows):
        raise UsageError(
            "M11",
            "source",
            f"has {len(tokens)} rows for a batch of {rows}",
            "give one row for all, or one for each",
        )
    return tokens.expand(rows, -1, -1, -1)


def _log_weights(sources: Sequence[Source], *, own_tokens: int) -> Float[Tensor, "b k"]:
    """Return log m of Eq. 3 in float32, (1 or batch, own tokens then source tokens)."""
    device = sources[0].key.device
    parts = [torch.zeros(1, own_tokens, device=device)]
    for source in sources:
        tokens = source.key.shape[2]
        if isinstance(source.weight, Tensor):
            weight = source.weight.to(device=device, dtype=torch.float32)
            logarithm = weight.log().clamp_min(NEVER)
            parts.append(logarithm if logarithm.ndim == 2 else logarithm[None])
        else:
            parts.append(torch.full((1, tokens), math.log(source.weight), device=device))
    rows = max(len(part) for part in parts)
    return torch.cat([part.expand(rows, -1) for part in parts], dim=1)


def _bias_lanes(bias: Float[Tensor, "_ k"], dtype: torch.dtype) -> Lanes:
    """Return the lanes that add a bias per key: [1, 1] [high, low]^T.

    low holds what rounding to half precision takes from high.
    """
    parts = _high_and_low(bias, dtype)
    return torch.ones(1, 1, 2, device=bias.device, dtype=dtype), parts


def _aligned_lanes(
    sources: Sequence[Source],
    bias: Float[Tensor, "_ k"],
    *,
    query: Float[Tensor, "b heads q d"],
    scale: float,
) -> Lanes:
    """Return the lanes that add the bias and, for each aligned source, -|q - k|^2 / 2 + log Z.

    [q, 1, 1, high, low] [k, high', low', 1, 1]^T, q and k rounded to half precision before their
    squares are taken, so that the three terms cancel as they should. The lanes of one source are 0
    in the keys of all others.
    """
    dtype, tokens = query.dtype, bias.shape[1]
    first = tokens - sum(source.key.shape[2] for source in sources)
    on_keys = bias / scale
    query_lanes, key_lanes = [], []
    for source in sources:
        last = first + source.key.shape[2]
        if source.alignment is not None:
            near = source.alignment
            of_query = _batched(near.query / scale**0.5).to(dtype)
            of_key = _batched(near.key / scale**0.5).to(dtype)
            on_query = _batched(near.log_gain, 2) / scale - _half_square(of_query)
            around = (first, tokens - last)
            on_keys = on_keys - F.pad(_half_square(of_key), around)
            query_lanes += [of_query, _high_and_low(on_query, dtype)]
            key_lanes.append(F.pad(F.pad(of_key, (0, 2), value=1.0), (0, 0, *around)))
        first = last
    ones, parts = _bias_lanes(on_keys, dtype)
    query_lanes.append(ones.expand(1, query.shape[2], -1))
    return _join(query_lanes), _join([*key_lanes, parts])


def _attend_in_lanes(
    query: Float[Tensor, "b heads q d"],
    key: Float[Tensor, "b heads k d"],
    value: Float[Tensor, "b heads k d"],
    *,
    lanes: Lanes,
    scale: float,
) -> Float[Tensor, "b heads q d"]:
    """Attend with what the lanes' products add to the scores before they are scaled."""
    width = query.shape[-1]
    spare = lanes[0].shape[-1] + (-(width + lanes[0].shape[-1])) % LANES
    query, key = (
        _with_lanes(part, lane, spare) for part, lane in zip((query, key), lanes, strict=True)
    )
    value = F.pad(value, (0, spare))
    return F.scaled_dot_product_attention(query, key, value, scale=scale)[..., :width]


def _with_lanes(part: Tensor, lanes: Tensor, spare: int) -> Tensor:
    padded = F.pad(lanes, (0, spare - lanes.shape[-1]))[:, None]
    return torch.cat([part, padded.expand(*part.shape[:3], -1)], dim=-1)


def _high_and_low(exact: Float[Tensor, "_ n"], dtype: torch.dtype) -> Float[Tensor, "_ n 2"]:
    """Return two numbers of a type whose sum is the number given, but for its last bits."""
    high = exact.to(dtype)
    return torch.stack([high, (exact - high.to(exact.dtype)).to(dtype)], dim=-1)


def _half_square(places: Float[Tensor, "_ n p"]) -> Float[Tensor, "_ n"]:
    exact = places.to(torch.promote_types(places.dtype, torch.float32))
    return exact.square().sum(dim=-1) / 2


def _batched(part: Tensor, rank: int = 3) -> Tensor:
    return part if part.ndim == rank else part[None]


def _join(lanes: Sequence[Tensor]) -> Tensor:
    rows = max(len(part) for part in lanes)
    return torch.cat([part.expand(rows, -1, -1) for part in lanes], dim=-1)
