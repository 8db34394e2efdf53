"""What a diffusers folder says it holds (`model_index.json`), read with suspicion.

Names of classes come from a file that anyone may have written: only those listed here are used.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from dtvideo.errors import ModelError

FILE = "model_index.json"
Family = Literal["sd15", "sdxl"]
PIPELINES: Mapping[str, Family] = {
    "AnimationPipeline": "sd15",
    "StableDiffusionControlNetPipeline": "sd15",
    "StableDiffusionPipeline": "sd15",
    "StableDiffusionImg2ImgPipeline": "sd15",
    "AnimationXLPipeline": "sdxl",
    "StableDiffusionXLControlNetPipeline": "sdxl",
    "StableDiffusionXLControlNetUnionPipeline": "sdxl",
    "StableDiffusionXLPipeline": "sdxl",
    "StableDiffusionXLImg2ImgPipeline": "sdxl",
}
_SHARED = ("vae", "text_encoder", "tokenizer", "unet", "scheduler")
NEEDED: Mapping[Family, tuple[str, ...]] = {
    "sd15": _SHARED,
    "sdxl": (*_SHARED, "text_encoder_2", "tokenizer_2"),
}
OPTIONAL = (
    "controlnet",
    "depth_controlnet",
    "subject_encoder",
    "image_encoder",
    "feature_extractor",
)
SCHEDULERS = (
    "DDIMScheduler",
    "DDPMScheduler",
    "DEISMultistepScheduler",
    "DPMSolverMultistepScheduler",
    "DPMSolverSinglestepScheduler",
    "EulerAncestralDiscreteScheduler",
    "EulerDiscreteScheduler",
    "HeunDiscreteScheduler",
    "KDPM2AncestralDiscreteScheduler",
    "KDPM2DiscreteScheduler",
    "LCMScheduler",
    "LMSDiscreteScheduler",
    "PNDMScheduler",
    "TCDScheduler",
    "UniPCMultistepScheduler",
)
TOKENIZERS = (("transformers", "CLIPTokenizer"), ("transformers", "CLIPTokenizerFast"))
CONTROLNETS = (("diffusers", "ControlNetModel"), ("diffusers", "ControlNetUnionModel"))
CLASSES: Mapping[str, tuple[tuple[str, str], ...]] = {
    "vae": (("diffusers", "AutoencoderKL"), ("dtvideo.toon.patches", "PatchAutoencoder")),
    "text_encoder": (("transformers", "CLIPTextModel"),),
    "text_encoder_2": (("transformers", "CLIPTextModelWithProjection"),),
    "tokenizer": TOKENIZERS,
    "tokenizer_2": TOKENIZERS,
    "unet": (("diffusers", "UNet2DConditionModel"),),
    "controlnet": CONTROLNETS,
    "depth_controlnet": CONTROLNETS,
    "scheduler": tuple(("diffusers", name) for name in SCHEDULERS),
    "subject_encoder": (("dtvideo.subject.encoder", "SubjectEncoder"),),
    "image_encoder": (("transformers", "CLIPVisionModelWithProjection"),),
    "feature_extractor": (
        ("transformers", "CLIPImageProcessor"),
        ("transformers", "CLIPFeatureExtractor"),
    ),
}
"""For each part of a model, the classes that it may be of: library and name."""


@dataclass(frozen=True)
class ModelIndex:
    """The parts of a model in a folder: for each, library and class, all of them known ones.

    defaults: the settings that the model's own file recommends.
    zeros_for_empty: an SDXL model takes zeros for an empty negative prompt.
    """

    folder: Path
    family: Family
    parts: Mapping[str, tuple[str, str]]
    defaults: Mapping[str, Any]
    zeros_for_empty: bool = True


def read_index(folder: Path) -> ModelIndex:
    """Read what a diffusers folder holds; parts that are not used here are left out.

    Raises: ModelError M1 when it is no such folder or lacks a part, M2 when its file is damaged,
    M6 when it asks for a class that is not known.
    """
    path = folder / FILE
    if not path.is_file():
        raise ModelError("M1", folder, f"has no {FILE}", "give the folder of a diffusers model")
    content = read_json(path)
    family = PIPELINES.get(str(content.get("_class_name")))
    if family is None:
        raise ModelError(
            "M6",
            path,
            f"is of the class {content.get('_class_name')!r}, which is not known",
            "give a model of the Stable Diffusion 1.5 or SDXL family",
        )
    parts = {
        part: _known_class(path, part, content[part])
        for part in (*NEEDED[family], *OPTIONAL)
        if content.get(part) not in (None, [None, None])
    }
    for part in NEEDED[family]:
        if part not in parts:
            raise ModelError("M1", path, f"names no {part}", "fetch the model again, whole")
    defaults = content.get("defaults") or {}
    if not isinstance(defaults, dict):
        raise ModelError("M2", path, f"defaults are {defaults!r}", "give settings by name")
    zeros = content.get("force_zeros_for_empty_prompt") is not False
    return ModelIndex(folder, family, parts, defaults, zeros)


def read_json(path: Path) -> dict[str, Any]:
    """Return the object in a configuration file.

    Raises: ModelError M2 when it is not JSON or not an object.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ModelError("M2", path, f"is not JSON: {error}", "fetch it again") from error
    if not isinstance(content, dict):
        raise ModelError("M2", path, "is not a JSON object", "fetch it again")
    return content


def _known_class(path: Path, part: str, asked: Any) -> tuple[str, str]:
    for known in CLASSES[part]:
        if asked == list(known):
            return known
    raise ModelError(
        "M6",
        path,
        f"asks for {part} of the class {asked!r}, which is not known",
        f"known are {', '.join(name for _, name in CLASSES[part])}",
    )
