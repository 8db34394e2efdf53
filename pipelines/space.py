"""How much disk space a render needs, checked before the first frame."""

import shutil
from pathlib import Path

from dtvideo.errors import ResourceError
from pipelines.job import RenderJob

FRAME_SHARE = 1.0  # a PNG of noise is as large as its pixels; drawings take a fifth
BESIDE = 4 * 2**20  # latents, side-car, sheet, and room for what others write meanwhile
MEGABYTE = 1_000_000


def bytes_needed(job: RenderJob, *, size: tuple[int, int], frames: int, kept: int = 0) -> int:
    """Return how many bytes a render of so many frames takes at most.

    size: width and height; kept: frames that are in the work folder already. The frames wait in
    the work folder until the result is whole, so both are there at the same time.
    """
    channels = 4 if job.background == "alpha" else 3
    picture = size[0] * size[1] * channels
    waiting = (frames - kept) * picture * FRAME_SHARE
    return round(waiting + frames * picture * job.encoding.share) + BESIDE


def check_space(job: RenderJob, *, size: tuple[int, int], frames: int, kept: int = 0) -> None:
    """Refuse a render that the disk cannot hold.

    Raises: ResourceError F3 with what is needed and what is free.
    """
    needed = bytes_needed(job, size=size, frames=frames, kept=kept)
    free = free_bytes(job.target)
    if needed > free:
        problem = (
            f"{frames} frames of {size[0]}x{size[1]} need up to {in_megabytes(needed)}, "
            f"{in_megabytes(free)} are free"
        )
        raise ResourceError("F3", job.target, problem, "free some space or write somewhere else")


def free_bytes(path: Path) -> int:
    """Return the free bytes of the disk that a result will lie on."""
    folder = path.absolute()
    while not folder.is_dir():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def in_megabytes(count: int) -> str:
    """Return an amount of bytes for people."""
    return f"{count / MEGABYTE:,.0f} MB"
