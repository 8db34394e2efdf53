"""The model of a render: loaded, its sampler swapped, adapters added, and described."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import torch

from dtvideo.errors import UsageError
from dtvideo.files import sha256_file
from dtvideo.guidance import GuidanceSettings
from dtvideo.models.autoencoders import load_autoencoder
from dtvideo.models.components import load_component
from dtvideo.models.controlnets import find_controlnet, load_controlnet
from dtvideo.models.index import CLASSES, ModelIndex, read_index
from dtvideo.models.placement import choose_device, choose_dtype, place
from dtvideo.models.single_file import load_single_file, open_single_file
from dtvideo.models.sources import TOON, ModelSource, find_model, is_toon
from dtvideo.models.verify import check_locked
from dtvideo.models.weights import weight_files
from pipelines.adapters import add_adapters
from pipelines.animate import AnimationPipeline
from pipelines.animate_xl import AnimationXLPipeline
from pipelines.base import AnimationBase
from pipelines.character_job import CharacterJob
from pipelines.clip_settings import ClipSettings

DEPTH = "depth_controlnet"
Settings = TypeVar("Settings", ClipSettings, GuidanceSettings)

SCHEDULERS: Mapping[str, tuple[str, dict[str, object]]] = {
    "ddim": ("DDIMScheduler", {}),
    "euler": ("EulerDiscreteScheduler", {}),
    "euler-a": ("EulerAncestralDiscreteScheduler", {}),
    "dpm++": ("DPMSolverMultistepScheduler", {"algorithm_type": "dpmsolver++"}),
    "unipc": ("UniPCMultistepScheduler", {}),
    "lcm": ("LCMScheduler", {}),
    "tcd": ("TCDScheduler", {}),
    "turbo": ("EulerAncestralDiscreteScheduler", {"timestep_spacing": "trailing"}),
    "lightning": ("EulerDiscreteScheduler", {"timestep_spacing": "trailing"}),
    "hyper": ("DDIMScheduler", {"timestep_spacing": "trailing"}),
}
"""Samplers by name; the last five are for models and LoRAs that take 1 to 8 steps."""


def load_model(job: CharacterJob, *, needs_controlnet: bool = True) -> AnimationBase:
    """Load the job's model with its sampler and all that is added to it.

    Raises: as `load_pipeline`, `make_scheduler` and `add_adapters`; ModelError M4 as `check_locked`
    when the job is locked.
    """
    if job.locked:
        check_locked(_used_files(job, find_model(job.model)).values())
    where = choose_device(job.device)
    pipeline = _assemble(
        job.model,
        named=job.named_parts,
        dtype=_precision(job.model, job.dtype, where),
        needs_controlnet=needs_controlnet,
    )
    if job.scheduler is not None:
        pipeline.scheduler = make_scheduler(job.scheduler, pipeline.scheduler)
    add_adapters(pipeline, job)
    place(pipeline, where, memory=job.memory)
    return pipeline


def load_pipeline(
    model: str = TOON,
    *,
    controlnet: str | None = None,
    vae: str | None = None,
    device: str = "auto",
    dtype: str = "auto",
    memory: str = "high",
    needs_controlnet: bool = True,
) -> AnimationBase:
    """Load a model by name, ready to render; the network is never asked.

    model: toon, a preset, a folder saved by diffusers or by `AnimationPipeline`, a .safetensors
    checkpoint, or a hub id that was fetched before. controlnet, vae: folder, file or hub id of a
    pose ControlNet and an autoencoder, instead of the model's own or the preset's.
    needs_controlnet: refuse a model that has none; else it is loaded without.
    device: auto, cpu, cuda or mps; dtype: auto, float32, float16 or bfloat16; memory: as `place`.
    Raises: ModelError M1 when something is missing, M2 when a file is damaged, M3 for a pickle,
    M5 when parts do not fit, M6 for a class that is not known; ResourceError M10 for a device
    that is not there; UsageError M11 for an unknown name.
    """
    where = choose_device(device)
    pipeline = _assemble(
        model,
        named={"controlnet": controlnet, "vae": vae},
        dtype=_precision(model, dtype, where),
        needs_controlnet=needs_controlnet,
    )
    place(pipeline, where, memory=memory)
    return pipeline


def _precision(model: str, dtype: str, where: torch.device) -> torch.dtype:
    """Return the number type of a model; the built-in one is small enough for float32."""
    return choose_dtype("float32" if dtype == "auto" and is_toon(model) else dtype, where)


def _assemble(
    model: str,
    *,
    named: Mapping[str, str | None],
    dtype: torch.dtype,
    needs_controlnet: bool,
) -> AnimationBase:
    """Return a model of its parts, in main memory (see `load_pipeline`).

    named: parts apart from the model's own; where depth has an entry its ControlNet is needed.
    """
    source = find_model(model)
    controlnet, vae = named["controlnet"], named["vae"]
    if source.preset is not None:
        controlnet, vae = controlnet or source.preset.controlnet, vae or source.preset.vae
    is_file = source.kind == "file"
    index = open_single_file(source.path) if is_file else read_index(source.path)
    is_guided = needs_controlnet or controlnet is not None or (index.folder / "controlnet").is_dir()
    guides = {}
    if is_guided:
        guides["controlnet"] = find_controlnet(controlnet, model=index.folder)
    if DEPTH in named:
        guides[DEPTH] = find_controlnet(named[DEPTH], model=index.folder, part=DEPTH)
    autoencoder = None if vae is None else find_model(vae).path
    parts = {"controlnet": None, **_load_parts(source, index, dtype=dtype)}
    for part, guide in guides.items():
        parts[part] = load_controlnet(guide, unet=parts["unet"], dtype=dtype)
    if autoencoder is not None:
        parts["vae"] = load_autoencoder(autoencoder, own=parts["vae"], dtype=dtype)
    pipeline = _build(index, parts)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def _load_parts(source: ModelSource, index: ModelIndex, *, dtype: torch.dtype) -> dict[str, Any]:
    """Return the model's own parts but for its ControlNets."""
    if source.kind == "file":
        return load_single_file(source.path, index, dtype=dtype)
    parts = {
        part: load_component(index.folder / part, kind, dtype=dtype)
        for part, kind in index.parts.items()
        if part not in ("controlnet", DEPTH)
    }
    if source.preset is not None and source.preset.scheduler is not None:
        parts["scheduler"] = preset_scheduler(source.preset.scheduler, parts["scheduler"])
    return parts


def preset_scheduler(wanted: Mapping[str, Any], current: Any) -> Any:
    """Return a scheduler of the class and with the settings that a preset names."""
    import diffusers

    settings = dict(wanted)
    kind = getattr(diffusers, settings.pop("class"))
    return kind.from_config(current.config, **settings)


def _build(index: ModelIndex, parts: dict[str, Any]) -> AnimationBase:
    """Return the pipeline of a model's family."""
    if index.family == "sd15":
        return AnimationPipeline(**parts, defaults=dict(index.defaults))
    if parts["vae"].dtype == torch.float16 and parts["vae"].config.get("force_upcast"):
        parts["vae"].float()  # it overflows in half precision
    return AnimationXLPipeline(
        **parts,
        force_zeros_for_empty_prompt=index.zeros_for_empty,
        defaults=dict(index.defaults),
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


def clip_settings(job: CharacterJob, pipeline: AnimationBase) -> ClipSettings:
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
        **job.clip_changes(),
    )


def native_side(pipeline: AnimationBase) -> int:
    """Return the side in pixels of the square pictures that the model was trained on."""
    latent_side = pipeline.unet.config.sample_size
    if latent_side is None:
        return int(pipeline.vae.config.sample_size)
    return int(latent_side * pipeline.vae_scale_factor)


def describe_model(job: CharacterJob, pipeline: AnimationBase) -> dict[str, object]:
    """Return names, classes and the hashes of the weight files, for the side-car."""
    source = find_model(job.model)
    return {
        "name": job.model,
        "kind": source.kind,
        "revision": source.path.name if source.kind in ("hub", "preset") else None,
        "class": type(pipeline).__name__,
        "scheduler": type(pipeline.scheduler).__name__,
        "prediction_type": pipeline.scheduler.config.get("prediction_type"),
        "dtype": str(pipeline.unet.dtype).removeprefix("torch."),
        "device": str(pipeline._execution_device),
        "sha256": model_hashes(job),
    }


def model_hashes(job: CharacterJob) -> dict[str, str]:
    """Return the hash of every weight file of a job, by where it belongs."""
    files = _used_files(job, find_model(job.model))
    return {name: sha256_file(path) for name, path in files.items()}


def _used_files(job: CharacterJob, source: ModelSource) -> dict[str, Path]:
    """Return every weight file of a job, named by where it belongs."""
    is_file = source.kind == "file"
    folder = open_single_file(source.path).folder if is_file else source.path
    parts = [part for part in CLASSES if part != DEPTH or DEPTH in job.named_parts]
    files = {source.path.name: source.path} if is_file else {}
    if is_file:
        parts = [part for part in parts if part in ("controlnet", DEPTH)]
    for part, given in job.named_parts.items():
        name = given or getattr(source.preset, part, None)
        if name is not None:
            parts = [other for other in parts if other != part]
            named = find_model(name).path
            found = weight_files(named) if named.is_dir() else [named]
            files |= {f"--{part.replace('_', '-')}/{path.name}": path for path in found}
    for part in parts:
        if any((folder / part).glob("*.safetensors")):
            files |= {f"{part}/{path.name}": path for path in weight_files(folder / part)}
    for flag, pairs in job.file_pairs.items():
        added = enumerate(Path(name) for name, _ in pairs)
        files |= {f"--{flag}/{index}/{path.name}": path for index, path in added}
    return files


def _changed(settings: Settings, **values: Any) -> Settings:
    return replace(settings, **{key: value for key, value in values.items() if value is not None})
