"""Put self-subject attention into a model for a while, and take it out again."""

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager

from diffusers.models.attention_processor import Attention
from jaxtyping import Float
from torch import Tensor, nn

from dtvideo.attention.alignment import PoseAlignment
from dtvideo.attention.cache import ReferenceCache
from dtvideo.attention.layers import pick_layers, self_attention_layers
from dtvideo.attention.places import Places
from dtvideo.attention.processors import (
    AllWrittenError,
    Exchange,
    Reading,
    SelfSubjectProcessor,
    Writing,
)
from dtvideo.errors import UsageError


class SelfSubjectAttention:
    """The handle of an installation: what is written, what is read, what is remembered.

    Outside `write` and `read` the models behave as if nothing were installed. The backward pass
    of a model with gradient checkpointing runs its layers again, so it belongs inside `read`.
    """

    def __init__(self, cache: ReferenceCache, *, layers: Mapping[str, Attention]) -> None:
        self.cache = cache
        self.layers = layers
        self.exchange = Exchange(cache)

    @contextmanager
    def write(
        self,
        role: str,
        *,
        step: int | Sequence[int],
        size: tuple[int, int],
        mask: Float[Tensor, "*b h w"] | None = None,
        places: Places | None = None,
        stop_when_written: bool = False,
    ) -> Iterator[None]:
        """Let the forwards inside store their keys and values as `role`.

        step: where they are stored; a sequence stores row i of the batch at step[i].
        size: (h, w) of the latents. mask: foreground in [0, 1] of any resolution, averaged to
        each layer's grid, cells below 0.05 dropped; (batch, h, w) gives each row its own.
        places: body coordinates of the source, such as `PosePlaces`, for `read` to align with.
        stop_when_written: leave the block as soon as every layer has stored, in the middle of the
        forward: what would follow is not made.
        Raises: UsageError M11 when reading or writing already, when others have replaced the
        processors, or when the forward's tokens do not come from a latent of that size.
        """
        steps = (step,) if isinstance(step, int) else tuple(step)
        if len(steps) > 1 and mask is not None and mask.ndim == 3:
            raise UsageError("M11", "mask", "has a row per step", "give one mask for all steps")
        for each in steps:
            self.cache.open_page(role, each, size=size)
        stop_after = len(self.layers) if stop_when_written else 0
        try:
            with self._mode(Writing(role, steps, size, mask, places, stop_after)):
                yield
        except AllWrittenError:
            return
        except BaseException:
            for each in steps:
                self.cache.drop_page(role, each)
            raise

    @contextmanager
    def read(
        self,
        weights: Mapping[str, float],
        *,
        step: int,
        size: tuple[int, int] | None = None,
        window: tuple[int, int] | None = None,
        alignment: PoseAlignment | None = None,
    ) -> Iterator[None]:
        """Let the forwards inside attend to what was written at `step`; {} is plain attention.

        A source written with fewer rows serves each row's share of consecutive rows.

        weights: how many times each token of a role counts; 0 leaves the role out.
        size: (h, w) of the latents inside, compared with the size written when given. window:
        (h, w) of the latents inside where they are cut out of pictures of the size written.
        alignment: lets each token prefer the same part of the body in the sources.
        Raises: UsageError M11 for a role, step or resolution that was not written, for a
        negative weight, and when reading or writing already or others have replaced the processors.
        """
        sources = {}
        for role, weight in weights.items():
            if not (math.isfinite(weight) and weight >= 0):
                raise UsageError("M11", role, f"has weight {weight}", "give a number of at least 0")
            page = self.cache.page(role, step)
            if size is not None and page.size != tuple(size):
                raise UsageError(
                    "M11",
                    role,
                    f"was written from a latent of {page.size}, not {tuple(size)}",
                    "write the source at the resolution it is read at",
                )
            if weight > 0:
                sources[role] = (page, float(weight))
        with self._mode(Reading(sources, alignment, window)):
            yield

    def reset(self, role: str | None = None) -> None:
        """Forget what was written for a role, or everything."""
        self.cache.reset(role)

    @contextmanager
    def _mode(self, mode: Writing | Reading) -> Iterator[None]:
        if self.exchange.mode is not None:
            raise UsageError("M11", "attention", "is already reading or writing", "end that first")
        self._check_installed()
        self.exchange.mode = mode
        try:
            yield
        finally:
            self.exchange.mode = None

    def _check_installed(self) -> None:
        for name, layer in self.layers.items():
            found = layer.processor
            if not isinstance(found, SelfSubjectProcessor) or found.exchange is not self.exchange:
                raise UsageError(
                    "M11",
                    name,
                    f"has lost its self-subject attention to {type(found).__name__}",
                    "change processors, as by enable_attention_slicing, before a clip is opened",
                )


@contextmanager
def install_self_subject_attention(
    unet: nn.Module,
    controlnet: nn.Module | None = None,
    layers: Collection[str] | None = None,
    *,
    cache: ReferenceCache | None = None,
) -> Iterator[SelfSubjectAttention]:
    """Let the self-attention layers of a U-Net and a ControlNet attend to references.

    layers: exact names such as "unet.mid_block.attentions.0.transformer_blocks.0.attn1"; all by
    default. On leaving, also by an exception, the very same processor objects are back.
    Raises: UsageError M11 for an unknown layer, or when it is installed already.
    """
    models = {"unet": unet} if controlnet is None else {"unet": unet, "controlnet": controlnet}
    available = {
        f"{name}.{path}": layer
        for name, model in models.items()
        for path, layer in self_attention_layers(model).items()
    }
    chosen = pick_layers(available, layers)
    _check_free(chosen)
    attention = SelfSubjectAttention(cache or ReferenceCache(), layers=chosen)
    originals = {name: layer.processor for name, layer in chosen.items()}
    try:
        for name, layer in chosen.items():
            layer.set_processor(
                SelfSubjectProcessor(originals[name], layer=name, exchange=attention.exchange)
            )
        yield attention
    finally:
        for name, layer in chosen.items():
            layer.set_processor(originals[name])
        attention.reset()


def _check_free(layers: Mapping[str, Attention]) -> None:
    for name, layer in layers.items():
        if isinstance(layer.processor, SelfSubjectProcessor):
            raise UsageError(
                "M11", name, "already has self-subject attention", "leave that `with` block first"
            )
