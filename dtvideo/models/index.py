"""What a diffusers folder says it holds (`model_index.json`), read with suspicion.

Names of classes come from a file that anyone may have written: only those listed here are used.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dtvideo.errors import ModelError, UsageError

FILE = "model_index.json"
PIPELINES = (
    "AnimationPipeline",
    "StableDiffusionControlNetPipeline",
    "StableDiffusionPipeline",
    "StableDiffusionImg2ImgPipeline",
)
XL_PARTS = ("text_encoder_2", "tokenizer_2")
NEEDED = ("vae", "text_encoder", "tokenizer", "unet", "scheduler")
OPTIONAL = ("controlnet", "subject_encoder", "image_encoder", "feature_extractor")
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
CLASSES: Mapping[str, tuple[tuple[str, str], ...]] = {
    "vae": (("diffusers", "AutoencoderKL"), ("dtvideo.toon.patches", "PatchAutoencoder")),
    "text_encoder": (("transformers", "CLIPTextModel"),),
    "tokenizer": (("transformers", "CLIPTokenizer"), ("transformers", "CLIPTokenizerFast")),
    "unet": (("diffusers", "UNet2DConditionModel"),),
    "controlnet": (("diffusers", "ControlNetModel"),),
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
    """

    folder: Path
    parts: Mapping[str, tuple[str, str]]
    defaults: Mapping[str, Any]


def read_index(folder: Path) -> ModelIndex:
    """Read what a diffusers folder holds; parts that are not used here are left out.

    Raises: ModelError M1 when it is no such folder or lacks a part, M2 when its file is damaged,
    M6 when it asks for a class that is not known; UsageError U2 for the SDXL family.
    """
    path = folder / FILE
    if not path.is_file():
        raise ModelError("M1", folder, f"has no {FILE}", "give the folder of a diffusers model")
    content = read_json(path)
    if any(part in content for part in XL_PARTS):
        refuse_xl(folder)
    if content.get("_class_name") not in PIPELINES:
        raise ModelError(
            "M6",
            path,
            f"is of the class {content.get('_class_name')!r}, which is not known",
            "give a model of the Stable Diffusion 1.5 family",
        )
    parts = {
        part: _known_class(path, part, content[part])
        for part in (*NEEDED, *OPTIONAL)
        if content.get(part) not in (None, [None, None])
    }
    for part in NEEDED:
        if part not in parts:
            raise ModelError("M1", path, f"names no {part}", "fetch the model again, whole")
    defaults = content.get("defaults") or {}
    if not isinstance(defaults, dict):
        raise ModelError("M2", path, f"defaults are {defaults!r}", "give settings by name")
    return ModelIndex(folder, parts, defaults)


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


def refuse_xl(model: Path) -> None:
    """Refuse a model of the SDXL family by name.

    Raises: UsageError U2.
    """
    raise UsageError(
        "U2",
        "--model",
        f"{model} is of the SDXL family, which is not in this version",
        "give a model of the Stable Diffusion 1.5 family",
    )


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
