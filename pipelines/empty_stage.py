"""The driver's pictures without the dancer, for `--background driver`.

A camera that stands still shows what is behind the dancer at some other moment; a moving one does
not, and the dancer stays. Pictures from all over the clip are looked at, a fixed number of them,
so that memory does not grow with it.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from dtvideo.sheet import evenly_spaced
from dtvideo.still_ground import differs, laid_over, still_ground
from dtvideo.video import VideoInfo
from pipelines.background import filled, filling
from pipelines.job import RenderJob
from pipelines.motion import chosen_frames
from pipelines.prepare import Driver, moved
from poses.crowd import figure_region
from poses.people import height_of
from poses.repair import repair
from poses.types import Pose, PoseSequence

LOOKS = 31
"""How many frames are looked at."""
MARGIN, REACH = 0.05, 0.2
"""How far around the limbs everything is the dancer, and how far hair, hands, clothes and shoes
may stand out, which differ from the ground, in heights of the dancer."""
MOVING = "the driver's camera moves or cuts, so the dancer stays in the background"

Picture = UInt8[np.ndarray, "h w 3"]


@dataclass(frozen=True, eq=False)
class EmptyStage:
    """Takes the dancer out of the driver's pictures, cut to the result's size.

    ground: what is behind the dancer; poses: the dancer's, one for each frame of the result, both
    at that size.
    """

    ground: Picture
    poses: PoseSequence

    def clear(self, index: int, plate: UInt8[np.ndarray, "plate_h plate_w 3"]) -> Picture:
        """Return the driver's picture of a frame of the result, without the dancer."""
        height, width = self.ground.shape[:2]
        frame, pose = filled(plate, (width, height)), self.poses[index]
        away = _away(pose, (width, height))
        hidden = (away <= MARGIN) | ((away <= REACH) & differs(frame, self.ground))
        return laid_over(frame, self.ground, hidden)


def find_empty_stage(
    job: RenderJob, info: VideoInfo, driver: Driver, *, size: tuple[int, int]
) -> EmptyStage | None:
    """Look at frames from all over the clip; None where the camera is not still.

    size: width and height of the result.
    """
    mended, _ = repair(driver.found)
    poses = moved(mended, filling(mended.size, size))
    wanted = evenly_spaced(len(driver), LOOKS)
    looks = [
        filled(frame, size)
        for index, frame in enumerate(chosen_frames(job, info))
        if index in wanted
    ]
    hidden = np.stack([_away(poses[index], size) <= MARGIN for index in wanted])
    ground = still_ground(np.stack(looks), hidden)
    return None if ground is None else EmptyStage(ground, poses)


def _away(pose: Pose, size: tuple[int, int]) -> Float32[np.ndarray, "h w"]:
    """Return how far each pixel of a picture of a size is from the dancer's limbs, in heights."""
    region = figure_region(pose, size)
    if not region.any():
        return np.full(region.shape, np.inf, np.float32)
    pixels = cv2.distanceTransform((~region).astype(np.uint8), cv2.DIST_L2, 5)
    return np.asarray(pixels / max(height_of(pose), 1.0), np.float32)
