"""A frame of a tiny model, to see whether what was loaded renders as it should."""

from typing import Any

import numpy as np

from pipelines.clip_settings import ClipSettings
from poses.types import Pose


def first_frame(pipeline: Any, settings: ClipSettings) -> np.ndarray:
    """Render a 16 x 16 picture of a red square in its own pose; (h, w, 3) bytes."""
    body = np.column_stack([np.linspace(2, 14, 18), np.linspace(3, 13, 18), np.ones(18)])
    pose = Pose(body=body, size=(16, 16))
    picture = np.full((16, 16, 3), 90, np.uint8)
    picture[4:12, 4:12] = (200, 60, 40)
    options = {"reference": picture, "reference_pose": pose, "poses": [pose]}
    with pipeline.open(prompt="a girl", settings=settings, **options) as clip:
        return next(iter(clip))[1]
