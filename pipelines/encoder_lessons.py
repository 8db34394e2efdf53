"""What a subject encoder learns from: one batch of pictures, and what is told about each."""

from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from dtvideo.latents import encode_picture, picture_tensor
from dtvideo.seeds import keyed_generator
from dtvideo.subject import subject_picture
from dtvideo.subject.augment import augment_subject
from dtvideo.toon.portraits import portrait
from dtvideo.toon.targets import cut_windows, draw_corners
from dtvideo.training.describe import Captioner, DepthEstimator
from dtvideo.training.levels import draw_timesteps
from dtvideo.training.losses import figure_weights
from dtvideo.training.pictures import PictureSet, Portrait
from pipelines.animate import AnimationPipeline
from pipelines.encoder_settings import EncoderTraining

SAMPLES = "samples"
"""The purpose of a lesson that is shown whole: a sheet of samples."""


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
    return open_pictures(settings).portrait(settings.seed, number, size=settings.size)


@lru_cache(maxsize=1)
def open_pictures(settings: EncoderTraining) -> PictureSet:
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
