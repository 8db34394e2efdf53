"""The toon model's latents: square patches of pixels, laid onto the channels; nothing is lost."""

from collections.abc import Sequence
from typing import Any

import torch
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from diffusers.models.autoencoders.vae import DecoderOutput, DiagonalGaussianDistribution
from diffusers.models.modeling_outputs import AutoencoderKLOutput
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from dtvideo.errors import UsageError

RGB = 3


class PatchAutoencoder(ModelMixin, ConfigMixin):  # type: ignore[misc]
    """A fixed transform behind the interface of diffusers' `AutoencoderKL`.

    Each patch of patch_size x patch_size pixels becomes one latent of 3 * patch_size ** 2
    channels. The way there and back is exact, orthonormal up to `scaling_factor`, and has
    nothing to learn: an error of the latents is the same error of the pixels
    (docs/decisions/0011-patch-latents.md).

    patch_size: side of a patch in pixels, a power of two. sample_size: side of the pictures that
    the model around it is trained on, in pixels. scaling_factor: what brings latents near unit
    variance. `latent_channels` and `block_out_channels` follow from patch_size; pipelines read
    them from the configuration.
    Raises: UsageError M11 when patch_size is no power of two.
    """

    @register_to_config  # type: ignore[untyped-decorator]
    def __init__(
        self,
        patch_size: int = 2,
        sample_size: int = 128,
        scaling_factor: float = 2.5,
        latent_channels: int | None = None,
        block_out_channels: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        if patch_size < 1 or patch_size & (patch_size - 1):
            raise UsageError("M11", "patch_size", f"is {patch_size}", "give a power of two")
        channels = RGB * patch_size**2
        self.register_to_config(
            latent_channels=channels, block_out_channels=(channels,) * patch_size.bit_length()
        )
        # Without any weight a module has no device and no type, and diffusers asks for both.
        self.register_buffer("one", torch.ones(1))

    def encode(self, x: Float[Tensor, "n 3 h w"], return_dict: bool = True) -> Any:
        """Return the patches of pictures in [-1, 1] as a distribution without spread.

        h and w must be multiples of patch_size.
        """
        mean = functional.pixel_unshuffle(x, self.config.patch_size)
        parameters = torch.cat([mean, torch.zeros_like(mean)], dim=1)
        posterior = DiagonalGaussianDistribution(parameters, deterministic=True)
        return AutoencoderKLOutput(latent_dist=posterior) if return_dict else (posterior,)

    def decode(self, z: Float[Tensor, "n c h w"], return_dict: bool = True) -> Any:
        """Return the pictures of patches."""
        sample = functional.pixel_shuffle(z, self.config.patch_size)
        return DecoderOutput(sample=sample) if return_dict else (sample,)

    def forward(self, sample: Float[Tensor, "n 3 h w"], return_dict: bool = True) -> Any:
        """Return pictures after a way there and back: the same."""
        posterior: DiagonalGaussianDistribution = self.encode(sample, return_dict=False)[0]
        return self.decode(posterior.mean, return_dict=return_dict)
