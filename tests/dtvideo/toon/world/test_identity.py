"""Identities are functions of their seed, of wide variety, and can be told in words."""

import re

import numpy as np
import pytest

from dtvideo.toon.world import caption, identity_from_seed
from dtvideo.toon.world.identity import KINDS

MANY = [identity_from_seed(seed) for seed in range(400)]


def test_an_identity_is_a_function_of_its_seed() -> None:
    assert identity_from_seed(77) == identity_from_seed(77)
    assert identity_from_seed(77) != identity_from_seed(78)


def test_every_kind_and_many_clothes_occur() -> None:
    assert {identity.kind for identity in MANY} == set(KINDS)
    assert len({identity.outfit.hat.kind for identity in MANY}) >= 9
    assert len({identity.outfit.top.kind for identity in MANY}) >= 5
    assert len({identity.outfit.bottom.kind for identity in MANY}) >= 5
    assert len({identity.style_name for identity in MANY}) >= 6
    assert len({identity.hair.style for identity in MANY}) >= 11


def test_bodies_are_from_two_to_eight_heads_tall() -> None:
    heads = np.array([1 / identity.build.head_height for identity in MANY])
    assert heads.min() < 2.2
    assert heads.max() > 6.5
    assert ((heads > 1.8) & (heads < 8.2)).all()


@pytest.mark.parametrize("identity", MANY[:50], ids=lambda identity: str(identity.seed))
def test_a_standing_body_is_one_figure_height_tall(identity) -> None:  # type: ignore[no-untyped-def]
    build = identity.build
    height = build.ankle + build.leg + build.torso + build.neck + build.head_height
    assert height == pytest.approx(1.0)


def test_captions_are_lower_case_words_of_a_small_vocabulary() -> None:
    words = {word for identity in MANY for word in re.findall(r"\S+", caption(identity))}
    bare = {word.strip(",") for word in words}
    assert all(re.fullmatch(r"[a-z-]+", word) for word in bare)
    assert len(bare) < 120


def test_a_caption_tells_kind_top_and_style() -> None:
    identity = next(who for who in MANY if who.outfit.top.kind == "shirt")
    words = caption(identity)
    assert f"{identity.outfit.top.name} shirt" in words
    assert identity.kind in words
    assert f"{identity.style_name} style" in words
