"""The SDXL class of `pipelines.base`: two text encoders, words as a whole, and sizes."""

from collections.abc import Sequence
from typing import Any

import torch
from diffusers.loaders import StableDiffusionXLLoraLoaderMixin
from jaxtyping import Float
from torch import Tensor

from pipelines.base import AnimationBase
from pipelines.condition import Words
from pipelines.frame_state import Subject


class AnimationXLPipeline(AnimationBase, StableDiffusionXLLoraLoaderMixin):  # type: ignore[misc]
    """A diffusers model of the SDXL class, made to animate one character.

    force_zeros_for_empty_prompt: an empty negative prompt is zeros, as the base model was trained.
    defaults: what `open` takes when it is not told, saved with the model; names of
    `ClipSettings` and `GuidanceSettings`.
    """

    model_cpu_offload_seq = "text_encoder->text_encoder_2->image_encoder->unet->vae"

    def __init__(
        self,
        vae: Any,
        text_encoder: Any,
        text_encoder_2: Any,
        tokenizer: Any,
        tokenizer_2: Any,
        unet: Any,
        controlnet: Any,
        scheduler: Any,
        depth_controlnet: Any = None,
        subject_encoder: Any = None,
        image_encoder: Any = None,
        feature_extractor: Any = None,
        force_zeros_for_empty_prompt: bool = True,
        defaults: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.register_modules(
            vae=vae,
            text_encoder=text_encoder,
            text_encoder_2=text_encoder_2,
            tokenizer=tokenizer,
            tokenizer_2=tokenizer_2,
            unet=unet,
            controlnet=controlnet,
            scheduler=scheduler,
            depth_controlnet=depth_controlnet,
            subject_encoder=subject_encoder,
            image_encoder=image_encoder,
            feature_extractor=feature_extractor,
        )
        self.register_to_config(
            force_zeros_for_empty_prompt=force_zeros_for_empty_prompt,
            defaults=dict(defaults or {}),
        )

    def encode_words(self, subject: Subject) -> tuple[Words, Words, Words]:
        """Return what a subject's negative prompt, prompt and caption say, one row each.

        Every row is told that the picture has the subject's size and was not cropped.
        """
        negative, positive, caption = (
            self._words(prompt, size=subject.size)
            for prompt in (subject.negative_prompt, subject.prompt, subject.caption)
        )
        if self.config.force_zeros_for_empty_prompt and not subject.negative_prompt:
            silent = {
                **negative.added,
                "text_embeds": torch.zeros_like(negative.added["text_embeds"]),
            }
            negative = Words(torch.zeros_like(negative.text), silent)
        return negative, positive, caption

    def _words(self, prompt: str, *, size: tuple[int, int]) -> Words:
        """Return one prompt, encoded by itself so that no other changes its last bits."""
        text, pooled = self.encode_prompt([prompt])
        width, height = size
        sizes = torch.tensor([[height, width, 0, 0, height, width]]).to(text)
        return Words(text, {"text_embeds": pooled, "time_ids": sizes})

    def encode_prompt(
        self, prompts: Sequence[str]
    ) -> tuple[Float[Tensor, "b n d"], Float[Tensor, "b p"]]:
        """Return both encoders' hidden states before the last, and the words as a whole.

        Long prompts are cut at the encoders' limit.
        """
        states = []
        for tokenizer, encoder in (
            (self.tokenizer, self.text_encoder),
            (self.tokenizer_2, self.text_encoder_2),
        ):
            tokens = tokenizer(
                [self.maybe_convert_prompt(prompt, tokenizer) for prompt in prompts],
                padding="max_length",
                max_length=tokenizer.model_max_length,
                truncation=True,
                return_tensors="pt",
            ).to(self._execution_device)
            encoded = encoder(tokens.input_ids, output_hidden_states=True)
            states.append(encoded.hidden_states[-2])
        pooled: Tensor = encoded.text_embeds
        return torch.cat(states, dim=-1).to(self.unet.dtype), pooled.to(self.unet.dtype)
