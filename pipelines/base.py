"""What every model that animates a character has in common, whatever its family.

A family adds its parts and how it reads words: `pipelines.animate` for the SD 1.5 class,
`pipelines.animate_xl` for SDXL.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from diffusers import DiffusionPipeline
from diffusers.loaders import IPAdapterMixin, TextualInversionLoaderMixin
from diffusers.models.embeddings import ImageProjection
from jaxtyping import Float, Shaped
from torch import Tensor

from dtvideo.errors import ModelError, UsageError
from dtvideo.latents import picture_tensor
from dtvideo.models.controlnets import Guide, ask_controlnets
from dtvideo.subject import SubjectEncoder, subject_picture
from pipelines.clip import Clip
from pipelines.clip_settings import ClipSettings
from pipelines.condition import Condition, Words
from pipelines.frame import OnProgress, OnStepEnd
from pipelines.frame_state import Subject
from pipelines.given import given_mask, given_picture
from pipelines.reference_features import ReferenceFeatures
from poses.render import draw_pose
from poses.types import Pose


class AnimationBase(
    DiffusionPipeline,  # type: ignore[misc]
    TextualInversionLoaderMixin,  # type: ignore[misc]
    IPAdapterMixin,  # type: ignore[misc]
):
    """A diffusers model made to animate one character; a family's class registers its parts.

    A U-Net and ControlNet whose `in_channels` are twice the latent channels are
    coarse-conditioned (docs/decisions/0002-residual-coarse-frame.md).
    """

    # its layers run inside the U-Net's
    _exclude_from_cpu_offload = ["subject_encoder"]  # noqa: RUF012
    _optional_components = [  # noqa: RUF012
        "controlnet",
        "depth_controlnet",
        "subject_encoder",
        "image_encoder",
        "feature_extractor",
    ]
    _callback_tensor_inputs = ["latents"]  # noqa: RUF012
    _interrupt = False
    notices: tuple[str, ...] = ()
    """What a person should know of what was added to the model."""

    @property
    def vae_scale_factor(self) -> int:
        """Pixels per latent, along a side."""
        return int(2 ** (len(self.vae.config.block_out_channels) - 1))

    @property
    def size_multiple(self) -> int:
        """Both sides of a picture must be multiples of this many pixels."""
        return int(self.vae_scale_factor * 2 ** (len(self.unet.config.block_out_channels) - 1))

    @property
    def is_coarse_conditioned(self) -> bool:
        """Whether the model refines an encoded coarse frame instead of starting from nothing."""
        return bool(self.unet.config.in_channels == 2 * self.vae.config.latent_channels)

    @property
    def is_offloaded(self) -> bool:
        """Whether accelerate brings networks to the device for as long as they work."""
        return any(hasattr(part, "_hf_hook") for part in self.unet.modules())

    @property
    def default_settings(self) -> ClipSettings:
        """What `open` takes when it is told nothing."""
        return ClipSettings.from_plain(self.config.defaults)

    def open(
        self,
        *,
        reference: object,
        reference_pose: Pose,
        poses: Iterable[Pose],
        mask: object = None,
        prompt: str = "",
        negative_prompt: str = "",
        reference_prompt: str | None = None,
        settings: ClipSettings | None = None,
        features: ReferenceFeatures | None = None,
        callback_on_step_end: OnStepEnd | None = None,
        callback_on_step_end_tensor_inputs: Sequence[str] = ("latents",),
        progress: OnProgress | None = None,
    ) -> Clip:
        """Return a clip that yields (index, image) for each pose, at the size of the reference.

        reference: a uint8 array, (height, width, 3), or a PIL image in RGB.
        mask: a float array, (height, width), in which 1 is the character and 0 the ground;
        without one the whole reference is attended to.
        reference_prompt: caption of the reference, used in its own pass; the prompt by default.
        settings: `default_settings` unless given; change some with `dataclasses.replace`.
        features: given to several clips, the character is encoded once for those that are alike.
        callback_on_step_end: called as diffusers does, (pipeline, step, timestep, tensors).
        progress: called with a stage's name, what is done and what there is to do.
        Raises: UsageError M11 for a picture, size, mask or name that cannot be; ModelError M5 for
        components that do not fit each other.
        """
        subject = Subject(
            reference=given_picture("reference", reference),
            mask=given_mask(mask),
            pose=reference_pose,
            prompt=prompt,
            negative_prompt=negative_prompt,
            caption=prompt if reference_prompt is None else reference_prompt,
        )
        settings = settings or self.default_settings
        self.check_inputs(subject, settings, callback_on_step_end_tensor_inputs)
        return Clip(
            self,
            subject,
            poses,
            settings=settings,
            features=features,
            on_step_end=callback_on_step_end,
            progress=progress,
        )

    def check_inputs(
        self, subject: Subject, settings: ClipSettings, tensor_inputs: Sequence[str] = ()
    ) -> None:
        """Refuse what cannot work, before anything is computed."""
        _check_channels(self)
        _check_size(subject.size, multiple=self.size_multiple)
        needs_coarse_frames = self.is_coarse_conditioned or settings.start_strength < 1
        _check_mask(subject, is_needed=needs_coarse_frames)
        unknown = [name for name in tensor_inputs if name not in self._callback_tensor_inputs]
        if unknown:
            raise UsageError(
                "M11",
                "callback_on_step_end_tensor_inputs",
                f"{unknown[0]!r} is unknown",
                f"choose from {self._callback_tensor_inputs}",
            )

    def encode_words(self, subject: Subject) -> tuple[Words, Words, Words]:
        """Return what a subject's negative prompt, prompt and caption say, one row each."""
        raise NotImplementedError(f"{type(self).__name__} does not read words")

    def encode_picture_prompt(
        self, subject: Subject
    ) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        """Return the character as each loaded IP-Adapter sees it, and "no picture" likewise.

        The character stands on white. Both are empty without an IP-Adapter.
        Raises: ModelError M5 when an adapter is loaded without its image encoder.
        """
        if getattr(self.unet.config, "encoder_hid_dim_type", None) != "ip_image_proj":
            return (), ()
        if self.image_encoder is None or self.feature_extractor is None:
            raise ModelError(
                "M5", "IP-Adapter", "has no image encoder", "load image_encoder and its processor"
            )
        mask = np.ones(subject.reference.shape[:2]) if subject.mask is None else subject.mask
        on_white = subject.reference * mask[..., None] + 255 * (1 - mask[..., None])
        pixels = self.feature_extractor(on_white.round().astype(np.uint8), return_tensors="pt")
        picture = pixels.pixel_values.to(self._execution_device, self.image_encoder.dtype)
        projections = self.unet.encoder_hid_proj.image_projection_layers
        pairs = [_embed_picture(self.image_encoder, picture, layer) for layer in projections]
        return tuple(positive for positive, _ in pairs), tuple(negative for _, negative in pairs)

    def encode_subject(self, subject: Subject) -> Float[Tensor, "1 n d"]:
        """Return the subject encoder's tokens of the character, on white.

        Raises: ModelError M5 when the pipeline has no subject encoder.
        """
        encoder: SubjectEncoder | None = self.subject_encoder
        if encoder is None:
            raise ModelError("M5", "subject_encoder", "is missing", "load a model with one")
        picture = subject_picture(subject.reference, subject.mask, side=encoder.picture_size)
        tokens: Tensor = encoder(picture.to(self._execution_device, encoder.dtype))
        return tokens.to(self.unet.dtype)

    def prepare_pose(self, pose: Pose, size: tuple[int, int]) -> Float[Tensor, "1 3 h w"]:
        """Return the picture of a pose, (width, height), as the ControlNet wants it."""
        picture = draw_pose(pose, size)
        guided = self.unet if self.controlnet is None else self.controlnet
        return picture_tensor(picture, device=self._execution_device, dtype=guided.dtype)

    def predict(
        self,
        latents: Float[Tensor, "b c lh lw"],
        timesteps: Shaped[Tensor, "*b"],
        *,
        condition: Condition,
        pose: Float[Tensor, "1 3 h w"],
        coarse: Float[Tensor, "1 c lh lw"] | None,
        depth: Float[Tensor, "1 3 h w"] | None = None,
    ) -> Float[Tensor, "b c lh lw"]:
        """Run ControlNets and U-Net once; one pose, depth and coarse frame serve all rows.

        Without a ControlNet for it nothing is told of the pose, or of the depth.
        """
        if coarse is not None:
            latents = torch.cat([latents, coarse.expand(len(latents), -1, -1, -1)], dim=1)
        guides = [
            Guide(controlnet, part, picture)
            for part, picture in (("controlnet", pose), ("depth_controlnet", depth))
            if picture is not None and (controlnet := getattr(self, part)) is not None
        ]
        down, middle = ask_controlnets(
            guides, latents, timesteps, text=condition.text, added=condition.added
        )
        prediction: Tensor = self.unet(
            latents,
            timesteps,
            encoder_hidden_states=condition.text,
            added_cond_kwargs={**condition.added, "image_embeds": list(condition.pictures)},
            down_block_additional_residuals=down,
            mid_block_additional_residual=middle,
            return_dict=False,
        )[0]
        return prediction

    @property
    def interrupt(self) -> bool:
        """Whether a clip is to stop before its next frame."""
        return self._interrupt


def _embed_picture(encoder: Any, picture: Tensor, projection: Any) -> tuple[Tensor, Tensor]:
    """Return a picture and its absence as an IP-Adapter's projection takes them, (1, 1, ...)."""
    if isinstance(projection, ImageProjection):
        embedding = encoder(picture).image_embeds
        return embedding[None], torch.zeros_like(embedding)[None]
    pictures = torch.cat([picture, torch.zeros_like(picture)])
    states = encoder(pictures, output_hidden_states=True).hidden_states[-2]
    return states[None, :1], states[None, 1:]


def _check_channels(pipeline: AnimationBase) -> None:
    channels = pipeline.vae.config.latent_channels
    wanted = (channels, 2 * channels)
    guide = pipeline.unet if pipeline.controlnet is None else pipeline.controlnet
    found = (pipeline.unet.config.in_channels, guide.config.in_channels)
    if found[0] not in wanted or found[1] != found[0]:
        raise ModelError(
            "M5",
            "unet and controlnet",
            f"take {found[0]} and {found[1]} channels, the latents have {channels}",
            f"both must take {wanted[0]}, or {wanted[1]} when coarse-conditioned",
        )
    if getattr(pipeline.unet.config, "time_cond_proj_dim", None) is not None:
        raise ModelError(
            "M5", "unet", "expects an embedded guidance scale", "use a model without one"
        )


def _check_size(size: tuple[int, int], *, multiple: int) -> None:
    if any(side % multiple or side < multiple for side in size):
        fitting = " x ".join(str(max(multiple, round(side / multiple) * multiple)) for side in size)
        raise UsageError(
            "M11",
            "size",
            f"{size[0]} x {size[1]} is not a multiple of {multiple} pixels",
            f"use {fitting}",
        )


def _check_mask(subject: Subject, *, is_needed: bool) -> None:
    mask = subject.mask
    if mask is None:
        if is_needed:
            raise UsageError(
                "M11", "mask", "is missing", "coarse frames need to know the character"
            )
        return
    if mask.shape != subject.reference.shape[:2]:
        raise UsageError(
            "M11",
            "mask",
            f"has shape {mask.shape}, the reference {subject.reference.shape[:2]}",
            "give one value per pixel of the reference",
        )
    if not (np.isfinite(mask).all() and mask.min() >= 0 and mask.max() <= 1):
        raise UsageError(
            "M11", "mask", f"holds {mask.min()} to {mask.max()}", "give values from 0 to 1"
        )
