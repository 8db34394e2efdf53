"""The model of a render: loaded, its sampler swapped, LoRAs added, and described."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from dtvideo.errors import ModelError, UsageError
from dtvideo.files import sha256_file
from dtvideo.guidance import GuidanceSettings
from dtvideo.models.components import load_component
from dtvideo.models.index import CLASSES, read_index
from dtvideo.models.placement import choose_device, choose_dtype
from dtvideo.models.single_file import load_single_file, single_file_index
from dtvideo.models.sources import TOON, ModelSource, find_model
from dtvideo.models.weights import weight_files
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

    Raises: as `load_pipeline`, `make_scheduler` and `add_loras`.
    """
    pipeline = load_pipeline(
        job.model, controlnet=job.controlnet, device=job.device, dtype=job.dtype
    )
    if job.scheduler is not None:
        pipeline.scheduler = make_scheduler(job.scheduler, pipeline.scheduler)
    add_loras(pipeline, job.loras)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def load_pipeline(
    model: str = TOON, *, controlnet: str | None = None, device: str = "auto", dtype: str = "auto"
) -> AnimationPipeline:
    """Load a model by name, ready to render; the network is never asked.

    model: toon, a folder saved by diffusers or by `AnimationPipeline`, a .safetensors
    checkpoint, or a hub id that was fetched before. controlnet: a pose ControlNet's folder or
    hub id, instead of the model's own.
    device: auto, cpu, cuda or mps; dtype: auto, float32, float16 or bfloat16.
    Raises: ModelError M1 when something is missing, M2 when a file is damaged, M3 for a pickle,
    M5 when parts do not fit, M6 for a class that is not known; ResourceError M10 for a device
    that is not there; UsageError M11 for an unknown name, U2 for the SDXL family.
    """
    place = choose_device(device)
    precision = choose_dtype("float32" if (model, dtype) == (TOON, "auto") else dtype, place)
    source = find_model(model)
    if source.kind == "file":
        index = single_file_index(source.path)
        parts = load_single_file(source.path, index, dtype=precision)
    else:
        index = read_index(source.path)
        parts = {
            part: load_component(index.folder / part, kind, dtype=precision)
            for part, kind in index.parts.items()
            if part != "controlnet"
        }
    folder = controlnet_folder(controlnet, index.folder)
    parts["controlnet"] = load_component(folder, CLASSES["controlnet"][0], dtype=precision)
    pipeline = AnimationPipeline(**parts, defaults=dict(index.defaults))
    return pipeline.to(place)


def controlnet_folder(name: str | None, model: Path) -> Path:
    """Return the folder of the pose ControlNet: the named one, or else the model's own.

    Raises: ModelError M1 when the model has none and none is named.
    """
    if name is not None:
        return find_model(name).path
    if (model / "controlnet").is_dir():
        return model / "controlnet"
    raise ModelError(
        "M1",
        model,
        "has no controlnet folder: a Stable Diffusion checkpoint needs a pose ControlNet",
        "give one with --controlnet, for example lllyasviel/control_v11p_sd15_openpose",
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


def describe_model(job: RenderJob, pipeline: AnimationPipeline) -> dict[str, object]:
    """Return names, classes and the hashes of the weight files, for the side-car."""
    source = find_model(job.model)
    files = _used_files(source)
    if job.controlnet is not None:
        files |= {
            f"--controlnet/{path.name}": path
            for path in weight_files(find_model(job.controlnet).path)
        }
    files |= {f"--lora/{Path(name).name}": Path(name) for name, _ in job.loras}
    return {
        "name": job.model,
        "kind": source.kind,
        "revision": source.path.name if source.kind == "hub" else None,
        "controlnet": job.controlnet,
        "class": type(pipeline).__name__,
        "scheduler": type(pipeline.scheduler).__name__,
        "prediction_type": pipeline.scheduler.config.get("prediction_type"),
        "dtype": str(pipeline.unet.dtype).removeprefix("torch."),
        "device": str(pipeline.device),
        "sha256": {name: sha256_file(path) for name, path in files.items()},
    }


def _used_files(source: ModelSource) -> dict[str, Path]:
    """Return the weight files of a model by their name inside it."""
    if source.kind == "file":
        return {source.path.name: source.path}
    folders = (source.path / part for part in CLASSES if (source.path / part).is_dir())
    files = (path for folder in folders for path in sorted(folder.glob("*.safetensors")))
    return {path.relative_to(source.path).as_posix(): path for path in files}


def _changed(settings: Settings, **values: Any) -> Settings:
    return replace(settings, **{key: value for key, value in values.items() if value is not None})
