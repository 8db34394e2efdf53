from dataclasses import replace

import numpy as np
import pytest

from dtvideo.toon.attributes import (
    coloured_parts,
    part_colour,
    recoloured,
    told_colours,
    worn_parts,
)
from dtvideo.toon.picture_trials import CHANGED_WORD, OWN_WORDS, picture_trials
from dtvideo.toon.world import draw, sample_scene
from dtvideo.toon.world.captions import caption
from dtvideo.toon.world.palette import COLOURS
from dtvideo.toon.world.stances import relaxed_stance

SIZE = (96, 96)


@pytest.fixture(scope="module")
def scenes():
    return [sample_scene(number) for number in range(8)]


@pytest.fixture(scope="module")
def drawn(scenes):
    """For each scene its stance, its parts, and the picture of it."""
    made = []
    for number, scene in enumerate(scenes):
        stance = relaxed_stance(np.random.default_rng(number))
        parts = coloured_parts(scene.identity, stance, scene.camera, size=SIZE)
        made.append((stance, parts, draw(scene.identity, stance, scene.camera, size=SIZE)))
    return made


def test_the_words_that_are_checked_stand_in_the_caption(scenes):
    for scene in scenes:
        for word in told_colours(scene.identity).values():
            assert word in caption(scene.identity)


def test_parts_lie_on_the_character_and_not_on_one_another(drawn):
    for _, parts, drawing in drawn:
        assert parts
        for part in parts:
            assert (drawing.mask[part.mask] > 0).all()
        for one in parts:
            for two in parts:
                shared = (one.mask & two.mask).sum()
                assert one is two or shared <= 0.25 * min(one.mask.sum(), two.mask.sum())


def test_a_plain_part_has_the_colour_that_it_is_called_by(scenes, drawn):
    right = total = 0
    for scene, (_, parts, drawing) in zip(scenes, drawn, strict=True):
        for part in parts:
            if part.word is not None and scene.identity.style.shading == "flat":
                total += 1
                right += part.colour_word(drawing.image) == part.word
    assert total > 3
    assert right / total > 0.8


def test_a_recoloured_part_is_seen_in_its_new_colour_and_no_other_moves(scenes, drawn):
    for scene, (stance, parts, drawing) in zip(scenes, drawn, strict=True):
        told = [part for part in parts if part.word is not None and part.name != "hair"]
        for part in told[:1]:
            new = next(word for word in COLOURS if word not in (part.word, "grey"))
            other = recoloured(scene.identity, part.name, COLOURS[new], new)
            assert part_colour(other, part.name) == COLOURS[new]
            assert told_colours(other)[part.name] == new
            picture = draw(other, stance, scene.camera, size=SIZE).image
            assert (picture != drawing.image).any(axis=2)[part.mask].mean() > 0.9
            apart = np.linalg.norm(part.lab(picture) - part.lab(drawing.image))
            rest = [one for one in parts if one is not part]
            moved = [np.linalg.norm(one.lab(picture) - one.lab(drawing.image)) for one in rest]
            assert apart > 2 * max(moved)


def test_hidden_hair_and_absent_clothes_are_not_asked_for(scenes):
    person = next(scene.identity for scene in scenes if scene.identity.hair.style != "none")
    bald = replace(person, hair=replace(person.hair, style="none"))
    assert "hair" in worn_parts(person)
    assert "hair" not in worn_parts(bald)
    hatless = replace(
        person, outfit=replace(person.outfit, hat=replace(person.outfit.hat, kind="none"))
    )
    assert "hat" not in worn_parts(hatless)


def test_trials_are_the_same_for_one_seed_and_a_longer_list_begins_alike():
    short = list(picture_trials(1, size=SIZE))
    longer = list(picture_trials(2, size=SIZE))
    assert np.array_equal(short[0].reference.image, longer[0].reference.image)
    assert short[0].requests[-1].words == longer[0].requests[-1].words
    assert longer[0].name != longer[1].name
    other = next(picture_trials(1, seed=1, size=SIZE))
    assert other.name != short[0].name


def test_the_changed_request_differs_in_one_colour_word_alone():
    for trial in picture_trials(2, size=SIZE):
        own, changed = trial.requests
        assert (own.view, changed.view) == (OWN_WORDS, CHANGED_WORD)
        pairs = list(zip(own.words.split(), changed.words.split(), strict=True))
        assert len([pair for pair in pairs if pair[0] != pair[1]]) in (1, 2)  # "a" may be "an"
        assert np.array_equal(own.truth.pose.body, changed.truth.pose.body, equal_nan=True)
