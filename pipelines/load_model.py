"""The model of a render: loaded, its sampler swapped, LoRAs added, and described."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from dtvideo.errors import ModelError, UsageError
from dtvideo.files import sha256_file
from dtvideo.guidance import GuidanceSettings
from pipelines.animate import AnimationPipeline, ClipSettings
from pipelines.job import RenderJob

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
    from dtvideo.models.loading import load_pipeline

    _refuse_xl(job.model)
    pipeline: AnimationPipeline = load_pipeline(job.model, device=job.device, dtype=job.dtype)
    if job.scheduler is not None:
        pipeline.scheduler = make_scheduler(job.scheduler, pipeline.scheduler)
    add_loras(pipeline, job.loras)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


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
    return int(pipeline.unet.config.sample_size * pipeline.vae_scale_factor)


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


def _refuse_xl(model: str) -> None:
    index = Path(model) / "model_index.json"
    if index.is_file() and "text_encoder_2" in json.loads(index.read_text(encoding="utf-8")):
        raise UsageError(
            "U2",
            "--model",
            f"{model} is of the SDXL family, which is not in this version",
            "give a model of the Stable Diffusion 1.5 family",
        )
