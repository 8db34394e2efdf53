"""Pose-aligned attention: a query reads the reference where the same part of the body is.

The score of a (query, reference key) pair is lowered by (a / 2) |phi_q - phi_k|^2, phi being body
coordinates. A square distance is a product of what depends on the query and what depends on the
key, so it rides in spare head dimensions and needs no (query x key) mask: see docs/method.md.
"""

import math
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from dtvideo.attention.places import Places

MOST_GAIN = 1000.0  # how far the reference's lost weight is made up for
QUERIES_AT_ONCE = 1024
NEGLIGIBLE = -80.0
"""Logarithm of a share that a sum does not feel; the exponential of less is many times as slow."""


@dataclass(frozen=True, eq=False)
class Alignment:
    """How near each query is to each token of a source: -|query - key|^2 / 2 + log_gain.

    query, key: sqrt(a) times the centred body coordinates; log_gain: log Z of each query.
    """

    query: Float[Tensor, "*b q p"]
    key: Float[Tensor, "*c k p"]
    log_gain: Float[Tensor, "*d q"]


@dataclass(frozen=True, eq=False)
class PoseAlignment:
    """How the tokens of one frame are aligned with its sources; what is worked out is kept.

    places: body coordinates of the frame; strength: a, above 0; most_gain: limit of Z.
    """

    places: Places
    strength: float
    most_gain: float = MOST_GAIN
    _made: dict[tuple[str, int], Alignment] = field(default_factory=dict)

    def to_source(
        self, role: str, grid: tuple[int, int], *, key: Tensor, weight: float | Tensor
    ) -> Alignment:
        """Return the alignment of a layer's tokens with those kept of a source.

        key: their body coordinates, (*b, tokens, p); weight: how much each counts.
        """
        known = (role, math.prod(grid))
        if known not in self._made:
            self._made[known] = align(
                self.places(grid).to(key.device),
                key,
                strength=self.strength,
                weight=weight,
                most_gain=self.most_gain,
            )
        return self._made[known]


def align(
    query: Float[Tensor, "*b q p"],
    key: Float[Tensor, "*c k p"],
    *,
    strength: float,
    weight: float | Float[Tensor, "*d k"] = 1.0,
    most_gain: float = MOST_GAIN,
) -> Alignment:
    """Return the alignment of queries and source tokens at these body coordinates.

    Z = sum w / sum w exp(-(a / 2) |phi_q - phi_k|^2) keeps the source's total weight: without it
    a large `strength` starves the source. It is limited to `most_gain`, so that a query whose
    part of the body the source does not show is not forced to read another; 1 leaves Z out.
    """
    if key.shape[-2] == 0:
        return Alignment(query, key, query.new_zeros(query.shape[:-1]))
    centre = key.mean(dim=-2, keepdim=True)
    root = math.sqrt(strength)
    query, key = root * (query - centre), root * (key - centre)
    log_weight = torch.as_tensor(weight, device=key.device, dtype=key.dtype).log()
    log_weight = log_weight + torch.zeros_like(key[..., 0])
    reached = torch.cat(
        [
            _log_sum_exp(_log_nearness(part, key, log_weight))
            for part in torch.split(query, QUERIES_AT_ONCE, dim=-2)
        ],
        dim=-1,
    )
    gain = log_weight.logsumexp(dim=-1)[..., None] - reached
    # Where no token counts at all, the gain is inf - inf: such a source is dropped anyway.
    return Alignment(query, key, gain.nan_to_num(0.0).clamp(0.0, math.log(most_gain)))


def _log_nearness(
    query: Float[Tensor, "*b q p"], key: Float[Tensor, "*c k p"], log_weight: Float[Tensor, "*d k"]
) -> Float[Tensor, "*e q k"]:
    """Return -|query - key|^2 / 2 + log_weight as one product: [q, -q^2 / 2, 1] [k, 1, g]^T."""
    on_query = -query.square().sum(dim=-1, keepdim=True) / 2
    on_key = (log_weight - key.square().sum(dim=-1) / 2)[..., None]
    left = torch.cat([query, on_query, torch.ones_like(on_query)], dim=-1)
    right = torch.cat([key, torch.ones_like(key[..., :1]), on_key], dim=-1)
    with torch.autocast(query.device.type, enabled=False):  # bfloat16 would not cancel
        return left @ right.transpose(-1, -2)


def _log_sum_exp(logs: Float[Tensor, "*e k"]) -> Float[Tensor, " *e"]:
    """Return the logarithm of the sum of the last axis; not a number where all are -inf."""
    top = logs.amax(dim=-1, keepdim=True)
    shares = (logs - top).clamp_(min=NEGLIGIBLE).exp_()
    return shares.sum(dim=-1).log() + top[..., 0]
