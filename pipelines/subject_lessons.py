"""The lessons by which a model is taught one character: what is to be made, and what is told.

A lesson is told by words what the picture shows; the loss is that of arXiv:2312.13691, section 3.3.
With `attention`, which the paper has not, the networks also attend to the reference in the
lesson about it, as they do when a frame is made: they learn to read from it what they need.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from dtvideo.attention import (
    PoseAlignment,
    PosePlaces,
    ReferenceCache,
    install_self_subject_attention,
)
from dtvideo.latents import encode_picture
from dtvideo.seeds import keyed_generator
from dtvideo.subject import SubjectEncoder, SubjectEncoderAttention, subject_picture
from dtvideo.training.levels import draw_timesteps
from dtvideo.training.losses import denoising_loss, denoising_target
from pipelines.animate import AnimationPipeline
from pipelines.condition import Condition, Words
from pipelines.generate import Studio
from pipelines.reference_features import REFERENCE
from pipelines.subject_settings import SubjectTraining
from poses.mirror import mirrored
from poses.types import Pose

Picture = UInt8[np.ndarray, "h w 3"]


@dataclass(frozen=True, eq=False)
class RegularPicture:
    """A picture that the model made itself; coarse: the frame that it was drawn over, if any."""

    picture: Picture
    coarse: Picture | None = None


@dataclass(frozen=True, eq=False)
class Lesson:
    """One picture to learn from: what is to be made, and what is told about it.

    coarse: what is joined and taken away, for a coarse-conditioned model; zeros: it draws all
    itself. tokens: of a subject encoder, where there is one.
    """

    latents: Float[Tensor, "1 c lh lw"]
    coarse: Float[Tensor, "1 c lh lw"] | None
    words: Float[Tensor, "1 n d"]
    tokens: Float[Tensor, "1 m d"] | None
    pose: Pose
    noise: Float[Tensor, "1 c lh lw"]
    timesteps: Int[Tensor, " 1"]

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the latents."""
        height, width = self.latents.shape[-2:]
        return height, width


class Teacher:
    """Gives the loss of a step: a function of the step and of what the model has learnt."""

    def __init__(
        self,
        settings: SubjectTraining,
        studio: Studio,
        regular: Sequence[RegularPicture],
        attention: SubjectEncoderAttention | None,
    ) -> None:
        reference = studio.reference
        on_white = reference.image * reference.mask[..., None]
        on_white = on_white + 255 * (1 - reference.mask[..., None])
        self.settings = settings
        self.pipeline = studio.pipeline
        self.reference = reference
        self.subject: Picture = on_white.round().astype(np.uint8)
        self.regular = regular
        self.attention = attention

    def loss_at(self, step: int) -> tuple[Tensor, dict[str, float]]:
        """Return the loss of a step, and its parts."""
        generator = keyed_generator(self.settings.seed, "subject training", step)
        chosen = int(torch.randint(max(len(self.regular), 1), (1,), generator=generator))
        lesson = self.lesson(self.subject, None, self.settings.subject_words, generator)
        with self._attending(lesson, generator):
            loss = self._loss(lesson)
        figures = {"subject": loss.item()}
        if self.settings.prior_weight > 0:
            words = self.settings.regular_words
            shown = self.regular[chosen]
            regular = self._loss(self.lesson(shown.picture, shown.coarse, words, generator))
            figures["regular"] = regular.item()
            loss = loss + self.settings.prior_weight * regular
        return loss, figures

    def lesson(
        self, picture: Picture, coarse: Picture | None, words: str, generator: torch.Generator
    ) -> Lesson:
        """Return the lesson of a picture over its coarse frame, turned over now and then."""
        pipeline, pose = self.pipeline, self.reference.pose
        if float(torch.rand(1, generator=generator)) < self.settings.flip:
            picture, pose = _turned(picture), mirrored(pose)
            coarse = None if coarse is None else _turned(coarse)
        device, steps = pipeline.unet.device, pipeline.default_settings.steps
        with torch.no_grad():
            latents = encode_picture(pipeline.vae, picture, device=device)
            joined = torch.zeros_like(latents) if pipeline.is_coarse_conditioned else None
            if coarse is not None:
                joined = encode_picture(pipeline.vae, coarse, device=device)
        noise = torch.randn(latents.shape, generator=generator)
        timesteps = draw_timesteps(pipeline.scheduler, 1, steps=steps, generator=generator)
        return Lesson(
            latents=latents,
            coarse=joined,
            words=pipeline.encode_prompt([words]),
            tokens=self._tokens(picture),
            pose=pose,
            noise=noise.to(device),
            timesteps=timesteps.to(device),
        )

    def _loss(self, lesson: Lesson) -> Tensor:
        with ExitStack() as shown:
            if self.attention is not None and lesson.tokens is not None:
                shown.enter_context(self.attention.show(lesson.tokens, beta=self.settings.beta))
            return picture_loss(self.pipeline, lesson)

    def _tokens(self, picture: Picture) -> Tensor | None:
        encoder: SubjectEncoder | None = self.pipeline.subject_encoder
        if encoder is None or self.attention is None:
            return None
        seen = subject_picture(picture, None, side=encoder.picture_size)
        tokens: Tensor = encoder(seen.to(encoder.device, encoder.dtype))
        return tokens

    @contextmanager
    def _attending(self, lesson: Lesson, generator: torch.Generator) -> Iterator[None]:
        """Let the networks attend to the reference in a lesson, if that is to be learnt.

        What they attend to has no gradient; how they project it has one.
        """
        if not self.settings.attention:
            yield
            return
        pipeline, reference = self.pipeline, self.reference
        own, device = pipeline.default_settings, pipeline.unet.device
        is_aligned = own.align > 0
        alignment = PoseAlignment(PosePlaces(lesson.pose, device), own.align, own.align_gain)
        guides = pipeline.unet, pipeline.controlnet
        cache = ReferenceCache("inputs")
        with install_self_subject_attention(*guides, cache=cache) as attention:
            with (
                torch.no_grad(),
                attention.write(
                    REFERENCE,
                    step=0,
                    size=lesson.size,
                    mask=torch.from_numpy(reference.mask).to(device, torch.float32),
                    places=PosePlaces(reference.pose, device) if is_aligned else None,
                    stop_when_written=True,
                ),
            ):
                self._pass_reference(lesson, generator)
            with attention.read(
                {REFERENCE: own.reference_weight},
                step=0,
                size=lesson.size,
                alignment=alignment if is_aligned else None,
            ):
                yield

    def _pass_reference(self, lesson: Lesson, generator: torch.Generator) -> None:
        """Pass the reference through the networks as a frame's source passes."""
        pipeline, reference = self.pipeline, self.reference
        latents = encode_picture(pipeline.vae, reference.image, device=pipeline.unet.device)
        is_coarse = pipeline.is_coarse_conditioned
        noise = torch.randn(latents.shape, generator=generator).to(latents.device)
        clean = torch.zeros_like(latents) if is_coarse else latents
        pipeline.predict(
            pipeline.scheduler.add_noise(clean, noise, lesson.timesteps),
            lesson.timesteps,
            condition=Condition(Words(lesson.words), (), lesson.words.new_ones(1)),
            pose=pipeline.prepare_pose(reference.pose, reference.pose.size),
            coarse=latents if is_coarse else None,
        )


def picture_loss(pipeline: AnimationPipeline, lesson: Lesson) -> Float[Tensor, ""]:
    """Return the error of a model that is asked for a picture by words."""
    scheduler, timesteps = pipeline.scheduler, lesson.timesteps
    clean = lesson.latents if lesson.coarse is None else lesson.latents - lesson.coarse
    noisy = scheduler.add_noise(clean, lesson.noise, timesteps)
    prediction = pipeline.predict(
        noisy,
        timesteps,
        condition=Condition(Words(lesson.words), (), lesson.words.new_ones(1)),
        pose=pipeline.prepare_pose(lesson.pose, lesson.pose.size),
        coarse=lesson.coarse,
    )
    target = denoising_target(scheduler, clean, noise=lesson.noise, timesteps=timesteps)
    return denoising_loss(scheduler, prediction, target, timesteps=timesteps)


def _turned(picture: Picture) -> Picture:
    return np.ascontiguousarray(picture[:, ::-1])
