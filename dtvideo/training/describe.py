"""Depth and captions for pictures that have none, by transformers models that one names."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32, UInt8

from dtvideo.errors import ModelError
from dtvideo.images import resize
from dtvideo.models.components import explained_loading, load_module
from dtvideo.models.index import read_json
from dtvideo.models.sources import find_model

Image = UInt8[np.ndarray, "h w 3"]

METRIC_KINDS = ("depth_pro", "glpn", "zoedepth")
"""Estimators that tell metres, far is more; the others tell nearness, near is more."""
CAPTION_KINDS = ("blip", "blip-2", "git", "florence2", "instructblip")
MOST_TOKENS = 60  # of a caption
OWN_CODE = {"trust_remote_code": False}


class DepthEstimator:
    """Tells how near everything in a picture is, by a depth model of transformers.

    name: its folder, or a fetched hub id.
    Raises: ModelError as `load_module`.
    """

    def __init__(self, name: str, *, device: torch.device | str = "cpu") -> None:
        from transformers import AutoImageProcessor, AutoModelForDepthEstimation

        folder = find_model(name).path
        model = load_module(AutoModelForDepthEstimation, folder, dtype=torch.float32, **OWN_CODE)
        self._model = model.eval().to(device)
        told = getattr(model.config, "depth_estimation_type", None)
        self._is_metric = model.config.model_type in METRIC_KINDS or told == "metric"
        with explained_loading(folder):
            self._processor = AutoImageProcessor.from_pretrained(
                folder, local_files_only=True, **OWN_CODE
            )

    @torch.inference_mode()
    def __call__(self, image: Image) -> Image:
        """Return nearness as a grey picture of the same size: 255 is nearest, 0 is farthest."""
        pixels = self._processor(image, return_tensors="pt").pixel_values.to(self._model.device)
        depth = self._model(pixels).predicted_depth[0].float().cpu().numpy()
        near = nearness(depth, is_metric=self._is_metric)
        grey = resize(near, (image.shape[1], image.shape[0]))
        return np.repeat((255 * grey).round().astype(np.uint8)[..., None], 3, axis=2)


class Captioner:
    """Says what a picture shows, by a captioner of transformers; the same words each time.

    name: its folder, or a fetched hub id.
    Raises: ModelError as `load_module`; M6 for a model of another kind.
    """

    def __init__(self, name: str, *, device: torch.device | str = "cpu") -> None:
        from transformers import AutoModelForImageTextToText, AutoProcessor

        folder = find_model(name).path
        kind = _kind_of(folder)
        if kind not in CAPTION_KINDS:
            remedy = f"give one of {', '.join(CAPTION_KINDS)}"
            raise ModelError(
                "M6", folder, f"is of the kind {kind!r}, which is no captioner", remedy
            )
        model = load_module(AutoModelForImageTextToText, folder, dtype=torch.float32, **OWN_CODE)
        self._model = model.eval().to(device)
        with explained_loading(folder):
            self._processor: Any = AutoProcessor.from_pretrained(
                folder, local_files_only=True, **OWN_CODE
            )

    @torch.inference_mode()
    def __call__(self, image: Image) -> str:
        """Return one sentence about a picture."""
        inputs = self._processor(images=image, return_tensors="pt").to(self._model.device)
        tokens = self._model.generate(**inputs, max_new_tokens=MOST_TOKENS, do_sample=False)
        (words,) = self._processor.batch_decode(tokens, skip_special_tokens=True)
        return str(words).strip()


def nearness(depth: Float32[np.ndarray, "h w"], *, is_metric: bool) -> Float32[np.ndarray, "h w"]:
    """Return what an estimator says as nearness from 0 to 1; all 0 where nothing differs.

    is_metric: metres, whose inverses are stretched; else nearness of any scale.
    """
    near = 1 / np.maximum(depth, 1e-3) if is_metric else depth
    span = float(near.max() - near.min())
    if span <= 0:
        return np.zeros_like(depth)
    return np.asarray((near - near.min()) / span, np.float32)


def _kind_of(folder: Path) -> str | None:
    config = folder / "config.json"
    if not config.is_file():
        raise ModelError("M1", folder, "has no config.json", "fetch the model again, whole")
    kind = read_json(config).get("model_type")
    return None if kind is None else str(kind)
