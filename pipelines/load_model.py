"""The model of a render: loaded, its sampler swapped, LoRAs added, and described."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError

import dtvideo.toon
from dtvideo.errors import ModelError, ResourceError, UsageError
from dtvideo.files import sha256_file
from dtvideo.guidance import GuidanceSettings
from pipelines.animate import AnimationPipeline, ClipSettings
from pipelines.job import RenderJob

TOON = Path(dtvideo.toon.__file__).parent / "weights" / "toon"
SETUP_AGAIN = "install dtvideo again: its weights come with it"
PICKLES = (".ckpt", ".pth", ".pt", ".bin", ".pkl")
LIBRARIES = frozenset({"diffusers", "transformers", "stable_diffusion"})
LIBRARY_NAMES = "diffusers' and transformers' own classes"

Settings = TypeVar("Settings", ClipSettings, GuidanceSettings)

SCHEDULERS: Mapping[str, tuple[str, dict[str, object]]] = {
    "ddim": ("DDIMScheduler", {}),
    "euler": ("EulerDiscreteScheduler", {}),
    "euler-a": ("EulerAncestralDiscreteScheduler", {}),
    "dpm++": ("DPMSolverMultistepScheduler", {"algorithm_type": "dpmsolver++"}),
    "unipc": ("UniPCMultistepScheduler", {}),
    "lcm": ("LCMScheduler", {}),
}


def load_model(job: RenderJob) -> AnimationPipeline:
    """Load the job's model with its sampler and LoRAs.

    Raises: ModelError M1-M6; UsageError U2 for a family that is not in this version.
    """
    pipeline = load_pipeline(job.model, device=job.device, dtype=job.dtype)
    if job.scheduler is not None:
        pipeline.scheduler = make_scheduler(job.scheduler, pipeline.scheduler)
    add_loras(pipeline, job.loras)
    return pipeline


def load_pipeline(model: str, *, device: str = "auto", dtype: str = "float32") -> AnimationPipeline:
    """Load a pipeline: `toon`, a diffusers folder, or a hub id that is in the local cache.

    Only safetensors are read and nothing is fetched.
    Raises: ModelError M1 (missing), M3 (not safetensors), M5 (parts missing), M6 (foreign
    classes); UsageError U2 for kinds that are not in this version.
    """
    source = _locate(model)
    target = _device(device)
    try:
        pipeline: AnimationPipeline = AnimationPipeline.from_pretrained(
            source,
            dtype=getattr(torch, dtype),
            use_safetensors=True,
            local_files_only=True,
        )
    except (OSError, ValueError, TypeError, KeyError, RuntimeError, SafetensorError) as error:
        raise _unusable(model, error) from error
    pipeline.set_progress_bar_config(disable=True)
    return pipeline.to(target)


def _locate(model: str) -> str:
    """Return a folder or a hub id, checked as far as it can be without loading."""
    path = TOON if model == "toon" else Path(model)
    if path.is_dir() or model == "toon":
        _check_index(model, path / "model_index.json")
        return str(path)
    if path.suffix == ".safetensors":
        raise UsageError(
            "U2",
            "--model",
            f"{model}: single files are not in this version",
            "give a diffusers folder with a ControlNet",
        )
    if path.suffix in PICKLES:
        raise ModelError(
            "M3",
            model,
            f"{path.suffix} files may hold code and are never read",
            "convert it to safetensors",
        )
    if path.exists() or not re.fullmatch(r"[\w.-]+/[\w.-]+", model):
        raise ModelError(
            "M1",
            model,
            "is no built-in model, folder or hub id",
            "give toon, or a diffusers folder",
        )
    return model


def _check_index(model: str, index: Path) -> None:
    """Refuse a folder whose index is missing, of another family, or asks for foreign classes."""
    try:
        parts = json.loads(index.read_text(encoding="utf-8"))
    except OSError:
        remedy = SETUP_AGAIN if model == "toon" else "give a diffusers folder"
        raise ModelError("M1", model, f"{index} is not there", remedy) from None
    except ValueError as error:
        raise ModelError("M5", index, f"is not JSON: {error}", "copy the model again") from None
    if "text_encoder_2" in parts:
        raise UsageError(
            "U2",
            "--model",
            f"{model} is of the SDXL family, which is not in this version",
            "give a model of the Stable Diffusion 1.5 family",
        )
    libraries = {value[0] for value in parts.values() if isinstance(value, list) and value[0]}
    if foreign := sorted(libraries - LIBRARIES):
        raise ModelError(
            "M6", index, f"asks for code of {foreign[0]!r}", f"only {LIBRARY_NAMES} run"
        )


def _device(name: str) -> str:
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.zeros(1, device=name)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).split("\n")[0][:120]
        raise ResourceError(
            "M10", "--device", f"{name} cannot be used: {reason}", "give cpu"
        ) from error
    return name


def _unusable(model: str, error: Exception) -> ModelError:
    summary = " ".join(str(error).split())[:240]
    if isinstance(error, OSError):
        remedy = "put a diffusers folder with .safetensors on disk and give its path"
        return ModelError("M1", model, f"cannot be loaded: {summary}", remedy)
    return ModelError(
        "M5",
        model,
        f"does not fit: {summary}",
        "give a Stable Diffusion 1.5 class model with a ControlNet in its folder",
    )


def make_scheduler(name: str, current: Any) -> Any:
    """Return a sampler by name with the noise levels of the current one.

    Raises: UsageError M11 for a name that is unknown.
    """
    import diffusers

    if name not in SCHEDULERS:
        known = ", ".join(SCHEDULERS)
        raise UsageError("M11", "--scheduler", f"{name!r} is unknown", f"give one of {known}")
    kind, options = SCHEDULERS[name]
    return getattr(diffusers, kind).from_config(current.config, **options)


def add_loras(pipeline: AnimationPipeline, loras: Sequence[tuple[str, float]]) -> None:
    """Load LoRA files, safetensors only, and set their scales.

    Raises: ModelError M1 when a file is missing, M3 when it is of another kind, M5 when it
    does not fit.
    """
    names = []
    for index, (file, scale) in enumerate(loras):
        path = Path(file)
        if not path.is_file():
            raise ModelError("M1", file, "no such LoRA file", "check the path")
        if path.suffix != ".safetensors":
            raise ModelError("M3", file, "is not .safetensors", "convert it first")
        names.append((f"lora{index}", scale))
        try:
            pipeline.load_lora_weights(
                path.parent, weight_name=path.name, adapter_name=names[-1][0], use_safetensors=True
            )
        except (ValueError, KeyError, RuntimeError, OSError) as error:
            summary = " ".join(str(error).split())[:200]
            raise ModelError("M5", file, f"does not fit the model: {summary}") from error
    if names:
        pipeline.set_adapters([name for name, _ in names], [scale for _, scale in names])


def clip_settings(job: RenderJob, pipeline: AnimationPipeline) -> ClipSettings:
    """Return the model's own settings with those changed that the job names."""
    own = pipeline.default_settings
    guidance = _changed(
        own.guidance,
        mode=job.guidance,
        reference_scale=job.reference_guidance,
        text_scale=job.text_guidance,
        reference_probability=job.reference_probability,
    )
    return _changed(
        own,
        guidance=guidance,
        seed=job.seed,
        steps=job.steps,
        reference_weight=job.reference_weight,
        previous_weight=job.previous_weight,
        cache_memory=job.cache_memory,
    )


def native_side(pipeline: AnimationPipeline) -> int:
    """Return the side in pixels of the square pictures that the model was trained on."""
    latent_side = pipeline.unet.config.sample_size
    if latent_side is None:
        return int(pipeline.vae.config.sample_size)
    return int(latent_side * pipeline.vae_scale_factor)


def describe_model(name: str, pipeline: AnimationPipeline) -> dict[str, object]:
    """Return name, classes and the hashes of the weight files, where they are on disk."""
    folder = Path(str(pipeline.config.get("_name_or_path") or name))
    files = sorted(folder.rglob("*.safetensors")) if folder.is_dir() else [folder]
    return {
        "name": name,
        "class": type(pipeline).__name__,
        "scheduler": type(pipeline.scheduler).__name__,
        "prediction_type": pipeline.scheduler.config.get("prediction_type"),
        "dtype": str(pipeline.unet.dtype).removeprefix("torch."),
        "device": str(pipeline.device),
        "sha256": {
            file.relative_to(folder).as_posix() if file != folder else file.name: sha256_file(file)
            for file in files
            if file.is_file()
        },
    }


def _changed(settings: Settings, **values: Any) -> Settings:
    return replace(settings, **{key: value for key, value in values.items() if value is not None})
