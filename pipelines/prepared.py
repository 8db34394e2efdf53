"""Everything that the first frame of a render needs, in one place."""

from dataclasses import dataclass

from dtvideo.video import VideoInfo
from pipelines.base import AnimationBase
from pipelines.clip_settings import ClipSettings
from pipelines.prepare import Driver, Reference
from pipelines.reference_features import ReferenceFeatures
from pipelines.sidecar import Sidecar


@dataclass(frozen=True, eq=False)
class Prepared:
    """Everything that the first frame needs."""

    pipeline: AnimationBase
    settings: ClipSettings
    size: tuple[int, int]
    """Width and height of the frames, of which `reference` and `driver` are told."""
    upscale: int
    """How many times larger they are than the model makes them."""
    reference: Reference
    driver: Driver
    info: VideoInfo | None
    sidecar: Sidecar
    features: ReferenceFeatures
    """What clips of the same character share."""

    @property
    def model_size(self) -> tuple[int, int]:
        """Width and height of the pictures that the model makes."""
        return self.size[0] // self.upscale, self.size[1] // self.upscale
