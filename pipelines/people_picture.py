"""Numbered pictures of the people in a video or a reference, to choose one by."""

from collections.abc import Iterable, Sequence

import numpy as np
from jaxtyping import UInt8

from dtvideo.images import save_png
from dtvideo.overlay import number_people
from dtvideo.video import VideoInfo
from pipelines.job import RenderJob
from pipelines.motion import driving_frames
from pipelines.prepare import Driver, Reference
from poses.people import Person, fullest_frame

MOST_PANELS = 4


def save_people(
    job: RenderJob, *, reference: Reference, driver: Driver, info: VideoInfo | None
) -> tuple[str, ...]:
    """Write `<out>.people.png` and `<out>.ref-people.png` where there are several to choose from.

    Earlier ones are replaced. Returns what to tell.
    """
    told = []
    selection = driver.selection
    if info is not None and selection is not None and selection.people > 1:
        picture = video_people(
            driving_frames(job, info), selection.everyone, kept=selection.number - 1
        )
        save_png(job.beside(".people.png"), picture)
        told.append(f"people are numbered in {job.beside('.people.png').name}: --person N")
    if reference.people:
        numbered = number_people(reference.image, reference.people, kept=reference.person)
        save_png(job.beside(".ref-people.png"), numbered)
        told.append(f"people are numbered in {job.beside('.ref-people.png').name}: --ref-person N")
    return tuple(told)


def telling_frames(people: Sequence[Person]) -> list[int]:
    """Return up to four frames that together show as many of the people as can be."""
    missing = list(people)
    frames: list[int] = []
    while missing and len(frames) < MOST_PANELS:
        frames.append(fullest_frame(missing))
        missing = [person for person in missing if person.at(frames[-1]) is None]
    return sorted(frames)


def video_people(
    frames: Iterable[UInt8[np.ndarray, "h w 3"]], people: Sequence[Person], *, kept: int
) -> UInt8[np.ndarray, "_ _ 3"]:
    """Number the people of a video in the frames that tell most, side by side.

    frames: the clip from its beginning, read as far as needed; kept: the index of who is kept.
    """
    wanted = telling_frames(people)
    panels = []
    for index, frame in enumerate(frames):
        if index in wanted:
            poses = [person.at(index) for person in people]
            panels.append(number_people(frame, poses, kept=kept))
        if index == wanted[-1]:
            break
    return np.concatenate(panels, axis=1)
