"""Train a subject encoder for a model (stage 1 of arXiv:2312.13691).

The model is frozen. So is a ControlNet that is told the layout, how near everything is: it says
where things are, so that all the encoder can add is what the character looks like. It is given, or
trained first. The pictures are those of the drawn world, or a person's own.
`train_encoder` goes on where a run stopped.
"""

import copy
import math
from collections.abc import Callable
from contextlib import closing, nullcontext
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path

import torch
from diffusers import ControlNetModel
from jaxtyping import Float, Shaped
from torch import Tensor, nn
from torch.nn import functional
from transformers import CLIPVisionConfig, CLIPVisionModel

from dtvideo.denoise import denoise, prepare_scheduler
from dtvideo.errors import ModelError, QualityError, UsageError
from dtvideo.latents import decode_latents
from dtvideo.models.components import load_module
from dtvideo.models.controlnets import load_controlnet
from dtvideo.models.sources import find_model
from dtvideo.models.verify import note_hashes
from dtvideo.sheet import save_picture_sheet
from dtvideo.subject import (
    SubjectEncoder,
    SubjectEncoderAttention,
    install_subject_attention,
)
from dtvideo.training.checkpoints import load_average
from dtvideo.training.losses import denoising_loss, denoising_target
from dtvideo.training.steps import optimise
from pipelines.animate import AnimationPipeline
from pipelines.encoder_lessons import SAMPLES, Lesson, make_lesson, open_pictures
from pipelines.encoder_settings import EncoderTraining
from pipelines.load_model import load_pipeline
from pipelines.run_settings import RunPart, begin_or_go_on

Report = Callable[[str], None]
COLOURS = 3
LAYOUT, ENCODER, EXPORT = "layout", "encoder", "export"
MODELS = ("model", "tower", "depth_model", "captioner", "layout_model")
"""Settings that may be paths."""
DATA = ("model", "samples", "depth_model", "captioner", "seed")
ARCHITECTURE = ("tower", "small_tower", "blocks", "layout", "layout_model")
OF_ENCODER = (
    *("tower", "small_tower", "blocks", "optimiser", "tower_rate", "colour_weight"),
    *("no_subject", "sheet_every"),
)
"""Settings that the training of the layout's ControlNet does not use."""


def train_encoder(
    settings: EncoderTraining,
    run: Path,
    *,
    output: Path | None = None,
    device: str = "cpu",
    report: Report = print,
) -> Path:
    """Train an encoder and write the model with it; return that folder.

    output: `export/` in the run's folder when it is None.
    A run that goes on with other settings is told so.
    Raises: as `load_pipeline`; ModelError M1 when a layout is to be learnt and the model has no
    ControlNet to begin with; MediaError V1 for pictures that lack something; UsageError B10 for a
    run that was begun with another model or other pictures; QualityError M7 when the loss is not
    finite.
    """
    with closing(open_pictures(settings)) if settings.pictures else nullcontext():
        return _train(settings, run, output or run / EXPORT, device=device, report=report)


def _train(
    settings: EncoderTraining, run: Path, folder: Path, *, device: str, report: Report
) -> Path:
    """Train an encoder and write the model with it to a folder."""
    begin_or_go_on(_parts(settings, run), report=report)
    pipeline = load_pipeline(settings.model, device=device, dtype="float32", needs_controlnet=False)
    if not isinstance(pipeline, AnimationPipeline):
        raise UsageError("U2", "train encoder", "SDXL is not in this version", "use SD 1.5")
    for part in (pipeline.unet, pipeline.vae, pipeline.text_encoder, pipeline.controlnet):
        if part is not None:
            part.eval().requires_grad_(False)
    guide = _layout_guide(settings, pipeline, run, report=report) if settings.layout else None
    torch.manual_seed(settings.seed)
    encoder = build_encoder(settings, pipeline)
    taught = with_colour_head(encoder)
    _teach(settings, pipeline, guide, taught, folder=run / ENCODER, report=report)
    load_average(taught, run / ENCODER / "checkpoint.safetensors")
    encoder.eval().requires_grad_(False)
    own_guide = None if settings.layout_model else guide
    pipeline.register_modules(subject_encoder=encoder, depth_controlnet=own_guide)
    pipeline.save_pretrained(folder)
    note_hashes(folder)
    return folder


def _parts(settings: EncoderTraining, run: Path) -> list[RunPart]:
    """Return what the layout's ControlNet, if one is trained, and the encoder are made with."""
    told = asdict(settings)
    for name in MODELS:
        path = Path(told[name])
        told[name] = str(path.resolve()) if told[name] and path.exists() else told[name]
    told["samples"] = open_pictures(settings).digest if settings.pictures else "drawn"
    guide = told.pop("layout_optimiser")
    if not settings.layout or settings.layout_model:
        return [RunPart(run / ENCODER, told, fixed=(*DATA, *ARCHITECTURE))]
    shared = {name: value for name, value in told.items() if name not in OF_ENCODER}
    told["layout_steps"] = guide["steps"]  # more of them would change what the encoder has seen
    return [
        RunPart(run / LAYOUT, {**shared, "optimiser": guide}, fixed=DATA),
        RunPart(run / ENCODER, told, fixed=(*DATA, *ARCHITECTURE, "layout_steps")),
    ]


def _teach(
    settings: EncoderTraining,
    pipeline: AnimationPipeline,
    guide: ControlNetModel | None,
    taught: nn.ModuleDict,
    *,
    folder: Path,
    report: Report,
) -> None:
    """Train an encoder with its colour head, and save a sheet of samples now and then."""
    encoder = taught["encoder"]
    assert isinstance(encoder, SubjectEncoder)
    with install_subject_attention(pipeline.unet, encoder) as attention:

        def loss_at(step: int) -> tuple[Tensor, dict[str, float]]:
            lesson = make_lesson(
                settings, pipeline, purpose=ENCODER, step=step, side=encoder.picture_size
            )
            tokens = encoder(lesson.subjects)
            loss = encoder_loss(pipeline, guide, tokens, attention=attention, lesson=lesson)
            if settings.tower:
                return loss, {}
            colours = colour_error(taught["colour_head"], tokens, lesson.subjects)
            return loss + settings.colour_weight * colours, {"colours": colours.item()}

        def on_step(step: int) -> None:
            if step % settings.sheet_every and step != settings.optimiser.steps:
                return
            sheet = folder / f"sheet_{step:06d}.png"
            lesson = make_lesson(
                settings, pipeline, purpose=SAMPLES, step=0, side=encoder.picture_size
            )
            try:
                save_samples(sheet, pipeline, guide, encoder, attention=attention, lesson=lesson)
            except QualityError as error:
                report(f"no sheet at step {step}: {error}")

        optimise(
            taught,
            loss_at,
            settings.optimiser,
            folder=folder,
            report=report,
            rate_of=lambda name: settings.tower_rate if _sees(name) else 1.0,
            on_step=on_step,
        )


def _sees(name: str) -> bool:
    """Tell whether a parameter belongs to the part of an encoder that makes tokens of pictures."""
    return name.startswith("encoder.") and not name.startswith("encoder.attentions.")


def with_colour_head(encoder: SubjectEncoder) -> nn.ModuleDict:
    """Return an encoder and an untrained head that asks its tokens for colours; training has it."""
    head = nn.Linear(encoder.config.width, COLOURS)
    return nn.ModuleDict({"encoder": encoder, "colour_head": head.to(encoder.device)})


def colour_error(
    head: nn.Module, tokens: Float[Tensor, "b n d"], subjects: Float[Tensor, "b 3 s s"]
) -> Float[Tensor, ""]:
    """Return the mean squared error of the mean colour that a head finds in each token.

    subjects: as the encoder took them; the tokens lie on a square grid, row by row.
    """
    side = math.isqrt(tokens.shape[1])
    colours = functional.adaptive_avg_pool2d(subjects, side).flatten(2).mT
    error: Tensor = (head(tokens) - colours).square().mean()
    return error


def build_encoder(settings: EncoderTraining, pipeline: AnimationPipeline) -> SubjectEncoder:
    """Return the untrained encoder: through a given frozen tower, or through one that learns."""
    if settings.tower:
        tower = load_module(CLIPVisionModel, Path(settings.tower), dtype=torch.float32)
    else:
        small = settings.small_tower
        tower = CLIPVisionModel(
            CLIPVisionConfig(
                hidden_size=small.width,
                intermediate_size=2 * small.width,
                num_hidden_layers=small.depth,
                num_attention_heads=small.heads,
                image_size=small.side,
                patch_size=small.patch,
            )
        )
    encoder: SubjectEncoder = SubjectEncoder.for_unet(
        pipeline.unet,
        tower,
        hidden_layers=spread_layers(tower.config.num_hidden_layers),
        blocks=settings.blocks,
    )
    if not settings.tower:
        encoder.tower.requires_grad_(True)
    encoder.to(pipeline.unet.device)
    return encoder


def spread_layers(depth: int) -> tuple[int, ...]:
    """Return which hidden states to use of a tower: as deep as 4, 8, 12, 16 and 24 are of 24."""
    shares = (Fraction(1, 6), Fraction(1, 3), Fraction(1, 2), Fraction(2, 3))
    inner = dict.fromkeys(max(1, round(depth * share)) for share in shares)
    return (*inner, -1)


def encoder_loss(
    pipeline: AnimationPipeline,
    guide: ControlNetModel | None,
    tokens: Float[Tensor, "b n d"],
    *,
    attention: SubjectEncoderAttention,
    lesson: Lesson,
) -> Float[Tensor, ""]:
    """Return the error of a model that sees the subject's tokens, at the full weight of 1."""
    with attention.show(tokens, beta=lesson.beta):
        return layout_loss(pipeline, guide, lesson=lesson)


def layout_loss(
    pipeline: AnimationPipeline, guide: ControlNetModel | None, *, lesson: Lesson
) -> Float[Tensor, ""]:
    """Return the error of a model that is told words and, by a guide, the layout."""
    scheduler, timesteps = pipeline.scheduler, lesson.timesteps
    noisy = scheduler.add_noise(lesson.latents, lesson.noise, timesteps)
    prediction = _predict(pipeline, guide, noisy, timesteps, lesson=lesson)
    target = denoising_target(scheduler, lesson.latents, noise=lesson.noise, timesteps=timesteps)
    return denoising_loss(
        scheduler, prediction, target, timesteps=timesteps, weights=lesson.weights
    )


def _predict(
    pipeline: AnimationPipeline,
    guide: ControlNetModel | None,
    noisy: Float[Tensor, "b c h w"],
    timesteps: Shaped[Tensor, "*b"],
    *,
    lesson: Lesson,
) -> Float[Tensor, "b c h w"]:
    """Return what the model predicts when it is told a lesson's words and layout."""
    if pipeline.is_coarse_conditioned:
        noisy = torch.cat([noisy, torch.zeros_like(noisy)], dim=1)
    residuals = {}
    if guide is not None:
        down, middle = guide(noisy, timesteps, lesson.words, lesson.layout, return_dict=False)
        residuals = {
            "down_block_additional_residuals": down,
            "mid_block_additional_residual": middle,
        }
    prediction: Tensor = pipeline.unet(noisy, timesteps, lesson.words, **residuals).sample
    return prediction


@torch.no_grad()
def save_samples(
    path: Path,
    pipeline: AnimationPipeline,
    guide: ControlNetModel | None,
    encoder: SubjectEncoder,
    *,
    attention: SubjectEncoderAttention,
    lesson: Lesson,
) -> None:
    """Write a sheet: each picture of a lesson, and what is made of it with and without subject."""
    scheduler = prepare_scheduler(
        pipeline.scheduler,
        steps=pipeline.default_settings.steps,
        device=pipeline.unet.device,
    )
    tokens = encoder(lesson.subjects)
    rows = [lesson.latents]
    for beta in (1.0, 0.0):
        with attention.show(tokens, beta=beta):
            made = denoise(
                lesson.noise,
                scheduler=scheduler,
                predict=lambda noisy, timestep, step: _predict(
                    pipeline, guide, noisy, timestep, lesson=lesson
                ),
                seed=0,
                frame=0,
            )
        rows.append(made)
    labels = ("picture", "with subject", "without")
    shown = [
        (label, decode_latents(pipeline.vae, latents[index : index + 1], frame=index))
        for index in range(len(lesson.latents))
        for label, latents in zip(labels, rows, strict=True)
    ]
    save_picture_sheet(path, None, shown, columns=len(labels))


def _layout_guide(
    settings: EncoderTraining, pipeline: AnimationPipeline, run: Path, *, report: Report
) -> ControlNetModel:
    """Return the frozen ControlNet that knows the layout: the one that is given, or a new one."""
    if not settings.layout_model:
        return _trained_layout(settings, pipeline, run, report=report)
    path = find_model(settings.layout_model).path
    guide = load_controlnet(path, unet=pipeline.unet, dtype=torch.float32)
    frozen: ControlNetModel = guide.to(pipeline.unet.device).eval().requires_grad_(False)
    return frozen


def _trained_layout(
    settings: EncoderTraining, pipeline: AnimationPipeline, run: Path, *, report: Report
) -> ControlNetModel:
    """Return the frozen ControlNet that knows the layout, trained for the model as it is.

    It begins as the model's own for poses, which knows where bodies are and only has to learn
    another picture of it.
    Raises: ModelError M1 when the model has none.
    """
    if pipeline.controlnet is None:
        problem = "has no pose ControlNet for the layout's to start from"
        remedy = "set layout_model to a depth ControlNet, or layout to false"
        raise ModelError("M1", settings.model, problem, remedy)
    guide: ControlNetModel = copy.deepcopy(pipeline.controlnet).requires_grad_(True)

    def loss_at(step: int) -> tuple[Tensor, dict[str, float]]:
        lesson = make_lesson(settings, pipeline, purpose=LAYOUT, step=step, side=8)
        return layout_loss(pipeline, guide, lesson=lesson), {}

    optimise(guide, loss_at, settings.layout_optimiser, folder=run / LAYOUT, report=report)
    load_average(guide, run / LAYOUT / "checkpoint.safetensors")
    return guide.eval().requires_grad_(False)
