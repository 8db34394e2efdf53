"""A batch as one OpenTimelineIO track: every finished clip, in the manifest's order."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import quote

from dtvideo.errors import MediaError, UsageError
from dtvideo.files import atomic_path, check_output
from dtvideo.frame_names import FOLDER_PATTERN, digits_of, find_number, is_folder, is_sequence
from pipelines.job import RenderJob
from pipelines.manifest import ClipJob
from pipelines.verify import read_sidecar
from poses.rates import read_rate
from poses.requirement import require


def write_timeline(
    clips: Iterable[ClipJob], path: Path, *, name: str, overwrite: bool = False
) -> list[str]:
    """Write the finished clips as an .otio file; return the names of those that are not there.

    Media are referenced from the timeline's own folder, at their own exact length; rates are
    doubles, as the format has them. The rate of the first clip is the timeline's.
    Raises: UsageError M1 when OpenTimelineIO is not installed, M11 for another suffix; MediaError
    V7 when no clip is finished; OutputError F7.
    """
    otio = _open_otio()
    if path.suffix.lower() != ".otio":
        raise UsageError("M11", "-o", f"{path.suffix!r} is no timeline", "give a name.otio")
    check_output(path, overwrite=overwrite)
    timeline = otio.schema.Timeline(name=name)
    track = otio.schema.Track(name=name, kind=otio.schema.TrackKind.Video)
    timeline.tracks.append(track)
    missing = []
    for clip in clips:
        told = _told(clip.job)
        if told is None:
            missing.append(clip.name)
        else:
            track.append(_clip(otio, clip, told, beside=path.absolute().parent))
    if not len(track):
        raise MediaError("V7", name, "has no finished clip", "dtvideo batch run")
    with atomic_path(path) as temporary:
        temporary.write_text(otio.adapters.write_to_string(timeline, "otio_json"), encoding="utf-8")
    return missing


def _told(job: RenderJob) -> dict[str, Any] | None:
    """Return the side-car of a finished clip."""
    try:
        told = read_sidecar(job.beside(".json"))
    except MediaError:
        return None
    return told if told.get("status") == "done" and told.get("delivery") else None


def _clip(otio: Any, clip: ClipJob, told: dict[str, Any], *, beside: Path) -> Any:
    rate = float(read_rate(told["delivery"]["rate"]))
    first = told["delivery"]["first_number"] or 0
    length = otio.opentime.TimeRange(
        otio.opentime.RationalTime(first, rate),
        otio.opentime.RationalTime(told["frames"]["count"], rate),
    )
    job = clip.job
    media = (
        _sequence(otio, job, length, beside=beside)
        if is_sequence(job.target)
        else otio.schema.ExternalReference(
            target_url=_url(job.target, beside), available_range=length
        )
    )
    return otio.schema.Clip(
        name=clip.name,
        media_reference=media,
        source_range=length,
        metadata={
            "dtvideo": {
                "sidecar": _url(job.beside(".json"), beside),
                "recipe_hash": told["recipe_hash"],
                "digital_source_type": told["digital_source_type"],
            }
        },
    )


def _sequence(otio: Any, job: RenderJob, length: Any, *, beside: Path) -> Any:
    """Return the reference of numbered frames: what stands before the number, and behind it."""
    pattern = _pattern(job)
    number = find_number(pattern)
    assert number is not None
    return otio.schema.ImageSequenceReference(
        target_url_base=_url(pattern.parent, beside) + "/",
        name_prefix=pattern.name[: number.start()],
        name_suffix=pattern.name[number.end() :],
        start_frame=job.first_number,
        frame_step=1,
        rate=length.duration.rate,
        frame_zero_padding=digits_of(number),
        available_range=length,
    )


def _pattern(job: RenderJob) -> Path:
    if not is_folder(job.target):
        return job.target
    return job.target / f"{FOLDER_PATTERN}{job.encoding_suffix}"


def _url(path: Path, beside: Path) -> str:
    return quote(os.path.relpath(path.absolute(), beside))


def _open_otio() -> Any:
    return require("opentimelineio", subject="otio", install="'dtvideo[studio]'", error=UsageError)
