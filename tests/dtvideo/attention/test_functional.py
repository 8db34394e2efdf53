import math

import numpy as np
import pytest
import torch

from dtvideo.attention.functional import (
    Source,
    _attend_in_lanes,
    _bias_lanes,
    drop_unweighted,
    self_subject_attention,
)
from dtvideo.errors import UsageError

HEADS, WIDTH = 2, 24


def tokens(count, *, batch=1, seed=0, width=WIDTH):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, HEADS, count, width, generator=generator)


def source(count, weight, *, batch=1, seed=5):
    return Source(
        tokens(count, batch=batch, seed=seed), tokens(count, batch=batch, seed=seed + 1), weight
    )


def oracle(query, key, value, sources, scale=None):
    """Eq. 3 in float64, with numpy, log(0) = -inf."""
    rows = len(query)
    scale = scale or query.shape[-1] ** -0.5
    spread = [np.broadcast_to(s.key.numpy(), (rows, *s.key.shape[1:])) for s in sources]
    keys = np.concatenate([key.numpy(), *spread], axis=2).astype(np.float64)
    spread = [np.broadcast_to(s.value.numpy(), (rows, *s.value.shape[1:])) for s in sources]
    values = np.concatenate([value.numpy(), *spread], axis=2).astype(np.float64)
    weights = [np.ones((rows, key.shape[2]))]
    for each in sources:
        weight = np.asarray(each.weight, dtype=np.float64)
        weights.append(np.broadcast_to(weight, (rows, each.key.shape[2])))
    with np.errstate(divide="ignore"):
        bias = np.log(np.concatenate(weights, axis=1))[:, None, None, :]
    scores = query.double().numpy() @ keys.swapaxes(-1, -2) * scale + bias
    scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return torch.from_numpy(scores / scores.sum(axis=-1, keepdims=True) @ values)


def folded(query, key, value, sources):
    weights = [
        torch.ones(key.shape[2]),
        *(torch.full((s.key.shape[2],), s.weight) for s in sources),
    ]
    scale = query.shape[-1] ** -0.5
    return _attend_in_lanes(
        query,
        torch.cat([key, *(s.key for s in sources)], dim=2),
        torch.cat([value, *(s.value for s in sources)], dim=2),
        lanes=_bias_lanes(torch.cat(weights).log()[None] / scale, query.dtype),
        scale=scale,
    )


def relative_error(found, expected):
    return ((found.double() - expected).abs().max() / expected.abs().max()).item()


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("scale", [None, 0.31])
def test_it_equals_equation_3_in_float64(batch, scale):
    query, key, value = (tokens(20, batch=batch, seed=seed) for seed in (1, 2, 3))
    soft = torch.rand(30, generator=torch.Generator().manual_seed(4)) * 10
    soft[::3] = 0
    sources = [source(30, soft), source(12, 10.0, batch=batch, seed=9), source(7, 1.0, seed=11)]
    found = self_subject_attention(query, key, value, sources, scale=scale)
    assert relative_error(found, oracle(query, key, value, sources, scale)) < 1e-5


@pytest.mark.parametrize(
    ("dtype", "error"), [(torch.float64, 1e-6), (torch.float16, 2e-3), (torch.bfloat16, 2e-2)]
)
def test_it_equals_equation_3_in_every_number_type(dtype, error):
    query, key, value = (tokens(20, seed=seed).to(dtype) for seed in (1, 2, 3))
    reference = source(30, torch.linspace(0, 10, 30))
    narrow = Source(reference.key.to(dtype), reference.value.to(dtype), reference.weight)
    found = self_subject_attention(query, key, value, [narrow])
    wide = Source(narrow.key.double(), narrow.value.double(), narrow.weight)
    expected = oracle(query.double(), key.double(), value.double(), [wide])
    assert found.dtype == dtype
    assert relative_error(found, expected) < error


def test_folding_into_head_dimensions_equals_equation_3():
    query, key, value = (tokens(20, seed=seed) for seed in (1, 2, 3))
    sources = [source(30, 10.0), source(12, 0.3, seed=9)]
    assert (
        relative_error(folded(query, key, value, sources), oracle(query, key, value, sources))
        < 1e-5
    )


def test_folding_keeps_half_precision_weights_exact():
    query, key, value = (torch.zeros(1, HEADS, 1, WIDTH, dtype=torch.bfloat16) for _ in range(3))
    reference = Source(key, torch.ones_like(value), 10.0)
    found = folded(query, key, value, [reference])
    assert found.float().mean().item() == pytest.approx(10 / 11, rel=2**-8)


def test_two_tokens_of_equal_score_share_as_their_weights_do():
    zeros = torch.zeros(1, 1, 1, 4)
    found = self_subject_attention(zeros, zeros, zeros, [Source(zeros, zeros + 1, 10.0)])
    assert found.mean().item() == pytest.approx(10 / 11)


def test_an_integer_weight_counts_a_token_so_many_times():
    query, key, value = (tokens(6, seed=seed) for seed in (1, 2, 3))
    once = source(4, torch.tensor([1.0, 3.0, 2.0, 0.0]))
    repeated = torch.tensor([0, 1, 1, 1, 2, 2])
    copies = Source(once.key[:, :, repeated], once.value[:, :, repeated], 1.0)
    weighted = self_subject_attention(query, key, value, [once])
    torch.testing.assert_close(weighted, self_subject_attention(query, key, value, [copies]))


@pytest.mark.parametrize("weight", [0.0, torch.zeros(9)])
def test_weight_0_is_no_source_bit_for_bit(weight):
    query, key, value = (tokens(6, seed=seed) for seed in (1, 2, 3))
    plain = torch.nn.functional.scaled_dot_product_attention(query, key, value)
    assert torch.equal(self_subject_attention(query, key, value, [source(9, weight)]), plain)
    assert torch.equal(self_subject_attention(query, key, value, []), plain)


def test_dropped_tokens_never_enter_the_product():
    poisoned = source(4, torch.tensor([1.0, 0.0, 2.0, 0.0]))
    poisoned.key[:, :, 1] = math.nan
    poisoned.value[:, :, 3] = math.inf
    query, key, value = (tokens(6, seed=seed) for seed in (1, 2, 3))
    assert torch.isfinite(self_subject_attention(query, key, value, [poisoned])).all()
    assert drop_unweighted(poisoned).weight.tolist() == [1.0, 2.0]


def test_a_weight_per_row_equals_each_row_alone():
    query, key, value = (tokens(6, batch=2, seed=seed) for seed in (1, 2, 3))
    weights = torch.tensor([[10.0, 0.0, 0.5, 0.0], [0.0, 0.0, 0.0, 0.0]])
    both = source(4, weights, batch=2)
    found = self_subject_attention(query, key, value, [both])
    for row in range(2):
        part = slice(row, row + 1)
        alone = Source(both.key[part], both.value[part], weights[row])
        expected = self_subject_attention(query[part], key[part], value[part], [alone])
        torch.testing.assert_close(found[part], expected)


def test_gradients_flow_to_queries_keys_and_sources():
    query, key, value = (tokens(5, seed=seed).double().requires_grad_() for seed in (1, 2, 3))
    reference = source(4, 10.0)
    source_key = reference.key.double().requires_grad_()

    def attend(query, key, value, source_key):
        reference_ = Source(source_key, reference.value.double(), 10.0)
        return self_subject_attention(query, key, value, [reference_])

    assert torch.autograd.gradcheck(attend, (query, key, value, source_key))


@pytest.mark.parametrize("weight", [-1.0, math.nan, torch.tensor([1.0, -2.0, 1.0, 1.0])])
def test_a_weight_below_0_is_refused(weight):
    query, key, value = (tokens(6, seed=seed) for seed in (1, 2, 3))
    with pytest.raises(UsageError, match=r"error\[M11\]: weight: is (-1.0|nan|-2.0)"):
        self_subject_attention(query, key, value, [source(4, weight)])


def test_a_source_with_another_number_of_rows_is_refused():
    query, key, value = (tokens(6, batch=3, seed=seed) for seed in (1, 2, 3))
    with pytest.raises(UsageError, match="has 2 rows for a batch of 3"):
        self_subject_attention(query, key, value, [source(4, 1.0, batch=2)])
