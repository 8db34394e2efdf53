"""Self-subject attention as one pure function (Eq. 3 of arXiv:2312.13691).

The weight of a source token enters as log(weight), a bias that depends on the key alone.
It is never spread over (queries x keys): on the CPU the kernel reads it as a row of stride 0;
elsewhere it rides in spare head dimensions, where a query of ones picks it up.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from dtvideo.errors import UsageError

NEVER = -1000.0  # bias of a token that one row of a batch drops and another keeps: exp gives 0
LANES = 8  # head dimensions are padded to a multiple of this, as fused kernels want


@dataclass(frozen=True, eq=False)
class Source:
    """Keys and values of one reference at one layer, and how much each of its tokens counts.

    key, value: (batch or 1, heads, tokens, head_dim); a batch of 1 serves every row.
    weight: a number, or (tokens,), >= 0. (batch, tokens) is for training with a mask per row:
    a token that only some rows drop stays in the product with a bias of -1000.
    """

    key: Float[Tensor, "b heads n d"]
    value: Float[Tensor, "b heads n d"]
    weight: float | Float[Tensor, "*b n"] = 1.0


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
    if all(not isinstance(source.weight, Tensor) and source.weight == 1 for source in kept):
        return F.scaled_dot_product_attention(query, keys, values, scale=scale)
    bias = _log_weights(kept, own_tokens=key.shape[2])
    scale = query.shape[-1] ** -0.5 if scale is None else scale
    if query.device.type == "cpu":
        return F.scaled_dot_product_attention(
            query, keys, values, attn_mask=bias[:, None, None, :], scale=scale
        )
    return _folded_attention(query, keys, values, bias=bias, scale=scale)


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
    return Source(
        key=source.key.index_select(2, kept.to(source.key.device)),
        value=source.value.index_select(2, kept.to(source.value.device)),
        weight=weight[..., kept],
    )


def _check_weight(good: bool, weight: float | Tensor) -> None:
    if not good:
        found = weight if not isinstance(weight, Tensor) else weight.min().item()
        raise UsageError("M11", "weight", f"is {found}", "give a finite number of at least 0")


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


def _folded_attention(
    query: Float[Tensor, "b heads q d"],
    key: Float[Tensor, "b heads k d"],
    value: Float[Tensor, "b heads k d"],
    *,
    bias: Float[Tensor, "_ k"],
    scale: float,
) -> Float[Tensor, "b heads q d"]:
    """Attend with the bias carried by two spare head dimensions: [q, 1, 1] [k, high, low]^T.

    high + low = bias / scale; low holds what rounding to half precision takes from high.
    """
    width = query.shape[-1]
    spare = 2 + (-(width + 2)) % LANES
    exact = (bias / scale)[:, None, :]  # (1 or batch, 1, keys)
    high = exact.to(key.dtype)
    low = (exact - high.float()).to(key.dtype)
    query, key, value = (F.pad(part, (0, spare)) for part in (query, key, value))
    query[..., width : width + 2] = 1.0
    key[..., width] = high
    key[..., width + 1] = low
    return F.scaled_dot_product_attention(query, key, value, scale=scale)[..., :width]
