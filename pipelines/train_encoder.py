"""Train a subject encoder for a model (stage 1 of arXiv:2312.13691).

The model is frozen. So is a ControlNet that is told the layout, how near everything is: it says
where things are, so that all the encoder can add is what the character looks like. It is given, or
trained first. The pictures are those of the drawn world, or a person's own.
`train_encoder` goes on where a run stopped.
"""

import copy
from collections.abc import Callable
from contextlib import closing, nullcontext
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import torch
from diffusers import ControlNetModel
from jaxtyping import Float, Int, Shaped
from torch import Tensor
from transformers import CLIPVisionConfig, CLIPVisionModel

from dtvideo.denoise import denoise, prepare_scheduler
from dtvideo.errors import QualityError, UsageError
from dtvideo.latents import decode_latents, encode_picture, picture_tensor
from dtvideo.models.components import load_module
from dtvideo.models.controlnets import load_controlnet
from dtvideo.models.sources import find_model
from dtvideo.models.verify import note_hashes
from dtvideo.seeds import keyed_generator
from dtvideo.sheet import save_picture_sheet
from dtvideo.subject import (
    SubjectEncoder,
    SubjectEncoderAttention,
    install_subject_attention,
    subject_picture,
)
from dtvideo.subject.augment import augment_subject
from dtvideo.toon.portraits import portrait
from dtvideo.toon.targets import cut_windows, draw_corners
from dtvideo.training.checkpoints import load_average
from dtvideo.training.describe import Captioner, DepthEstimator
from dtvideo.training.levels import draw_timesteps
from dtvideo.training.losses import denoising_loss, denoising_target, figure_weights
from dtvideo.training.pictures import PictureSet, Portrait
from dtvideo.training.steps import optimise
from pipelines.animate import AnimationPipeline
from pipelines.encoder_settings import EncoderTraining
from pipelines.load_model import load_pipeline

Report = Callable[[str], None]
LAYOUT, ENCODER, SAMPLES, EXPORT = "layout", "encoder", "samples", "export"


@dataclass(frozen=True, eq=False)
class Lesson:
    """One batch: what is to be made, and what is told about it.

    weights: how much each place counts; beta: 1 where the subject is shown, 0 where it is not.
    """

    latents: Float[Tensor, "b c h w"]
    layout: Float[Tensor, "b 3 ph pw"]
    weights: Float[Tensor, "b 1 h w"]
    words: Float[Tensor, "b n d"]
    subjects: Float[Tensor, "b 3 s s"]
    beta: Float[Tensor, " b"]
    noise: Float[Tensor, "b c h w"]
    timesteps: Int[Tensor, " b"]

    def window(self, side: int, corners: Int[Tensor, "b 2"]) -> "Lesson":
        """Return what is told of windows of `side` pixels that begin at these rows and columns."""
        whole = self.layout.shape[-1]
        cut = partial(cut_windows, corners=corners, side=side, whole=whole)
        return replace(
            self,
            latents=cut(self.latents),
            layout=cut(self.layout),
            weights=cut(self.weights),
            noise=cut(self.noise),
        )


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
    Raises: as `load_pipeline`; MediaError V1 for pictures that lack something; QualityError M7 when
    the loss is not finite.
    """
    with closing(_open_pictures(settings)) if settings.pictures else nullcontext():
        return _train(settings, run, output or run / EXPORT, device=device, report=report)


def _train(
    settings: EncoderTraining, run: Path, folder: Path, *, device: str, report: Report
) -> Path:
    """Train an encoder and write the model with it to a folder."""
    pipeline = load_pipeline(settings.model, device=device, dtype="float32")
    if not isinstance(pipeline, AnimationPipeline):
        raise UsageError("U2", "train encoder", "SDXL is not in this version", "use SD 1.5")
    for part in (pipeline.unet, pipeline.vae, pipeline.text_encoder, pipeline.controlnet):
        part.eval().requires_grad_(False)
    guide = _layout_guide(settings, pipeline, run, report=report) if settings.layout else None
    torch.manual_seed(settings.seed)
    encoder = build_encoder(settings, pipeline)
    _teach(settings, pipeline, guide, encoder, folder=run / ENCODER, report=report)
    load_average(encoder, run / ENCODER / "checkpoint.safetensors")
    encoder.eval().requires_grad_(False)
    own_guide = None if settings.layout_model else guide
    pipeline.register_modules(subject_encoder=encoder, depth_controlnet=own_guide)
    pipeline.save_pretrained(folder)
    note_hashes(folder)
    return folder


def _teach(
    settings: EncoderTraining,
    pipeline: AnimationPipeline,
    guide: ControlNetModel | None,
    encoder: SubjectEncoder,
    *,
    folder: Path,
    report: Report,
) -> None:
    """Train the encoder's own layers, and save a sheet of samples now and then."""
    with install_subject_attention(pipeline.unet, encoder) as attention:

        def loss_at(step: int) -> tuple[Tensor, dict[str, float]]:
            lesson = make_lesson(
                settings, pipeline, purpose=ENCODER, step=step, side=encoder.picture_size
            )
            return encoder_loss(pipeline, guide, encoder, attention=attention, lesson=lesson), {}

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
            encoder,
            loss_at,
            settings.optimiser,
            folder=folder,
            report=report,
            rate_of=lambda name: 1.0 if name.startswith("attentions.") else settings.tower_rate,
            on_step=on_step,
        )


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
    encoder: SubjectEncoder,
    *,
    attention: SubjectEncoderAttention,
    lesson: Lesson,
) -> Float[Tensor, ""]:
    """Return the error of a model that sees the subject, at the full weight of 1."""
    with attention.show(encoder(lesson.subjects), beta=lesson.beta):
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


@torch.no_grad()
def make_lesson(
    settings: EncoderTraining, pipeline: AnimationPipeline, *, purpose: str, step: int, side: int
) -> Lesson:
    """Return the batch of a step, a function of the seed, the purpose and the step alone.

    side: of the pictures that the encoder looks at.
    """
    generator = keyed_generator(settings.seed, purpose, step)
    first, device = step * settings.batch, pipeline.unet.device
    steps = pipeline.default_settings.steps
    drawn = [_picture(settings, first + row) for row in range(settings.batch)]
    latents = torch.cat([encode_picture(pipeline.vae, each.image, device=device) for each in drawn])
    masks = torch.stack([torch.from_numpy(each.mask) for each in drawn])
    size = (latents.shape[-2], latents.shape[-1])
    layouts = [picture_tensor(each.layout, device=device, dtype=latents.dtype) for each in drawn]
    subjects = [_subject(settings, each, first + row, side) for row, each in enumerate(drawn)]
    draws = torch.rand(settings.batch, generator=generator)
    hides_both = draws < settings.neither
    hides_subject = hides_both | (draws - settings.neither < settings.no_subject)
    hides_text = hides_both | (draws > 1 - settings.no_text)
    captions = [
        "" if hidden else each.caption for hidden, each in zip(hides_text, drawn, strict=True)
    ]
    lesson = Lesson(
        latents=latents,
        layout=torch.cat(layouts),
        weights=figure_weights(masks, settings.figure_weight, size=size).to(device),
        words=pipeline.encode_prompt(captions),
        subjects=torch.cat(subjects).to(device),
        beta=(~hides_subject).float().to(device),
        noise=torch.randn(latents.shape, generator=generator).to(device),
        timesteps=draw_timesteps(
            pipeline.scheduler, settings.batch, steps=steps, generator=generator
        ).to(device),
    )
    if purpose == SAMPLES or not 0 < settings.window < settings.size:
        return lesson
    return lesson.window(settings.window, draw_corners(masks, settings.window, generator))


def _picture(settings: EncoderTraining, number: int) -> Portrait:
    """Return a picture of the drawn world, or of the person's own."""
    if not settings.pictures:
        return portrait(settings.seed, number, size=settings.size)
    return _open_pictures(settings).portrait(settings.seed, number, size=settings.size)


@lru_cache(maxsize=1)
def _open_pictures(settings: EncoderTraining) -> PictureSet:
    """Open the person's own pictures, with the models that give what they lack."""
    estimates = settings.layout and settings.depth_model
    return PictureSet(
        Path(settings.pictures),
        needs_layout=settings.layout,
        estimate=DepthEstimator(settings.depth_model) if estimates else None,
        describe=Captioner(settings.captioner) if settings.captioner else None,
    )


def _subject(settings: EncoderTraining, drawn: Portrait, number: int, side: int) -> Tensor:
    changed = augment_subject(drawn.subject, np.random.default_rng((settings.seed, number)))
    return subject_picture(changed, None, side=side)


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
    """
    guide: ControlNetModel = copy.deepcopy(pipeline.controlnet).requires_grad_(True)

    def loss_at(step: int) -> tuple[Tensor, dict[str, float]]:
        lesson = make_lesson(settings, pipeline, purpose=LAYOUT, step=step, side=8)
        return layout_loss(pipeline, guide, lesson=lesson), {}

    optimise(guide, loss_at, settings.layout_optimiser, folder=run / LAYOUT, report=report)
    load_average(guide, run / LAYOUT / "checkpoint.safetensors")
    return guide.eval().requires_grad_(False)
