"""Let the transformer blocks of a U-Net look at the subject's tokens for a while.

The block's update is h <- h + beta S-E-A(LN(h), tokens) (Eq. 1 of arXiv:2312.13691), between its
self-attention and its text cross-attention. A self-attention layer returns o, which the block adds
to a residual h that the layer never sees. So one hook on the block's first norm records h, and
another makes the layer return o + beta S-E-A(LN(h + o)). Whatever processor computes o stays in
place: self-subject attention, LoRAs and this work together, installed in any order.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

from diffusers.models.attention import BasicTransformerBlock
from jaxtyping import Float
from torch import Tensor, nn

from dtvideo.attention.layers import transformer_blocks
from dtvideo.errors import ModelError, UsageError
from dtvideo.subject.encoder import SubjectEncoder, SubjectLayer


@dataclass(frozen=True, eq=False)
class View:
    """What the layers look at, and how much it counts in each row."""

    tokens: Float[Tensor, "_ n d"]
    beta: float | Float[Tensor, " b"]

    def added(self, layer: SubjectLayer, features: Float[Tensor, "b n c"]) -> Tensor:
        """Return what a layer adds to a block's features."""
        tokens = self.tokens.expand(len(features), -1, -1)
        beta = self.beta if not isinstance(self.beta, Tensor) else self.beta.view(-1, 1, 1)
        added: Tensor = beta * layer(features, tokens)
        return added


class SubjectEncoderAttention:
    """The handle of an installation; outside `show` the U-Net is as if nothing were installed."""

    def __init__(self) -> None:
        self.view: View | None = None

    @contextmanager
    def show(
        self, tokens: Float[Tensor, "_ n d"], *, beta: float | Float[Tensor, " b"]
    ) -> Iterator[None]:
        """Let the forwards inside look at a subject.

        tokens: from the encoder, one row for all or one for each. beta: how much it counts, for
        all rows or for each; 0 is no subject.
        Raises: UsageError M11 when one is already shown.
        """
        if self.view is not None:
            raise UsageError("M11", "subject", "is already shown", "end that first")
        if isinstance(beta, Tensor) or beta != 0:
            self.view = View(tokens, beta)
        try:
            yield
        finally:
            self.view = None


@contextmanager
def install_subject_attention(
    unet: nn.Module, encoder: SubjectEncoder
) -> Iterator[SubjectEncoderAttention]:
    """Let the transformer blocks of a U-Net look at subjects through the encoder's layers.

    On leaving, also by an exception, the hooks are gone.
    Raises: ModelError M5 when the encoder was made for another U-Net.
    """
    blocks = transformer_blocks(unet)
    _check_blocks(blocks, encoder)
    handle = SubjectEncoderAttention()
    with ExitStack() as stack:
        for path in encoder.paths:
            hooks = _BlockHooks(encoder.layer(path), handle)
            block = blocks[path]
            stack.callback(block.norm1.register_forward_pre_hook(hooks.remember).remove)
            stack.callback(block.attn1.register_forward_hook(hooks.add).remove)
        yield handle


@dataclass(eq=False)
class _BlockHooks:
    """The two hooks of one block, and the residual that passes from one to the other."""

    layer: SubjectLayer
    handle: SubjectEncoderAttention
    residual: list[Tensor] = field(default_factory=list)

    def remember(self, norm: nn.Module, inputs: tuple[Any, ...]) -> None:
        if self.handle.view is not None:
            self.residual = [inputs[0]]

    def add(self, attention: nn.Module, inputs: tuple[Any, ...], attended: Tensor) -> Tensor:
        if self.handle.view is None:
            return attended
        features = self.residual.pop() + attended
        return attended + self.handle.view.added(self.layer, features)


def _check_blocks(blocks: dict[str, BasicTransformerBlock], encoder: SubjectEncoder) -> None:
    remedy = "use the encoder that was trained with this model"
    for path in encoder.paths:
        if path not in blocks:
            raise ModelError("M5", "subject encoder", f"the U-Net has no {path}", remedy)
        wanted, found = encoder.config.layers[path][0], blocks[path].norm1.normalized_shape[0]
        if wanted != found:
            problem = f"is for {wanted} channels at {path}, the U-Net has {found}"
            raise ModelError("M5", "subject encoder", problem, remedy)
