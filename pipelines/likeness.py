"""How like a picture is to words and to another picture: CLIP-T, CLIP-I and DINO.

The models are those that a person names, in transformers' layout; none comes with the package. A
figure is the cosine of two embeddings, as in DreamBooth (arXiv:2208.12242).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from dtvideo.errors import ModelError
from dtvideo.models.components import explained_loading, load_module
from dtvideo.models.index import read_json
from dtvideo.models.sources import find_model

Image = UInt8[np.ndarray, "h w 3"]

DINO_KINDS: Mapping[str, tuple[str, str, dict[str, Any]]] = {
    "dinov2": ("Dinov2Model", "BitImageProcessor", {}),
    "dinov2_with_registers": ("Dinov2WithRegistersModel", "BitImageProcessor", {}),
    "vit": ("ViTModel", "ViTImageProcessor", {"add_pooling_layer": False}),
}
"""For each `model_type` of a DINO, network, processor and options of transformers."""


class Clip:
    """A CLIP model that looks at pictures and reads words, cut at its limit.

    name: its folder, or a fetched hub id.
    Raises: ModelError as `load_module`.
    """

    def __init__(self, name: str, *, device: torch.device | str = "cpu") -> None:
        from transformers import CLIPImageProcessor, CLIPModel, CLIPTokenizer

        folder = find_model(name).path
        model = load_module(CLIPModel, folder, dtype=torch.float32)
        self._model = model.eval().to(device)
        with explained_loading(folder):
            self._tokenizer = CLIPTokenizer.from_pretrained(folder, local_files_only=True)
            self._processor = CLIPImageProcessor.from_pretrained(folder, local_files_only=True)

    @torch.inference_mode()
    def picture(self, image: Image) -> Float[Tensor, " d"]:
        """Return the embedding of a picture, of length 1."""
        pixels = self._processor(image, return_tensors="pt").pixel_values.to(self._model.device)
        pooled = self._model.vision_model(pixels).pooler_output
        return _unit(self._model.visual_projection(pooled))

    @torch.inference_mode()
    def words(self, text: str) -> Float[Tensor, " d"]:
        """Return the embedding of words, of length 1."""
        limit = self._model.config.text_config.max_position_embeddings
        tokens = self._tokenizer(text, truncation=True, max_length=limit, return_tensors="pt")
        tokens = tokens.to(self._model.device)
        pooled = self._model.text_model(**tokens).pooler_output
        return _unit(self._model.text_projection(pooled))


class Dino:
    """A DINO or DINOv2 that looks at pictures: the class token of its last layer.

    name: its folder, or a fetched hub id.
    Raises: ModelError as `load_module`; M6 for a model of another kind.
    """

    def __init__(self, name: str, *, device: torch.device | str = "cpu") -> None:
        import transformers

        folder = find_model(name).path
        kind = str(read_json(folder / "config.json").get("model_type"))
        if kind not in DINO_KINDS:
            remedy = f"give one of {', '.join(DINO_KINDS)}"
            raise ModelError("M6", folder, f"is of the kind {kind!r}, which is no DINO", remedy)
        network, processor, options = DINO_KINDS[kind]
        part_class = getattr(transformers, network)
        self._model = load_module(part_class, folder, dtype=torch.float32, **options)
        self._model.eval().to(device)
        with explained_loading(folder):
            self._processor = getattr(transformers, processor).from_pretrained(
                folder, local_files_only=True
            )

    @torch.inference_mode()
    def picture(self, image: Image) -> Float[Tensor, " d"]:
        """Return the embedding of a picture, of length 1."""
        pixels = self._processor(image, return_tensors="pt").pixel_values.to(self._model.device)
        return _unit(self._model(pixels).last_hidden_state[:, 0])


@dataclass(frozen=True, eq=False)
class Likeness:
    """Asks the models that are there how like a picture is to its words and its reference."""

    clip: Clip | None = None
    dino: Dino | None = None

    def scores(
        self, image: Image, *, words: str, reference: UInt8[np.ndarray, "rh rw 3"]
    ) -> dict[str, float]:
        """Return the cosines by name; CLIP-T is left out where there are no words."""
        scores = {}
        if self.clip is not None:
            found = self.clip.picture(image)
            if words:
                scores["clip_t"] = float(found @ self.clip.words(words))
            scores["clip_i"] = float(found @ self.clip.picture(reference))
        if self.dino is not None:
            scores["dino"] = float(self.dino.picture(image) @ self.dino.picture(reference))
        return scores


def _unit(rows: Float[Tensor, "1 d"]) -> Float[Tensor, " d"]:
    return torch.nn.functional.normalize(rows[0].float(), dim=0)
