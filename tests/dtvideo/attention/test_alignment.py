import math

import pytest
import torch

from dtvideo.attention import PosePlaces, Source, align, self_subject_attention
from tests.tiny_clips import pose

HEADS, WIDTH, QUERIES, TOKENS = 2, 40, 30, 25


def normal(*shape, seed):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def places(count, *, batch=(), seed=0):
    """Body coordinates as large as real ones, far from 0 so that centring matters."""
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(*batch, count, 3, generator=generator) * 2 + 1.5


def aligned_source(*, strength, weight=10.0, seed=5):
    query, key = places(QUERIES, seed=1), places(TOKENS, seed=2)
    features = (normal(1, HEADS, TOKENS, WIDTH, seed=seed + part) for part in (0, 1))
    near = align(query, key, strength=strength, weight=weight)
    return Source(*features, weight, near), query, key


def explicit(query, key, value, source, *, strength, query_places, key_places):
    """The same with the bias written out for every pair, in float64."""
    tokens = source.key.shape[2]
    weight = torch.as_tensor(source.weight).double().expand(tokens)
    distance = (query_places.double()[:, None] - key_places.double()).square().sum(-1)
    nearness = torch.exp(-strength / 2 * distance)
    gain = (weight.sum() / (nearness @ weight)).clamp(1, 1000)
    bias = gain.log()[:, None] + weight.log() - strength / 2 * distance
    keys = torch.cat([key, source.key], dim=2).double()
    scores = query.double() @ keys.mT / math.sqrt(query.shape[-1])
    scores[..., -tokens:] += bias
    return scores.softmax(-1) @ torch.cat([value, source.value], dim=2).double()


def own_tokens():
    return tuple(normal(1, HEADS, QUERIES, WIDTH, seed=seed) for seed in (11, 12, 13))


def relative_error(found, expected):
    return ((found.double() - expected).abs().max() / expected.abs().max()).item()


@pytest.mark.parametrize(
    ("strength", "dtype", "allowed"),
    [
        (1.0, torch.float32, 1e-5),
        (20.0, torch.float32, 1e-5),
        (200.0, torch.float32, 1e-4),
        (20.0, torch.float16, 1e-2),
        (200.0, torch.float16, 2e-2),
        (20.0, torch.bfloat16, 5e-2),
    ],
)
def test_it_equals_the_bias_written_out_in_float64(strength, dtype, allowed):
    weight = torch.rand(TOKENS, generator=torch.Generator().manual_seed(4)) * 10
    source, query_places, key_places = aligned_source(strength=strength, weight=weight)
    query, key, value = own_tokens()
    expected = explicit(
        query,
        key,
        value,
        source,
        strength=strength,
        query_places=query_places,
        key_places=key_places,
    )
    low = Source(source.key.to(dtype), source.value.to(dtype), weight, source.alignment)
    found = self_subject_attention(query.to(dtype), key.to(dtype), value.to(dtype), [low])
    assert found.dtype == dtype
    assert relative_error(found, expected) < allowed


@pytest.mark.parametrize("width", [32, 64])
@pytest.mark.parametrize(
    ("strength", "dtype", "allowed"),
    [
        (0.0, torch.float16, 2e-3),
        (100.0, torch.float16, 1e-2),
        (0.0, torch.bfloat16, 1e-2),
        (100.0, torch.bfloat16, 5e-2),
    ],
)
def test_on_the_places_of_a_body_half_precision_keeps_two_digits(width, strength, dtype, allowed):
    query_places, key_places = (PosePlaces(pose(shift))((32, 32)) for shift in (3, 0))
    near = align(query_places, key_places, strength=strength, weight=10.0)
    query, key, value, *features = (normal(1, 1, 1024, width, seed=seed) for seed in range(5))
    expected = explicit(
        query,
        key,
        value,
        Source(*features, 10.0),
        strength=strength,
        query_places=query_places,
        key_places=key_places,
    )
    low = Source(*(part.to(dtype) for part in features), 10.0, near if strength else None)
    found = self_subject_attention(query.to(dtype), key.to(dtype), value.to(dtype), [low])
    assert relative_error(found, expected) < allowed


def test_an_aligned_source_leaves_others_as_they_are():
    """Next to an aligned source of next to no weight, a plain one gives what it gives alone."""
    query, key, value = own_tokens()
    faint, _, _ = aligned_source(strength=20.0, weight=1e-12)
    plain, _, _ = aligned_source(strength=20.0, seed=8)
    plain = Source(plain.key, plain.value, 10.0)
    alone = self_subject_attention(query, key, value, [plain])
    for sources in ([faint, plain], [plain, faint]):
        together = self_subject_attention(query, key, value, sources)
        torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-5)


def test_strength_0_is_the_paper():
    query, key, value = own_tokens()
    source, _, _ = aligned_source(strength=0.0)
    plain = self_subject_attention(query, key, value, [Source(source.key, source.value, 10.0)])
    aligned = self_subject_attention(query, key, value, [source])
    torch.testing.assert_close(aligned, plain, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("strength", [5.0, 50.0, 200.0])
def test_the_gain_keeps_the_sources_share_of_the_attention(strength):
    """With equal scores a source of as many tokens and weight 10 gets 10/11, aligned or not."""
    zeros = torch.zeros(1, 1, TOKENS, 8)
    where = places(TOKENS, seed=2)
    near = align(where, where, strength=strength)
    source = Source(zeros, zeros + 1, 10.0, near)
    shares = self_subject_attention(zeros, zeros, zeros, [source])
    torch.testing.assert_close(shares, torch.full_like(shares, 10 / 11), atol=1e-4, rtol=1e-4)


def test_the_gain_is_limited_where_nothing_is_near():
    near = align(torch.tensor([[0.0], [9.0]]), torch.tensor([[0.0]]), strength=50.0)
    assert near.log_gain.tolist() == pytest.approx([0.0, math.log(1000)])


def test_without_the_gain_a_source_loses_what_is_far_away():
    """Two tokens, one here and one 2 away: at strength 1 the far one counts exp(-2) of a token."""
    here = torch.tensor([[0.0], [2.0]])
    bare = align(here[:1], here, strength=1.0, most_gain=1.0)
    assert bare.log_gain.tolist() == [0.0]
    full = align(here[:1], here, strength=1.0)
    assert full.log_gain.exp().item() == pytest.approx(2 / (1 + math.exp(-2)))


def test_a_query_reads_the_token_at_its_own_place():
    zeros = torch.zeros(1, 1, 4, 8)
    where = torch.tensor([[0.0, 0.0], [1.0, 0.0], [2.0, 0.0], [3.0, 0.0]])
    order = torch.tensor([2, 0, 3, 1])
    near = align(where[order], where, strength=60.0)
    colours = torch.eye(4, 8)[None, None]
    read = self_subject_attention(zeros, zeros, zeros, [Source(zeros, colours, 1e6, near)])
    assert read[0, 0].argmax(dim=-1).tolist() == order.tolist()


def test_dropped_tokens_take_their_places_with_them():
    weight = torch.ones(TOKENS)
    weight[::2] = 0
    source, query_places, key_places = aligned_source(strength=20.0, weight=weight)
    kept = weight.nonzero().squeeze(1)
    near = align(query_places, key_places[kept], strength=20.0)
    expected = Source(source.key[:, :, kept], source.value[:, :, kept], 1.0, near)
    query, key, value = own_tokens()
    torch.testing.assert_close(
        self_subject_attention(query, key, value, [source]),
        self_subject_attention(query, key, value, [expected]),
        atol=1e-5,
        rtol=1e-5,
    )


def test_each_row_of_a_batch_has_its_own_places():
    query, key, value = (part.expand(2, -1, -1, -1) for part in own_tokens())
    features = [normal(2, HEADS, TOKENS, WIDTH, seed=seed) for seed in (5, 6)]
    of_query, of_key = places(QUERIES, batch=(2,), seed=1), places(TOKENS, batch=(2,), seed=2)
    weight = torch.rand(2, TOKENS, generator=torch.Generator().manual_seed(4))
    near = align(of_query, of_key, strength=20.0, weight=weight)
    both = self_subject_attention(query, key, value, [Source(*features, weight, near)])
    for row in range(2):
        near = align(of_query[row], of_key[row], strength=20.0, weight=weight[row])
        own = Source(*(part[row, None] for part in features), weight[row], near)
        alone = self_subject_attention(query[row, None], key[row, None], value[row, None], [own])
        torch.testing.assert_close(both[row, None], alone, atol=1e-5, rtol=1e-5)


def test_gradients_flow_through_aligned_attention():
    query, key, value = (part[..., :4, :8].double().requires_grad_() for part in own_tokens())
    near = align(places(4, seed=1).double(), places(TOKENS, seed=2).double(), strength=5.0)
    source = normal(1, HEADS, TOKENS, 8, seed=3).double()

    def attend(query, key, value):
        return self_subject_attention(query, key, value, [Source(source, source, 10.0, near)])

    assert torch.autograd.gradcheck(attend, (query, key, value))


@pytest.mark.parametrize("half", [False, True])
def test_the_gain_is_that_of_square_distances_in_float64(half):
    """Products are not taken in bfloat16, where squares of hundreds would not cancel."""
    query, key, weight = places(300), places(200, seed=1), torch.rand(200) + 0.1
    apart = torch.cdist(query.double(), key.double()).square()
    share = (weight * (-100 / 2 * apart).exp()).sum(dim=-1) / weight.sum()
    expected = (-share.log()).clamp(0, math.log(1000.0))
    with torch.autocast("cpu", torch.bfloat16, enabled=half):
        found = align(query, key, strength=100.0, weight=weight).log_gain
    torch.testing.assert_close(found.double(), expected, rtol=0, atol=1e-3)
