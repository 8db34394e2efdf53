import numpy as np
import pytest
import torch
from PIL import Image
from transformers import (
    BlipForConditionalGeneration,
    BlipProcessor,
    DPTForDepthEstimation,
    DPTImageProcessor,
)

from dtvideo.errors import ModelError
from dtvideo.images import resize
from dtvideo.training.describe import Captioner, DepthEstimator, nearness
from tests.tiny_judges import write_captioner, write_clip_model, write_depth_model

PICTURE = np.random.default_rng(0).integers(0, 256, (24, 20, 3), dtype=np.uint8)


def test_depth_is_what_the_model_says_stretched_to_white_and_black(tmp_path):
    folder = write_depth_model(tmp_path)
    model = DPTForDepthEstimation.from_pretrained(folder).eval()
    processor = DPTImageProcessor.from_pretrained(folder)
    with torch.inference_mode():
        depth = model(**processor(PICTURE, return_tensors="pt")).predicted_depth[0].numpy()
    grey = DepthEstimator(str(folder))(PICTURE)
    assert grey.shape == PICTURE.shape
    assert (grey == grey[..., :1]).all()
    expected = 255 * resize((depth - depth.min()) / (depth.max() - depth.min()), (20, 24))
    assert np.abs(grey[..., 0] - expected).max() <= 1


def test_metres_become_nearness():
    metres = np.array([[1.0, 2.0], [4.0, 4.0]], np.float32)
    near = nearness(metres, is_metric=True)
    assert near.ravel().tolist() == pytest.approx([1, 1 / 3, 0, 0])
    assert nearness(metres, is_metric=False).ravel().tolist() == pytest.approx([0, 1 / 3, 1, 1])
    assert not nearness(np.ones((2, 2), np.float32), is_metric=False).any()


def test_a_caption_is_what_the_model_says_each_time_the_same(tmp_path):
    folder = write_captioner(tmp_path)
    model = BlipForConditionalGeneration.from_pretrained(folder).eval()
    processor = BlipProcessor.from_pretrained(folder)
    inputs = processor(images=Image.fromarray(PICTURE), return_tensors="pt")
    with torch.inference_mode():
        tokens = model.generate(**inputs, max_new_tokens=60, do_sample=False)
    expected = processor.decode(tokens[0], skip_special_tokens=True).strip()
    captioner = Captioner(str(folder))
    assert expected
    assert captioner(PICTURE) == captioner(PICTURE) == expected


def test_m6_a_model_that_is_no_captioner_is_refused(tmp_path):
    with pytest.raises(ModelError, match=r"M6.*'clip', which is no captioner"):
        Captioner(str(write_clip_model(tmp_path)))


def test_m5_a_model_that_estimates_no_depth_is_refused(tmp_path):
    with pytest.raises(ModelError, match=r"M5"):
        DepthEstimator(str(write_clip_model(tmp_path)))


def test_m3_an_estimator_of_pickles_is_never_opened(tmp_path):
    write_depth_model(tmp_path)
    (tmp_path / "model.safetensors").rename(tmp_path / "pytorch_model.bin")
    with pytest.raises(ModelError, match="M3"):
        DepthEstimator(str(tmp_path))
