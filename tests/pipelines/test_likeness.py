import numpy as np
import pytest
import torch
from PIL import Image
from transformers import CLIPModel, CLIPProcessor, CLIPVisionModel, Dinov2Model

from dtvideo.errors import ModelError
from pipelines.likeness import Clip, Dino, Likeness
from tests.tiny_judges import write_clip_model, write_dino
from tests.tiny_models import tiny_tower

PICTURES = np.random.default_rng(0).integers(0, 256, (2, 24, 20, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def clip_folder(tmp_path_factory):
    return write_clip_model(tmp_path_factory.mktemp("clip"))


def test_clip_agrees_with_what_transformers_computes(clip_folder):
    model = CLIPModel.from_pretrained(clip_folder)
    processor = CLIPProcessor.from_pretrained(clip_folder)
    words = ["a girl with red hair"]
    inputs = processor(
        text=words, images=[Image.fromarray(PICTURES[0])], return_tensors="pt", padding=True
    )
    with torch.inference_mode():
        expected = model(**inputs).logits_per_text / model.logit_scale.exp()
    judge = Likeness(clip=Clip(str(clip_folder)))
    scores = judge.scores(PICTURES[0], words=words[0], reference=PICTURES[1])
    assert scores["clip_t"] == pytest.approx(float(expected), abs=1e-5)
    assert scores["clip_i"] < 1
    same = judge.scores(PICTURES[0], words="", reference=PICTURES[0])
    assert same == {"clip_i": pytest.approx(1.0)}


def test_long_words_are_cut_at_the_models_limit(clip_folder):
    clip = Clip(str(clip_folder))
    assert clip.words("red " * 500).shape == (8,)


@pytest.mark.parametrize("kind", ["dinov2", "vit"])
def test_a_dino_tells_pictures_apart_by_its_class_token(tmp_path, kind):
    judge = Likeness(dino=Dino(str(write_dino(tmp_path, kind=kind))))
    scores = judge.scores(PICTURES[0], words="a girl", reference=PICTURES[0])
    assert scores == {"dino": pytest.approx(1.0)}
    assert judge.scores(PICTURES[0], words="", reference=PICTURES[1])["dino"] < 0.9999


def test_a_dinos_embedding_is_its_class_token(tmp_path):
    folder = write_dino(tmp_path)
    dino = Dino(str(folder))
    pixels = dino._processor(PICTURES[0], return_tensors="pt").pixel_values
    with torch.inference_mode():
        token = Dinov2Model.from_pretrained(folder)(pixels).last_hidden_state[0, 0]
    torch.testing.assert_close(dino.picture(PICTURES[0]), token / token.norm())


def test_m6_a_model_that_is_no_dino_is_refused(tmp_path):
    tiny_tower().save_pretrained(tmp_path)
    with pytest.raises(ModelError, match=r"M6.*'clip_vision_model', which is no DINO"):
        Dino(str(tmp_path))
    assert CLIPVisionModel.from_pretrained(tmp_path) is not None


def test_m3_a_clip_of_pickles_is_never_opened(clip_folder, tmp_path):
    for path in clip_folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "model.safetensors").rename(tmp_path / "pytorch_model.bin")
    with pytest.raises(ModelError, match="M3"):
        Clip(str(tmp_path))
