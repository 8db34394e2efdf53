"""Train the toon model: its denoiser, and the key-point net for drawn figures.

Each stage writes into its own folder below the run's and goes on where it stopped. `export` makes
the pipeline folder that ships of the averaged weights.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import torch
from transformers import CLIPTokenizer

from dtvideo.errors import ModelError, UsageError
from dtvideo.models.components import load_component
from dtvideo.models.verify import note_hashes
from dtvideo.toon.denoiser_plan import DenoiserTraining
from dtvideo.toon.keypoints import KeypointNet
from dtvideo.toon.learn_denoiser import build_denoiser, train_denoiser, with_colour_heads
from dtvideo.toon.learn_keypoints import KeypointTraining, train_keypoints
from dtvideo.toon.model import SIZE, build_autoencoder, build_scheduler
from dtvideo.toon.tokenizer import build_tokenizer
from dtvideo.toon.world import sample_scene
from dtvideo.training.checkpoints import load_average
from dtvideo.training.steps import CHECKPOINT, Report
from pipelines.run_settings import RunPart, begin_or_go_on

STAGES = ("denoiser", "keypoints")
EXPORT, ALL = "export", "all"

DEFAULTS = {
    "steps": 1,
    "mode": "none",
    "reference_weight": 10.0,
    "previous_weight": 1.0,
    "align": 100.0,
}
"""What the exported pipeline's `open` takes when it is told nothing."""


@dataclass(frozen=True)
class ToonTraining:
    """The whole recipe, one table a stage."""

    denoiser: DenoiserTraining = field(default_factory=DenoiserTraining)
    keypoints: KeypointTraining = field(default_factory=KeypointTraining)
    threads: int = 2
    """Threads of torch; they are part of the recipe, for they decide the last bits."""

    def __post_init__(self) -> None:
        if self.threads < 1:
            raise UsageError("M11", "threads", f"is {self.threads}", "give at least 1")


def train_toon(
    stage: str,
    settings: ToonTraining,
    run: Path,
    *,
    output: Path | None = None,
    device: torch.device | str = "cpu",
    start: Path | None = None,
    report: Report = print,
) -> Path:
    """Do one stage of a run, or all of them in order; return the folder of the last one's result.

    start: the folder of an exported model that the stages begin with, instead of random weights.
    output: where the stage `export` writes; `export/` in the run's folder when it is None.
    A run that goes on with other settings is told so.
    Raises: UsageError M11 for an unknown stage, B10 for a run that was begun with another seed or
    model; as `train_stage` and `export`.
    """
    known = (*STAGES, EXPORT)
    if stage not in (*known, ALL):
        names = ", ".join((*known, ALL))
        raise UsageError("M11", "--stage", f"{stage!r} is unknown", f"give one of {names}")
    stages = known if stage == ALL else (stage,)
    parts = [_part(each, settings, run, start) for each in stages if each != EXPORT]
    begin_or_go_on(parts, report=report)
    for each in stages:
        if each == EXPORT:
            folder = output or run / EXPORT
            export(run, folder, keypoint_size=settings.keypoints.size, report=report)
        else:
            folder = run / each
            train_stage(each, settings, run, device=device, start=start, report=report)
    return folder


def _part(stage: str, settings: ToonTraining, run: Path, start: Path | None) -> RunPart:
    """Return what a stage is made with; a run that goes on need not be told what it began with."""
    told = {**asdict(settings)[stage], "threads": settings.threads}
    if start is not None:
        told["start"] = str(start.resolve())
    elif not (run / stage / CHECKPOINT).exists():
        told["start"] = None
    return RunPart(run / stage, told, fixed=("seed", "start"))


def train_stage(
    stage: str,
    settings: ToonTraining,
    run: Path,
    *,
    device: torch.device | str = "cpu",
    start: Path | None = None,
    report: Report = print,
) -> None:
    """Train one stage of a run, from its last checkpoint if there is one.

    start: the folder of an exported model that a run without a checkpoint begins with.
    Raises: ModelError M1 when `start` lacks a part, M2 and M5 when it or a checkpoint is damaged
    or of another model; QualityError M7 when the loss is not finite.
    """
    folder = run / stage
    with pinned_threads(settings.threads):
        if stage == "keypoints":
            train_keypoints(settings.keypoints, folder, start=start, device=device, report=report)
        else:
            train_denoiser(
                settings.denoiser,
                folder,
                vae=build_autoencoder(),
                tokenizer=run_tokenizer(run, start=start),
                start=start,
                device=device,
                report=report,
            )


@contextmanager
def pinned_threads(count: int) -> Iterator[None]:
    """Let torch have so many threads and OpenCV one; put back what was set."""
    before = torch.get_num_threads(), cv2.getNumThreads()
    torch.set_num_threads(count)
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before[0])
        cv2.setNumThreads(before[1])


def run_tokenizer(run: Path, *, start: Path | None = None, captions: int = 4000) -> CLIPTokenizer:
    """Return the run's tokenizer: that of `start`, or made from the drawn world's captions.

    It is made once and kept.
    """
    folder = run / "tokenizer"
    if not folder.exists():
        run.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=run) as temporary:
            made = _caption_tokenizer(captions) if start is None else _tokenizer_of(start)
            made.save_pretrained(Path(temporary) / folder.name)
            (Path(temporary) / folder.name).rename(folder)
    return CLIPTokenizer.from_pretrained(folder)


def _caption_tokenizer(captions: int) -> CLIPTokenizer:
    texts = [sample_scene(seed).caption for seed in range(captions)]
    return build_tokenizer({word for text in texts for word in text.replace(",", " ,").split()})


def _tokenizer_of(model: Path) -> CLIPTokenizer:
    return load_component(
        model / "tokenizer", ("transformers", "CLIPTokenizer"), dtype=torch.float32
    )


def export(run: Path, folder: Path, *, keypoint_size: int = SIZE, report: Report = print) -> None:
    """Write the averaged weights of a run, in half precision, as the folder that ships.

    The denoiser's parts are a pipeline folder; the key-point net lies in `keypoints/` of it.
    Nothing is written unless every stage has a checkpoint.
    Raises: ModelError M1 when one has none, M2 and M5 as `load_average`.
    """
    from pipelines.animate import AnimationPipeline

    for stage in STAGES:
        _checkpoint(run, stage)
    tokenizer, net = run_tokenizer(run), KeypointNet(size=keypoint_size)
    modules = build_denoiser(tokenizer)
    step = load_average(with_colour_heads(modules), _checkpoint(run, "denoiser"))
    load_average(net, _checkpoint(run, "keypoints"))
    pipeline = AnimationPipeline(
        vae=build_autoencoder(),
        tokenizer=tokenizer,
        scheduler=build_scheduler(),
        defaults=DEFAULTS,
        **dict(modules.items()),
    )
    pipeline.to(torch.float16).save_pretrained(folder)
    net.to(torch.float16).save_pretrained(folder / "keypoints")
    note_hashes(folder)
    size = sum(file.stat().st_size for file in folder.rglob("*.safetensors"))
    report(f"{folder}: denoiser of {step} steps, {size / 1e6:.1f} MB in all")


def _checkpoint(run: Path, stage: str) -> Path:
    path = run / stage / CHECKPOINT
    if not path.exists():
        raise ModelError("M1", path, "is not there", f"train the stage {stage!r} first")
    return path
