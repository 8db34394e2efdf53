"""What a program may hand to `open` as a picture and as a mask."""

import numpy as np
import pytest
import torch
from PIL import Image

from dtvideo.errors import UsageError
from tests.tiny_clips import HEIGHT, WIDTH, assert_same, frames

PICTURE = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
MASK = np.ones((HEIGHT, WIDTH), np.float32)


def test_a_pil_picture_gives_the_frames_of_its_array(pipeline, opened, reference):
    given = Image.fromarray(reference)
    assert_same(frames(opened(pipeline, reference=given)), frames(opened(pipeline)))


@pytest.mark.parametrize(
    ("wrong", "found"),
    [
        ({"reference": PICTURE / np.float32(255)}, r"reference: is an array of float32"),
        ({"reference": np.zeros((HEIGHT, WIDTH, 4), np.uint8)}, r"of uint8 and shape .*, 4\)"),
        ({"reference": PICTURE[..., 0]}, r"of uint8 and shape \(32, 24\)"),
        ({"reference": torch.zeros(3, HEIGHT, WIDTH)}, r"of the type torch\.Tensor"),
        ({"reference": Image.new("RGBA", (WIDTH, HEIGHT))}, r"a PIL image of the mode RGBA"),
        ({"reference": "hero.png"}, r"of the type builtins\.str"),
        ({"mask": MASK.astype(np.uint8)}, r"mask: is an array of uint8"),
        ({"mask": MASK > 0}, r"mask: is an array of bool"),
        ({"mask": MASK[..., None]}, r"shape \(32, 24, 1\)"),
        ({"mask": torch.ones(HEIGHT, WIDTH)}, r"mask: is of the type torch\.Tensor"),
        ({"mask": Image.new("L", (WIDTH, HEIGHT))}, r"mask: is a PIL image of the mode L"),
    ],
)
def test_m11_anything_else_is_refused_with_what_it_is(pipeline, opened, wrong, found):
    with pytest.raises(UsageError, match=rf"M11.*{found}.* · give a ") as caught:
        opened(pipeline, **wrong)
    assert caught.value.code == "M11"
