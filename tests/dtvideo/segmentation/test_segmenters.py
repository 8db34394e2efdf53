from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dtvideo.errors import ModelError
from dtvideo.images import LoadedImage
from dtvideo.segmentation import find_mask
from dtvideo.segmentation.masks import overlap
from dtvideo.segmentation.segmenters import border_mask
from dtvideo.toon.world import Drawing, sample_scene, scene_drawings
from dtvideo.video import read_frames

EXAMPLE = Path(__file__).parents[3] / "examples" / "dance.mp4"


def drawing(number: int, background: str = "plain") -> Drawing:
    scene = replace(sample_scene(1_000_000 + number, split="held-out"), background=background)
    return scene_drawings(scene, 1, size=(192, 192))[0]


def test_alpha_is_the_mask_where_there_is_one() -> None:
    drawn = drawing(0)
    found = find_mask(LoadedImage(drawn.image, drawn.rgba[..., 3]))
    assert (found.method, found.notices) == ("alpha", ())
    np.testing.assert_array_equal(found.mask, drawn.rgba[..., 3].astype(np.float32) / 255)


@pytest.mark.parametrize("background", ["plain", "gradient", "transparent"])
def test_drawn_character_on_a_plain_or_graded_ground_is_cut_out(background: str) -> None:
    scores = []
    for number in range(8):
        drawn = drawing(number, background)
        found = find_mask(LoadedImage(drawn.image))
        assert (found.method, found.notices) == ("border colour", ())
        scores.append(overlap(found.mask, drawn.mask))
    assert np.median(scores) > 0.985
    assert min(scores) > 0.9


def test_scenery_at_the_border_is_not_taken_for_a_plain_ground() -> None:
    for background in ("snow", "forest", "park"):
        assert border_mask(LoadedImage(drawing(1, background).image)) is None


def test_jpeg_of_a_drawn_character_is_cut_out_almost_as_well() -> None:
    drawn, file = drawing(3), BytesIO()
    Image.fromarray(drawn.image).save(file, "JPEG", quality=90)
    found = find_mask(LoadedImage(np.array(Image.open(file))))
    assert found.method == "border colour"
    assert overlap(found.mask, drawn.mask) > 0.94


def test_person_in_a_room_is_found_by_mediapipe() -> None:
    frame = next(iter(read_frames(EXAMPLE)))
    found = find_mask(LoadedImage(frame))
    assert (found.method, found.notices) == ("mediapipe pose", ())
    assert 0.05 < found.mask.mean() < 0.2
    assert found.mask[150:240, 145:165].mean() > 0.9, "the man's chest and belly"
    assert found.mask[:60].max() < 0.1, "the ceiling"
    assert found.mask[150:250, 225:].max() < 0.1, "the bystander"


def test_small_masks_are_rejected_and_the_whole_picture_is_the_last_resort() -> None:
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (96, 96, 3)).astype(np.uint8)
    alpha = np.zeros((96, 96), np.uint8)
    alpha[:4, :4] = 255
    found = find_mask(LoadedImage(noise, alpha))
    assert found.method == "whole picture"
    assert (found.mask == 1).all()
    assert "the mask by alpha covers 0.2% of the picture; not used" in found.notices
    assert "whole picture is used" in found.notices[-1]


def test_matte_by_rembg_says_how_to_install_it_or_which_file_is_missing(tmp_path: Path) -> None:
    image = LoadedImage(drawing(0).image)
    with pytest.raises(ModelError, match="no such file") as caught:
        find_mask(image, matte=str(tmp_path / "isnet.onnx"))
    assert (caught.value.code, caught.value.exit_code) == ("M1", 4)


def test_missing_rembg_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "rembg", None)
    with pytest.raises(ModelError, match=r"dtvideo\[matte\]"):
        find_mask(LoadedImage(drawing(0).image), matte="isnet-anime")
