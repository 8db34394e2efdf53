"""What a frame is made of: the character, what earlier frames leave, the pictures attended to."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8
from torch import Tensor

from dtvideo.attention import PosePlaces
from pipelines.condition import Condition
from poses.types import Pose


@dataclass(frozen=True, eq=False)
class Subject:
    """The character: its picture, mask (1 is the character) and pose, and the words about it."""

    reference: UInt8[np.ndarray, "h w 3"]
    mask: Float[np.ndarray, "mask_h mask_w"] | None
    pose: Pose
    prompt: str = ""
    negative_prompt: str = ""
    caption: str = ""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        height, width = self.reference.shape[:2]
        return width, height


@dataclass(frozen=True, eq=False)
class FrameState:
    """All that frame `index` needs of those before it: the last one's latents and pose."""

    index: int = 0
    latents: Float[Tensor, "1 c lh lw"] | None = None
    pose: Pose | None = None


@dataclass(frozen=True, eq=False)
class Source:
    """A picture that frames attend to, as its own pass through the model sees it."""

    role: str
    weight: float
    latents: Float[Tensor, "1 c lh lw"]
    pose: Float[Tensor, "1 3 h w"]
    condition: Condition
    noise: Float[Tensor, "1 c lh lw"]
    mask: Float[Tensor, "h w"] | None = None
    places: PosePlaces | None = None
