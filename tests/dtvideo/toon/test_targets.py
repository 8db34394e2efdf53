import pytest
import torch

from dtvideo.attention import PosePlaces
from dtvideo.errors import UsageError
from dtvideo.toon.data import Lesson, lesson
from dtvideo.toon.lessons import Lessons, encode_lessons, lesson_tensors, stack_lessons
from dtvideo.toon.model import build_autoencoder
from dtvideo.toon.targets import Targets, cut_windows, draw_corners, targets_of
from dtvideo.toon.tokenizer import build_tokenizer

SIDE, WINDOW = 64, 32
CORNERS = torch.tensor([[0, 16], [32, 0], [16, 32], [16, 16]])


@pytest.fixture(scope="module")
def drawn() -> list[Lesson]:
    return [lesson(0, number, sequels=2, size=SIDE) for number in range(2)]


@pytest.fixture(scope="module")
def batch(drawn) -> Lessons:
    tokenizer = build_tokenizer(["a"])
    whole = stack_lessons([lesson_tensors(each, tokenizer=tokenizer) for each in drawn])
    return encode_lessons(whole, vae=build_autoencoder())


@pytest.fixture(scope="module")
def targets(batch) -> Targets:
    return targets_of(batch)


def test_the_targets_of_one_lesson_follow_those_of_the_last(batch, targets):
    assert torch.equal(targets.frame[3], batch.frames[1, 1])
    assert torch.equal(targets.before_map[2], batch.before_maps[1, 0])
    assert torch.equal(targets.frame_places[1], batch.frame_places[0, 1])


def test_windows_of_latents_maps_and_masks_show_the_same_place(targets):
    """A window of the picture is the picture of the window's latents."""
    cut = targets.window(WINDOW, CORNERS)
    decode = build_autoencoder().decode
    for row, (top, left) in enumerate(CORNERS.tolist()):
        place = (..., slice(top, top + WINDOW), slice(left, left + WINDOW))
        for name in ("frame", "coarse", "before"):
            whole = decode(getattr(targets, name)[row : row + 1]).sample
            found = decode(getattr(cut, name)[row : row + 1]).sample
            assert torch.equal(found[0], whole[0][place])
        for name in ("frame_map", "before_map", "mask"):
            assert torch.equal(getattr(cut, name)[row], getattr(targets, name)[row][place])
    assert cut.size == (WINDOW // 2, WINDOW // 2)


def frame_places(drawn: list[Lesson], grid: tuple[int, int]) -> torch.Tensor:
    poses = [sequel.frame.pose for each in drawn for sequel in each.sequels]
    return PosePlaces(poses)(grid)


def test_the_body_coordinates_of_windows_are_cut_from_those_of_the_pictures(drawn, targets):
    found = targets.window(WINDOW, CORNERS).places(targets.frame_places)((4, 4))
    assert found.shape == (4, 16, 3)
    for row, (top, left) in enumerate(CORNERS.tolist()):
        whole = frame_places(drawn, (8, 8))[row].view(8, 8, 3)
        expected = whole[top // 8 :, left // 8 :][:4, :4].reshape(16, 3)
        torch.testing.assert_close(found[row], expected)


@pytest.mark.parametrize("side", [16, 8, 4])
def test_whole_targets_have_the_body_coordinates_of_their_poses(drawn, targets, side):
    found = targets.places(targets.frame_places)((side, side))
    torch.testing.assert_close(found, frame_places(drawn, (side, side)))


def test_a_grid_that_no_layer_has_is_refused(targets):
    with pytest.raises(UsageError, match=r"grid: is .5, 5.") as caught:
        targets.places(targets.frame_places)((5, 5))
    assert caught.value.code == "M11"


def test_every_window_holds_some_of_the_figure():
    masks = torch.zeros(3, SIDE, SIDE)
    masks[0, 0, 0] = masks[1, 63, 63] = masks[2, 20, 50] = 1.0
    seen = set()
    for seed in range(40):
        corners = draw_corners(masks, WINDOW, torch.Generator().manual_seed(seed))
        assert (corners % 16 == 0).all()
        assert 0 <= corners.min() <= corners.max() <= SIDE - WINDOW
        held = cut_windows(masks, corners, side=WINDOW, whole=SIDE)
        assert (held.sum(dim=(1, 2)) == 1).all()
        seen.add(tuple(corners[2].tolist()))
    assert len(seen) > 1


def test_a_picture_without_a_figure_has_a_window_too():
    corners = draw_corners(torch.zeros(1, SIDE, SIDE), WINDOW, torch.Generator().manual_seed(0))
    assert corners.shape == (1, 2)
