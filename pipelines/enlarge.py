"""Frames larger than the model makes them: what is finer comes from the reference.

Where the model changed little of the moved limbs, a frame shows the limbs themselves, at full
sharpness; where the model made something else, for example what the reference hides, the frame
shows that, as coarse as it is. A small change is a hedge: a model that is not sure where a line
lies paints it paler (docs/decisions/0019-larger-frames.md).
"""

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, Float32, UInt8

from dtvideo.errors import UsageError
from dtvideo.puppet import Puppet
from pipelines.base import AnimationBase
from pipelines.character_job import SIZE_LIMITS, CharacterJob, check_range
from pipelines.load_model import native_side
from pipelines.prepare import choose_size
from poses.types import Pose

MOST = 4
"""How many times larger frames become unasked, at most."""
SAME, OTHER = 20.0, 40.0
"""Difference of model and puppet, in levels, up to which they agree, and from which on not."""

Picture = UInt8[np.ndarray, "h w 3"]
Colours = Float32[np.ndarray, "h w 3"]


@dataclass(frozen=True)
class Canvas:
    """Width and height of what is made, and how many times larger that is than the model's."""

    size: tuple[int, int]
    upscale: int

    @property
    def model_size(self) -> tuple[int, int]:
        """Width and height of the pictures that the model makes."""
        return self.size[0] // self.upscale, self.size[1] // self.upscale


def choose_canvas(
    job: CharacterJob, pipeline: AnimationBase, source: tuple[int, int]
) -> tuple[Canvas, tuple[str, ...]]:
    """Return how large a job's results become, and what to tell about it.

    source: width and height of the character's picture.
    Raises: as `choose_upscale`.
    """
    native, multiple = native_side(pipeline), pipeline.size_multiple
    size, notices = choose_size(source, requested=job.size, native=native, multiple=multiple)
    times = choose_upscale(
        source,
        size,
        requested=job.upscale,
        free=job.size is None,
        refines=pipeline.is_coarse_conditioned,
    )
    return Canvas((size[0] * times, size[1] * times), times), notices


def choose_upscale(
    source: tuple[int, int],
    size: tuple[int, int],
    *,
    requested: int | None,
    free: bool,
    refines: bool,
) -> int:
    """Return how many times larger than `size`, the model's, frames become.

    Unasked, up to `MOST` times, as long as the source has so much detail; once where the size is
    not `free` but asked for, and of models that refine no coarse frame.
    Raises: UsageError M11 when a model that cannot is asked for more, or frames become larger
    than `--size` may be.
    """
    if requested is not None:
        if requested > 1 and not refines:
            problem = "needs a model that refines coarse frames"
            raise UsageError("M11", "--upscale", problem, "leave it out, or use --model toon")
        check_range("--upscale", requested, 1, max(1, SIZE_LIMITS[1] // max(size)))
        return requested
    if not (refines and free):
        return 1
    return int(np.clip(min(source[0] // size[0], source[1] // size[1]), 1, MOST))


@dataclass(frozen=True, eq=False)
class Enlarger:
    """Makes pictures of a character as large as its puppet."""

    puppet: Puppet

    def enlarge(self, frame: UInt8[np.ndarray, "low_h low_w 3"], pose: Pose) -> Picture:
        """Return the frame of a pose at the puppet's size."""
        fine = self.puppet.frame(pose).astype(np.float32)
        made = frame.astype(np.float32)
        shown = _resized(fine, made.shape, cv2.INTER_AREA)
        trust = _resized(_agreement(made, shown), fine.shape, cv2.INTER_LINEAR)[..., None]
        large = trust * fine + (1 - trust) * _resized(made, fine.shape, cv2.INTER_CUBIC)
        return np.asarray(large.round().clip(0, 255), dtype=np.uint8)


def _agreement(made: Colours, shown: Colours) -> Float32[np.ndarray, "h w"]:
    """Return how far two pictures agree, from 0 to 1, about each pixel."""
    apart = cv2.GaussianBlur(np.abs(made - shown).max(axis=2), (3, 3), 0)
    return np.asarray(((OTHER - apart) / (OTHER - SAME)).clip(0, 1), np.float32)


def _resized(
    picture: Float[np.ndarray, "..."], shape: tuple[int, ...], how: int
) -> Float[np.ndarray, "..."]:
    return np.asarray(cv2.resize(picture, (shape[1], shape[0]), interpolation=how))
