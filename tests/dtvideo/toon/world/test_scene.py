"""Scenes keep their character, their background and their split."""

import numpy as np
import pytest

from dtvideo.errors import UsageError
from dtvideo.toon.world import HELD_OUT_IDENTITIES, TRAIN_IDENTITIES, sample_scene, scene_drawings
from dtvideo.toon.world.backgrounds import BACKGROUNDS, paint_background


def test_the_splits_share_no_identity() -> None:
    assert TRAIN_IDENTITIES.stop <= HELD_OUT_IDENTITIES.start


@pytest.mark.parametrize(
    ("seed", "split", "allowed"),
    [(1_000_000, "train", "0 to 999999"), (999_999, "held-out", "1000000 to 1999999"),
     (-1, "train", "0 to 999999")],
)  # fmt: skip
def test_a_seed_of_the_other_split_is_refused(seed: int, split: str, allowed: str) -> None:
    with pytest.raises(UsageError) as caught:
        sample_scene(seed, split=split)  # type: ignore[arg-type]
    assert caught.value.exit_code == 2
    assert str(seed) in str(caught.value)
    assert allowed in str(caught.value)


def test_a_scene_is_a_function_of_its_seed_and_key() -> None:
    assert sample_scene(11, key=2) == sample_scene(11, key=2)
    assert sample_scene(11, key=2) != sample_scene(11, key=3)
    assert sample_scene(11, key=2).identity == sample_scene(11, key=3).identity


def test_drawings_of_a_scene_are_repeatable_and_share_their_ground() -> None:
    scene = sample_scene(21)
    first, again = (scene_drawings(scene, 3, key=5, size=(64, 64)) for _ in range(2))
    ground = paint_background(scene.background, scene.background_seed, size=(64, 64))
    for drawing, repeated in zip(first, again, strict=True):
        assert np.array_equal(drawing.image, repeated.image)
        clear = drawing.mask == 0
        assert np.array_equal(drawing.image[clear], ground[clear])
    assert not np.array_equal(first[1].mask, first[2].mask)


def test_the_first_drawings_do_not_depend_on_how_many_follow() -> None:
    scene = sample_scene(22)
    short, long = scene_drawings(scene, 2, size=(64, 64)), scene_drawings(scene, 4, size=(64, 64))
    assert np.array_equal(short[1].image, long[1].image)


@pytest.mark.parametrize("kind", BACKGROUNDS)
def test_every_background_can_be_painted_again_the_same(kind: str) -> None:
    first, again = (paint_background(kind, 4, size=(80, 48)) for _ in range(2))
    assert first.shape == (48, 80, 3)
    assert np.array_equal(first, again)


def test_the_caption_names_the_background() -> None:
    scene = sample_scene(33)
    assert scene.caption.endswith(f"{scene.background} background")
