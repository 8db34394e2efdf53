"""Render one frame: what it attends to, how it is denoised, what it leaves for the next."""

import logging
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from dtvideo.attention import (
    CachePlan,
    PoseAlignment,
    PosePlaces,
    SelfSubjectAttention,
    plan_cache,
)
from dtvideo.denoise import denoise, first_step, noised_input, prepare_scheduler
from dtvideo.guidance import Prediction, combination, combine
from dtvideo.latents import decode_latents, encode_picture, frame_noise, picture_tensor
from dtvideo.puppet import Puppet
from dtvideo.residual import near_figure, residual_prediction, whole_input
from dtvideo.seeds import keyed_noise
from dtvideo.subject import SubjectEncoderAttention
from pipelines.clip_settings import ClipSettings
from pipelines.condition import Condition, stack
from pipelines.frame_state import FrameState, Source, Subject
from pipelines.reference_features import REFERENCE, ReferenceFeatures
from poses.types import Pose

if TYPE_CHECKING:
    from pipelines.base import AnimationBase

logger = logging.getLogger(__name__)

OnStepEnd = Callable[..., dict[str, Any] | None]
"""(pipeline, step, timestep, tensors) -> tensors to go on with, as diffusers calls it."""

OnProgress = Callable[[str, int, int], None]
"""(stage, steps done, steps to do); the stage is "reference" or "frame <index>"."""

PREVIOUS = "previous"
ROWS_AT_ONCE = 4  # noise levels that one pass over a source may hold
CELLS_AT_ONCE = 2**15  # and latent cells
MEMORY_SHARE = 0.5  # of the free memory that reference features may take unasked


class FrameRenderer:
    """Everything that the frames of one clip share, and how one of them is made.

    The reference's features are computed once, for every step, unless `features` has them; those
    of the previous frame once per frame, a few steps at a time.
    """

    @torch.inference_mode()
    def __init__(
        self,
        pipeline: "AnimationBase",
        subject: Subject,
        *,
        settings: ClipSettings,
        attention: SelfSubjectAttention,
        features: ReferenceFeatures,
        subject_attention: SubjectEncoderAttention | None,
        on_step_end: OnStepEnd | None,
        progress: OnProgress,
    ) -> None:
        self.pipeline = pipeline
        self.subject = subject
        self.settings = settings
        self.attention = attention
        self.features = features
        self.subject_attention = subject_attention
        self.on_step_end = on_step_end
        self.progress = progress
        self.device: torch.device = pipeline._execution_device
        self.dtype: torch.dtype = pipeline.unet.dtype
        self.scheduler = prepare_scheduler(
            pipeline.scheduler, steps=settings.steps, device=self.device
        )
        self.steps = range(
            first_step(self.scheduler, settings.start_strength), len(self.scheduler.timesteps)
        )
        self.negative, self.positive, self.caption = self._encode_conditions()
        self.subject_tokens = pipeline.encode_subject(subject) if subject_attention else None
        self.reference_latents = self._encode(subject.reference)
        self.puppet = self._cut_puppet()
        self.reference = self._reference_source()
        if self.features.plan is None and self.reference.weight > 0:
            self.features.plan = self._remember_reference()
        self.cache_plan = self.features.plan

    @torch.inference_mode()
    def render(
        self, pose: Pose, state: FrameState, *, depth: UInt8[np.ndarray, "h w 3"] | None = None
    ) -> tuple[UInt8[np.ndarray, "h w 3"], FrameState]:
        """Return the picture of the state's frame in a pose, and the state of the next frame.

        depth: grey, near is white; told to the frame alone, not to what it attends to.
        """
        coarse, near = self._coarse_latents(pose)
        residual = self.pipeline.is_coarse_conditioned
        latents = denoise(
            self._start_noise(state.index),
            scheduler=self.scheduler,
            predict=partial(
                self._predict,
                pose=self._draw(pose),
                depth=depth if depth is None else self._picture(depth),
                coarse=coarse if residual else None,
                sources=self._sources(state),
                alignment=self._alignment(pose),
            ),
            seed=self.settings.seed,
            frame=state.index,
            start=torch.zeros_like(coarse) if coarse is not None and residual else coarse,
            strength=self.settings.start_strength,
            on_step_end=partial(self._end_step, frame=state.index),
        )
        if coarse is not None and residual:
            latents = coarse + near * latents
        self.attention.reset(PREVIOUS)
        image = decode_latents(self.pipeline.vae, latents, frame=state.index)
        return image, FrameState(state.index + 1, latents, pose)

    def _predict(
        self,
        latents: Float[Tensor, "1 c lh lw"],
        timestep: Tensor,
        step: int,
        *,
        pose: Float[Tensor, "1 3 h w"],
        coarse: Float[Tensor, "1 c lh lw"] | None,
        depth: Float[Tensor, "1 3 h w"] | None,
        sources: Sequence[Source],
        alignment: PoseAlignment | None,
    ) -> Float[Tensor, "1 c lh lw"]:
        """Return the guided prediction of a step; the rows that see the sources share a forward."""
        weights = combination(
            self.settings.guidance,
            seed=self.settings.seed,
            step=step,
            has_reference=len(sources) > 0 or coarse is not None,
        )
        conditions = {Prediction.NEGATIVE: self.negative, Prediction.POSITIVE: self.positive}
        attended = [kind for kind in weights if kind is not Prediction.UNREFERENCED]
        predictions: dict[Prediction, Tensor] = {}
        if attended:
            for source in sources:
                self._ensure(source, step)
            roles = {source.role: source.weight for source in sources}
            apart = self.settings.rows_apart
            with self.attention.read(roles, step=step, size=self._latent_size, alignment=alignment):
                for kinds in [[kind] for kind in attended] if apart else [attended]:
                    rows = self._forward(
                        latents.expand(len(kinds), -1, -1, -1),
                        timestep,
                        condition=stack([conditions[kind] for kind in kinds]),
                        pose=pose,
                        depth=depth,
                        coarse=coarse,
                    )
                    predictions.update(zip(kinds, torch.split(rows, 1), strict=True))
        if Prediction.UNREFERENCED in weights:
            predictions[Prediction.UNREFERENCED] = self._predict_unreferenced(
                latents, timestep, step, pose=pose, depth=depth, coarse=coarse
            )
        return combine(predictions, weights)

    def _predict_unreferenced(
        self,
        latents: Float[Tensor, "1 c lh lw"],
        timestep: Tensor,
        step: int,
        *,
        pose: Float[Tensor, "1 3 h w"],
        depth: Float[Tensor, "1 3 h w"] | None,
        coarse: Float[Tensor, "1 c lh lw"] | None,
    ) -> Float[Tensor, "1 c lh lw"]:
        """Return the prediction that sees neither sources nor coarse frame: ∅ in Eq. 4.

        A coarse-conditioned model gets the whole picture's latents in place of the residual's,
        with zeros joined; what it predicts of them is told of the residual.
        """
        with self.attention.read({}, step=step, size=self._latent_size):
            if coarse is None:
                return self._forward(
                    latents, timestep, condition=self.positive, pose=pose, depth=depth, coarse=None
                )
            prediction = self._forward(
                whole_input(self.scheduler, latents, coarse=coarse, step=step),
                timestep,
                condition=self.positive,
                pose=pose,
                depth=depth,
                coarse=torch.zeros_like(coarse),
            )
        return residual_prediction(self.scheduler, prediction, coarse=coarse, step=step)

    def _forward(self, *latents: Tensor, condition: Condition, **options: Any) -> Tensor:
        """Run the networks once, the character shown to the layers that look at it."""
        with ExitStack() as shown:
            if self.subject_attention is not None and self.subject_tokens is not None:
                show = self.subject_attention.show
                shown.enter_context(show(self.subject_tokens, beta=condition.beta))
            return self.pipeline.predict(*latents, condition=condition, **options)

    def _end_step(self, step: int, timestep: Tensor, latents: Tensor, *, frame: int) -> Tensor:
        self.progress(f"frame {frame}", step - self.steps.start + 1, len(self.steps))
        if self.on_step_end is None:
            return latents
        returned = self.on_step_end(self.pipeline, step, timestep, {"latents": latents}) or {}
        changed: Tensor = returned.get("latents", latents)
        return changed

    def _sources(self, state: FrameState) -> tuple[Source, ...]:
        """Return what the state's frame attends to; the first frame has no previous one."""
        sources = [self.reference]
        if state.latents is not None and state.pose is not None:
            previous = Source(
                role=PREVIOUS,
                weight=self.settings.previous_weight,
                latents=state.latents.to(device=self.device, dtype=self.dtype),
                pose=self._draw(state.pose),
                condition=self.positive,
                noise=self._source_noise(PREVIOUS),
                places=self._places(state.pose),
            )
            sources.append(previous)
        return tuple(source for source in sources if source.weight > 0)

    def _reference_source(self) -> Source:
        mask = self.subject.mask if self.settings.masked else None
        pose = self._draw(self.subject.pose)
        return Source(
            role=REFERENCE,
            weight=self.settings.reference_weight,
            latents=self.reference_latents,
            pose=pose if self.settings.reference_posed else torch.zeros_like(pose),
            condition=self.caption,
            noise=self._source_noise(REFERENCE),
            mask=None if mask is None else torch.from_numpy(mask).to(self.device, torch.float32),
            places=self._places(self.subject.pose),
        )

    def _places(self, pose: Pose) -> PosePlaces | None:
        """Return where on the body each place of a picture is, when the settings ask for it."""
        return PosePlaces(pose, self.device) if self.settings.align > 0 else None

    def _alignment(self, pose: Pose) -> PoseAlignment | None:
        places = self._places(pose)
        if places is None:
            return None
        return PoseAlignment(places, self.settings.align, self.settings.align_gain)

    def _remember_reference(self) -> CachePlan:
        """Write the reference at every step, where the memory for it is; or leave it for later."""
        first, *others = self._windows()
        self._write(self.reference, first)
        plan = self._plan_cache(self.attention.cache.byte_size // len(first))
        logger.info("%s", plan)
        if plan.storage in ("host", "features"):
            self.attention.reset(REFERENCE)
            self.attention.cache.storage = plan.storage
            others = [first, *others]
        for window in others if plan.storage != "recompute" else ():
            self._write(self.reference, window)
        return plan

    def _plan_cache(self, step_bytes: int) -> CachePlan:
        asked = self.settings.cache_memory
        return plan_cache(
            step_bytes,
            steps=len(self.steps),
            device_budget=asked if asked is not None else free_memory(self.device),
            host_budget=asked if asked is not None else free_memory(torch.device("cpu")),
            on_host=self.device.type == "cpu",
        )

    def _windows(self) -> list[range]:
        """Return the steps in runs that are passed through the model together."""
        height, width = self._latent_size
        rows = max(1, min(ROWS_AT_ONCE, CELLS_AT_ONCE // (height * width)))
        rows = 1 if self.settings.rows_apart else rows
        return [self.steps[begin : begin + rows] for begin in range(0, len(self.steps), rows)]

    def _ensure(self, source: Source, step: int) -> None:
        """Write a source at the steps around this one unless it is there."""
        if not self.attention.cache.holds(source.role, step):
            self.attention.reset(source.role)
            self._write(source, next(window for window in self._windows() if step in window))

    def _write(self, source: Source, steps: range) -> None:
        """Pass a source through the model at some noise levels, so that its features are kept."""
        residual = self.pipeline.is_coarse_conditioned
        clean = torch.zeros_like(source.latents) if residual else source.latents
        noisy = [
            noised_input(self.scheduler, clean, noise=source.noise, step=step) for step in steps
        ]
        with self.attention.write(
            source.role,
            step=steps,
            size=self._latent_size,
            mask=source.mask,
            places=source.places,
            stop_when_written=not self.pipeline.is_offloaded,
        ):
            self._forward(
                torch.cat(noisy),
                self.scheduler.timesteps[steps.start : steps.stop],
                condition=source.condition.expand(len(steps)),
                pose=source.pose,
                coarse=source.latents if residual else None,
            )
        if source.role == REFERENCE:
            self.progress(REFERENCE, steps.stop - self.steps.start, len(self.steps))

    @property
    def _latent_size(self) -> tuple[int, int]:
        height, width = self.reference_latents.shape[-2:]
        return height, width

    def _encode_conditions(self) -> tuple[Condition, Condition, Condition]:
        """Return what the negative prompt, the prompt and the caption of the reference say.

        The negative one does not see the character: it is what the guidance leads away from.
        """
        subject = self.subject
        negative, positive, caption = self.pipeline.encode_words(subject)
        shown, hidden = self.pipeline.encode_picture_prompt(subject)
        beta = positive.text.new_full((1,), self.settings.beta)
        return (
            Condition(negative, hidden, torch.zeros_like(beta)),
            Condition(positive, shown, beta),
            Condition(caption, shown, beta),
        )

    def _cut_puppet(self) -> Puppet | None:
        """Cut the reference into limbs when the model or the start asks for coarse frames."""
        refines = self.pipeline.is_coarse_conditioned and self.settings.coarse
        needed = refines or self.settings.start_strength < 1
        if not needed or self.subject.mask is None:
            return None
        return Puppet.prepare(self.subject.reference, self.subject.mask, self.subject.pose)

    def _coarse_latents(
        self, pose: Pose
    ) -> tuple[Float[Tensor, "1 c lh lw"] | None, Float[Tensor, "1 1 lh lw"] | float]:
        """Return the encoded coarse frame of a pose, if there is any, and where it may change.

        Zeros stand for one that is withheld from a coarse-conditioned model: it then makes the
        whole picture.
        """
        if self.puppet is not None:
            picture, cover = self.puppet.frame_and_cover(pose)
            latents = self._encode(picture)
            if not self.settings.keep_ground:
                return latents, 1.0
            return latents, near_figure(cover, size=self._latent_size).to(latents)
        refines = self.pipeline.is_coarse_conditioned
        return torch.zeros_like(self.reference_latents) if refines else None, 1.0

    def _draw(self, pose: Pose) -> Float[Tensor, "1 3 h w"]:
        return self.pipeline.prepare_pose(pose, self.subject.size)

    def _picture(self, picture: UInt8[np.ndarray, "h w 3"]) -> Float[Tensor, "1 3 h w"]:
        return picture_tensor(picture, device=self.device, dtype=self.dtype)

    def _encode(self, picture: UInt8[np.ndarray, "h w 3"]) -> Float[Tensor, "1 c lh lw"]:
        latents = encode_picture(self.pipeline.vae, picture, device=self.device)
        return latents.to(self.dtype)

    def _start_noise(self, frame: int) -> Float[Tensor, "1 c lh lw"]:
        shape = tuple(self.reference_latents.shape)
        shared = self.settings.shared_noise
        noise = frame_noise(shape, seed=self.settings.seed, frame=frame, shared=shared)
        return noise.to(device=self.device, dtype=self.dtype)

    def _source_noise(self, role: str) -> Float[Tensor, "1 c lh lw"]:
        """Return the noise of a source, the same for the whole clip."""
        shape = tuple(self.reference_latents.shape)
        seed = self.settings.seed
        return keyed_noise(shape, seed, role, device=self.device, dtype=self.dtype)


def free_memory(device: torch.device) -> int:
    """Return the bytes of a device's free memory that reference features may take unasked."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
    else:
        import psutil

        free = psutil.virtual_memory().available
    return int(free * MEMORY_SHARE)
