"""Animate a character: one picture, one pose per frame, frames one by one.

    pipeline = AnimationPipeline.from_pretrained(folder)
    with pipeline.open(reference=picture, mask=mask, reference_pose=pose, poses=poses) as clip:
        for index, image in clip:
            ...

The loop over the frames is `pipelines.clip.Clip`; what models have in common is in
`pipelines.base`; this file holds the SD 1.5 class.
"""

from collections.abc import Sequence
from typing import Any

import torch
from diffusers.loaders import StableDiffusionLoraLoaderMixin
from jaxtyping import Float
from torch import Tensor

import dtvideo.toon.patches  # noqa: F401  from_pretrained finds the toon model's VAE by name
from pipelines.base import AnimationBase
from pipelines.clip import Clip
from pipelines.clip_settings import ClipSettings
from pipelines.condition import Words
from pipelines.frame_state import FrameState, Subject

__all__ = ["AnimationPipeline", "Clip", "ClipSettings", "FrameState", "Subject"]


class AnimationPipeline(AnimationBase, StableDiffusionLoraLoaderMixin):  # type: ignore[misc]
    """A diffusers model of the SD 1.5 class, made to animate one character.

    defaults: what `open` takes when it is not told, saved with the model; names of
    `ClipSettings` and `GuidanceSettings`.
    """

    model_cpu_offload_seq = "text_encoder->image_encoder->unet->vae"

    def __init__(
        self,
        vae: Any,
        text_encoder: Any,
        tokenizer: Any,
        unet: Any,
        controlnet: Any,
        scheduler: Any,
        depth_controlnet: Any = None,
        subject_encoder: Any = None,
        image_encoder: Any = None,
        feature_extractor: Any = None,
        defaults: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.register_modules(
            vae=vae,
            text_encoder=text_encoder,
            tokenizer=tokenizer,
            unet=unet,
            controlnet=controlnet,
            scheduler=scheduler,
            depth_controlnet=depth_controlnet,
            subject_encoder=subject_encoder,
            image_encoder=image_encoder,
            feature_extractor=feature_extractor,
        )
        self.register_to_config(defaults=dict(defaults or {}))

    def encode_words(self, subject: Subject) -> tuple[Words, Words, Words]:
        """Return what a subject's negative prompt, prompt and caption say, one row each."""
        prompts = [subject.negative_prompt, subject.prompt, subject.caption]
        negative, positive, caption = torch.split(self.encode_prompt(prompts), 1)
        return Words(negative), Words(positive), Words(caption)

    def encode_prompt(self, prompts: Sequence[str]) -> Float[Tensor, "b n d"]:
        """Return the text encoder's last hidden states; long prompts are cut at its limit."""
        words = [self.maybe_convert_prompt(prompt, self.tokenizer) for prompt in prompts]
        tokens = self.tokenizer(
            words,
            padding="max_length",
            max_length=self.tokenizer.model_max_length,
            truncation=True,
            return_tensors="pt",
        ).to(self._execution_device)
        uses_mask = getattr(self.text_encoder.config, "use_attention_mask", False)
        mask = tokens.attention_mask if uses_mask else None
        states: Tensor = self.text_encoder(tokens.input_ids, attention_mask=mask)[0]
        return states.to(self.unet.dtype)
