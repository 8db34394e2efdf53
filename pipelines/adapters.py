"""What is added to a loaded model: LoRAs, words of one's own, and IP-Adapters.

Every file is looked at before a loader of diffusers sees it, and only safetensors are read.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from dtvideo.errors import ModelError, UsageError
from dtvideo.models.components import explained_loading, load_module
from dtvideo.models.index import read_json
from dtvideo.models.loras import HALVES, check_lora, unmatched_weights
from dtvideo.models.weights import SUFFIX, Shapes, check_safetensors
from pipelines.base import AnimationBase
from pipelines.character_job import CharacterJob

IMAGE_ENCODER = "image_encoder"
SHARED_ENCODER = Path("..", "models", IMAGE_ENCODER)
"""Where an IP-Adapter for SDXL finds the encoder of those for SD 1.5, as h94/IP-Adapter lies."""
A1111_KEY, XL_KEYS = "emb_params", ("clip_l", "clip_g")


def add_adapters(pipeline: AnimationBase, job: CharacterJob) -> None:
    """Add all that a job names to its model, which is still in main memory.

    Raises: as `add_loras`, `add_embeddings` and `add_ip_adapters`.
    """
    add_loras(pipeline, job.loras)
    add_embeddings(pipeline, job.embeddings)
    add_ip_adapters(pipeline, job.ip_adapters)


def add_loras(pipeline: AnimationBase, loras: Sequence[tuple[str, float]]) -> None:
    """Load LoRA files, safetensors only, and set their scales.

    What of a file fits nowhere is told in the pipeline's `notices`.
    Raises: ModelError M1 when a file is missing, M2 when it is damaged, M3 when it is of
    another kind, M5 when it does not fit.
    """
    names = [f"lora{index}" for index in range(len(loras))]
    for name, (file, _) in zip(names, loras, strict=True):
        path = Path(file)
        _refuse_other_kinds(path)
        width = pipeline.unet.config.cross_attention_dim
        keys = sorted(check_lora(path, text_width=width))
        remedy = f"give a LoRA of this family; this one begins with {', '.join(keys[:3])}"
        with explained_loading(path, remedy):
            pipeline.load_lora_weights(
                path.parent, weight_name=path.name, adapter_name=name, local_files_only=True
            )
        if not any(name in adapters for adapters in pipeline.get_list_adapters().values()):
            problem = f"none of its {len(keys)} weights fits the model"
            raise ModelError("M5", file, problem, remedy)
        if lost := unmatched_weights(pipeline, load_file(path), adapter=name):
            pipeline.notices += (_partial_fit(file, keys, lost),)
    if names:
        pipeline.set_adapters(names, [scale for _, scale in loras])


def add_embeddings(pipeline: AnimationBase, embeddings: Sequence[tuple[str, str | None]]) -> None:
    """Teach the text encoders words from files of textual inversion, safetensors only.

    embeddings: files, and what each is called; by default the name in a file of diffusers' form,
    else the file's own. Files for SDXL hold a meaning for each of its two encoders.
    Raises: ModelError as `add_loras`; UsageError M11 for a word that the model knows.
    """
    for file, word in embeddings:
        _checked(file)
        path = Path(file)
        weights = load_file(path)
        token = word or _own_word(path, weights)
        for part, meaning in _meanings(pipeline, path, weights).items():
            tokenizer = getattr(pipeline, part.replace("text_encoder", "tokenizer"))
            if {token, f"{token.lower()}</w>"} & tokenizer.get_vocab().keys():
                problem = f"{token!r} is a word that the model knows"
                raise UsageError("M11", "--embedding", problem, f"call it otherwise: {file}:<mine>")
            with explained_loading(path):
                pipeline.load_textual_inversion(
                    meaning,
                    token=token,
                    tokenizer=tokenizer,
                    text_encoder=getattr(pipeline, part),
                )


def add_ip_adapters(pipeline: AnimationBase, adapters: Sequence[tuple[str, float]]) -> None:
    """Let the cross-attention look at the character through IP-Adapters, each at its scale.

    The encoder of pictures is the model's own, or lies beside the first file in `image_encoder`.
    Raises: ModelError as `add_loras`; M1 when there is no encoder of pictures that fits.
    """
    if not adapters:
        return
    shapes = [_checked_ip_adapter(file, pipeline.unet) for file, _ in adapters]
    paths = [Path(file) for file, _ in adapters]
    if pipeline.image_encoder is None:
        encoder = _load_image_encoder(paths[0], shapes[0], dtype=pipeline.unet.dtype)
        pipeline.register_modules(image_encoder=encoder)
    for path, found in zip(paths, shapes, strict=True):
        if not _fits(found, pipeline.image_encoder.config.to_dict()):
            problem = "was made for another image encoder"
            raise ModelError("M5", path, problem, "give adapters of one encoder")
    with explained_loading(paths[0], "give an IP-Adapter of this family"):
        pipeline.load_ip_adapter(
            [str(path.parent) for path in paths],
            subfolder="",
            weight_name=[path.name for path in paths],
            image_encoder_folder=None,
            local_files_only=True,
        )
    pipeline.set_ip_adapter_scale([scale for _, scale in adapters])


def _partial_fit(file: str, keys: Sequence[str], lost: Sequence[str]) -> str:
    """Return what to tell of a LoRA that fits in part."""
    halves = [key for key in keys if key.endswith((*HALVES, *HALVES.values()))]
    fitting = f"{len(halves) - len(lost)} of its {len(halves)} weights fit the model"
    return f"--lora {file}: {fitting}, the others are not used; the first is {min(lost)}"


def _checked(file: str) -> Shapes:
    """Return the shapes in a weight file that may be opened."""
    _refuse_other_kinds(Path(file))
    return check_safetensors(Path(file))


def _refuse_other_kinds(path: Path) -> None:
    if path.exists() and path.suffix.lower() != SUFFIX:
        raise ModelError("M3", path, f"is not {SUFFIX}", "convert it first")


def _own_word(path: Path, weights: Mapping[str, Tensor]) -> str:
    """Return what a textual inversion is called by its own file."""
    named = [key for key in weights if key not in (A1111_KEY, *XL_KEYS)]
    return named[0] if len(named) == len(weights) == 1 else path.stem


def _meanings(
    pipeline: AnimationBase, path: Path, weights: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """Return the vectors (n, width) of a textual inversion by the text encoder they are for."""
    parts = [part for part in ("text_encoder", "text_encoder_2") if hasattr(pipeline, part)]
    keys = [key for key in XL_KEYS if key in weights] or list(weights)
    found = [value[None] if (value := weights[key]).ndim == 1 else value for key in keys]
    widths = [getattr(pipeline, part).get_input_embeddings().weight.shape[1] for part in parts]
    given = [meaning.shape[-1] for meaning in found]
    if given != widths or any(meaning.ndim != 2 for meaning in found):
        problem = f"holds words of width {given}, the text encoders of the model take {widths}"
        raise ModelError("M5", path, problem, "give a textual inversion of this family")
    return dict(zip(parts, found, strict=True))


def _checked_ip_adapter(file: str, unet: Any) -> Shapes:
    """Return the shapes in the file of an IP-Adapter that fits a U-Net."""
    shapes = _checked(file)
    first = f"this one begins with {', '.join(sorted(shapes)[:3])}"
    widths = {shape[-1] for name, shape in shapes.items() if name.endswith("to_k_ip.weight")}
    if not widths or not any(name.startswith("image_proj.") for name in shapes):
        raise ModelError("M5", file, "is not an IP-Adapter", f"give one in safetensors; {first}")
    wanted = unet.config.cross_attention_dim
    if widths != {wanted}:
        problem = f"is {max(widths)} wide, the model's cross-attention {wanted}"
        raise ModelError("M5", file, problem, "give an IP-Adapter of this family")
    if _picture_width(shapes) is None:
        problem = "needs a face recogniser, which dtvideo does not have"
        raise ModelError("M5", file, problem, "give an IP-Adapter that sees whole pictures")
    return shapes


def _picture_width(shapes: Shapes) -> tuple[str, int] | None:
    """Return which width of a vision tower an adapter needs: plain ones, plus, full face."""
    if any("lora" in name for name in shapes):
        return None
    for name, setting in (
        ("image_proj.proj.weight", "projection_dim"),
        ("image_proj.proj_in.weight", "hidden_size"),
        ("image_proj.proj.0.weight", "hidden_size"),
    ):
        if name in shapes and "image_proj.perceiver_resampler.proj_in.weight" not in shapes:
            return setting, shapes[name][1]
    return None


def _fits(shapes: Shapes, config: Mapping[str, Any]) -> bool:
    needed = _picture_width(shapes)
    return needed is not None and config.get(needed[0]) == needed[1]


def _load_image_encoder(path: Path, shapes: Shapes, *, dtype: torch.dtype) -> Any:
    """Load the vision tower that an adapter was trained with, from where it lies."""
    from transformers import CLIPVisionModelWithProjection

    places = [path.parent / IMAGE_ENCODER, path.parent / SHARED_ENCODER]
    for folder in places:
        if (folder / "config.json").is_file() and _fits(shapes, read_json(folder / "config.json")):
            return load_module(CLIPVisionModelWithProjection, folder, dtype=dtype).eval()
    problem = (
        f"has no encoder of pictures that fits it (looked in {' and '.join(map(str, places))})"
    )
    raise ModelError("M1", path, problem, f"put its folder beside it, named {IMAGE_ENCODER}")
