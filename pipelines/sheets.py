"""Collect a few moments of a clip while it is rendered, for its contact sheet."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from dtvideo.images import save_png
from dtvideo.sheet import contact_sheet
from poses.render import draw_pose
from poses.types import Pose

COLUMNS = 6

Picture = UInt8[np.ndarray, "h w c"]
Plate = UInt8[np.ndarray, "plate_h plate_w 3"]


@dataclass(eq=False)
class SheetCollector:
    """Keeps evenly spaced frames with what drove them; memory does not grow with the clip."""

    reference: UInt8[np.ndarray, "h w 3"]
    count: int
    kept: list[int] = field(default_factory=list)
    driving: list[np.ndarray] = field(default_factory=list)
    poses: list[np.ndarray] = field(default_factory=list)
    results: list[np.ndarray] = field(default_factory=list)

    def add(self, index: int, *, driving: Plate | None, pose: Pose, result: Picture) -> None:
        """Keep a frame if it is one of the sheet's."""
        if index not in evenly_spaced(self.count):
            return
        self.kept.append(index)
        self.poses.append(draw_pose(pose))
        self.results.append(result)
        if driving is not None:
            self.driving.append(driving)
