"""Everything that the first frame of a render needs, in one place."""

from dataclasses import dataclass

from dtvideo.video import VideoInfo
from pipelines.base import AnimationBase
from pipelines.clip_settings import ClipSettings
from pipelines.empty_stage import EmptyStage
from pipelines.enlarge import Canvas
from pipelines.prepare import Driver, Reference
from pipelines.reference_features import ReferenceFeatures
from pipelines.sidecar import Sidecar


@dataclass(frozen=True, eq=False)
class Prepared:
    """Everything that the first frame needs."""

    pipeline: AnimationBase
    settings: ClipSettings
    canvas: Canvas
    """How large the frames are; `reference` and `driver` are told at this size."""
    reference: Reference
    driver: Driver
    info: VideoInfo | None
    sidecar: Sidecar
    features: ReferenceFeatures
    """What clips of the same character share."""
    stage: EmptyStage | None = None
    """The driver without the dancer, where it is the background and its camera stands still."""
