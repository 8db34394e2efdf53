"""What every job with a character is asked: its picture, the model, the words and the method.

`RenderJob` adds a motion to it, `GenerateJob` pictures from words.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from fractions import Fraction
from pathlib import Path
from typing import Any

from dtvideo.errors import UsageError
from pipelines.detectors import check_detector
from poses.select import PersonChoice

FILE_PAIRS = ("loras", "embeddings", "ip_adapters")
"""Settings that hold files, each with a number or a word."""
MAX_SEED = 2**63 - 1
MAX_STEPS = 1000
SIZE_LIMITS = (32, 8192)
DEVICES = ("auto", "cpu", "cuda", "mps")
DTYPES = ("auto", "float32", "float16", "bfloat16")
MEMORY = ("high", "balanced", "low")
GUIDANCE_MODES = ("interleaved", "averaged", "text", "none")

Number = int | float | Fraction


@dataclass(frozen=True, kw_only=True)
class CharacterJob:
    """A character, the model that draws it, and how.

    Paths may be given as text.
    Raises: UsageError (code M11 for a value, U1 for a combination) naming the flag.
    """

    reference: Path
    """The picture of the character."""
    reference_pose: Path | None = None
    """Key points of the reference; found in the picture when absent."""
    reference_mask: Path | None = None
    """A picture that is white on the character; found in the picture when absent."""
    matte: str | None = None
    """A rembg model or an ONNX file that finds the mask."""
    model: str = "toon"
    """Built-in name, preset, diffusers folder, single .safetensors file or hub id."""
    controlnet: str | None = None
    """Pose ControlNet by folder, file or hub id; the model's own when absent."""
    vae: str | None = None
    """Autoencoder by folder, file or hub id; the model's own when absent."""
    prompt: str = ""
    negative_prompt: str = ""
    seed: int = 0
    """0 to 2^63-1; every draw of noise is a function of it."""
    steps: int | None = None
    """Denoising steps per frame; the model's own number when absent."""
    size: tuple[int, int] | None = None
    """Width and height in pixels; rounded up to what the model can make."""
    upscale: int | None = None
    """How many times larger than the model's results become; by the reference when absent."""
    scheduler: str | None = None
    """Sampler by name; the model's own when absent."""
    loras: tuple[tuple[str, float], ...] = ()
    """LoRA files with their scales."""
    embeddings: tuple[tuple[str, str | None], ...] = ()
    """Files of textual inversion with the word that each is called by; its own when None."""
    ip_adapters: tuple[tuple[str, float], ...] = ()
    """IP-Adapter files with their scales."""
    reference_weight: float | None = None
    """How many times a reference token counts in self-subject attention."""
    align: float | None = None
    """How strongly each part of the body is read from the same part of the reference, 0 to 500."""
    beta: float | None = None
    """How much a subject encoder's layers count, 0 to 2, where the model has one."""
    guidance: str | None = None
    """interleaved, averaged, text or none; the model's own when absent."""
    reference_guidance: float | None = None
    text_guidance: float | None = None
    reference_probability: float | None = None
    """Share of the steps that are guided by the reference, 0 to 1."""
    reference_person: PersonChoice | None = None
    """Who of the people in the picture; the largest when absent, refused when strict."""
    reference_detector: str | None = None
    """Back end that finds the reference's pose, as `detector`; by default toon, then mediapipe."""
    strict: bool = False
    """Refuse to go on where a guess would be made, such as the reference's pose."""
    device: str = "auto"
    dtype: str = "auto"
    """auto: float16 on CUDA, float32 elsewhere and for toon."""
    cache_memory: int | None = None
    """Bytes that the reference features may take; no limit when absent."""
    memory: str = "high"
    """How much of an accelerator's memory the model may take: high, balanced or low."""
    threads: int | None = None
    """Processor threads; the machine's own number when absent. Last bits depend on it."""
    locked: bool = False
    """Refuse weights of which the hash is not the one that is noted of them."""
    overwrite: bool = False

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, str) and field.type in (Path, Path | None):
                object.__setattr__(self, field.name, Path(value))
        for check in self.checks():
            check(self)

    def checks(self) -> tuple[Callable[[Any], None], ...]:
        """Return what refuses this job, one kind of fault each."""
        return _check_numbers, _check_words

    def settings(self) -> dict[str, object]:
        """Return every setting as plain values, for the side-car."""
        return {field.name: plain(getattr(self, field.name)) for field in fields(self)}

    @property
    def named_parts(self) -> dict[str, str | None]:
        """The parts of the model that may be named apart from it; None is the model's own."""
        return {"controlnet": self.controlnet, "vae": self.vae}

    @property
    def file_pairs(self) -> dict[str, tuple[tuple[str, Any], ...]]:
        """Files that are added to the model, each with a word or number, by their flags."""
        return {
            "lora": self.loras,
            "embedding": self.embeddings,
            "ip-adapter": self.ip_adapters,
        }

    @property
    def detectors(self) -> dict[str, str]:
        """The pose back ends that the job names, by what they are for."""
        if self.reference_detector is None or self.reference_pose is not None:
            return {}
        return {"reference detector": self.reference_detector}

    def clip_changes(self) -> dict[str, object]:
        """Return what the job changes of a model's `ClipSettings`, guidance apart; None keeps."""
        names = ("seed", "steps", "reference_weight", "align", "beta", "cache_memory")
        rows_apart = True if self.memory == "low" else None
        return {name: getattr(self, name) for name in names} | {"rows_apart": rows_apart}


def plain(value: object) -> object:
    """Return a setting as what JSON can hold: paths and fractions as text, tuples as lists."""
    if isinstance(value, Path | Fraction):
        return str(value)
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    return value


def refusal(flag: str, value: object, remedy: str) -> UsageError:
    """Return the error of a value that a flag cannot take."""
    return UsageError("M11", flag, f"{value!r} cannot be used", remedy)


def check_range(flag: str, value: Number | None, low: Number, high: Number) -> None:
    """Refuse a number outside its limits; None is no number."""
    if value is None or low <= value <= high:
        return
    raise UsageError("M11", flag, f"{value} is out of range", f"give a value from {low} to {high}")


def check_choices(choices: Mapping[str, tuple[object, tuple[str | None, ...]]]) -> None:
    """Refuse a word that is not one of those a flag can take."""
    for flag, (value, allowed) in choices.items():
        if value not in allowed:
            named = ", ".join(word for word in allowed if word)
            raise refusal(flag, value, f"give one of {named}")


def _check_words(job: CharacterJob) -> None:
    if job.reference_detector is not None:
        check_detector(job.reference_detector, subject="--ref-detector")
    check_choices(
        {
            "--device": (job.device, DEVICES),
            "--dtype": (job.dtype, DTYPES),
            "--memory": (job.memory, MEMORY),
            "--guidance": (job.guidance, (None, *GUIDANCE_MODES)),
        }
    )


def _check_numbers(job: CharacterJob) -> None:
    check_range("--seed", job.seed, 0, MAX_SEED)
    check_range("--steps", job.steps, 1, MAX_STEPS)
    for flag, value in (
        ("--ref-weight", job.reference_weight),
        ("--ref-guidance", job.reference_guidance),
        ("--text-guidance", job.text_guidance),
    ):
        check_range(flag, value, 0, 1000)
    check_range("--upscale", job.upscale, 1, 8)
    check_range("--beta", job.beta, 0, 2)
    check_range("--align", job.align, 0, 500)
    check_range("--ref-probability", job.reference_probability, 0, 1)
    check_range("--threads", job.threads, 1, 1024)
    check_range("--cache-memory", job.cache_memory, 0, 2**50)
    for side in job.size or ():
        check_range("--size", side, *SIZE_LIMITS)
    for name, scale in job.loras:
        check_range(f"--lora {name}", scale, -10, 10)
    for name, scale in job.ip_adapters:
        check_range(f"--ip-adapter {name}", scale, 0, 10)
