"""From finished frames to what is handed over: the movie or the frames, the sheet, the side-car."""

from collections.abc import Iterator, Set
from contextlib import suppress
from fractions import Fraction
from itertools import repeat
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from dtvideo.errors import MediaError
from dtvideo.files import check_not_input, check_output, explained_write, write_json
from dtvideo.frame_names import frame_path, is_of, is_sequence
from dtvideo.sheet import SheetColumn, evenly_spaced, save_sheet
from dtvideo.signing import Credentials, sign_file
from dtvideo.video import FrameWriter, VideoInfo, open_writer
from pipelines.background import opaque
from pipelines.job import RenderJob
from pipelines.motion import chosen_frames
from pipelines.prepared import Prepared
from pipelines.progress import Advance
from pipelines.quality import QualityMeter
from pipelines.sidecar import digital_source_type
from pipelines.verify import whole_outputs
from pipelines.work import Work
from poses.render import draw_pose


def publish(job: RenderJob, prepared: Prepared, work: Work, advance: Advance) -> None:
    """Make movie, sheet and side-car from the finished frames and put them into place."""
    sidecar, count = prepared.sidecar, len(prepared.driver)
    target, sheet, told = job.target, job.beside(".sheet.png"), job.beside(".json")
    staged, results = work.staged(target), written(job, target, count)
    with sidecar.timed("write"):
        columns = _write_frames(job, prepared, work, advance)
        if job.credentials is not None:
            for path in written(job, staged, count):
                _sign(job, job.credentials, path)
        save_sheet(work.staged(sheet), prepared.reference.image, columns, title=job.stem)
        work.publish(
            [*zip(written(job, staged, count), results, strict=True), (work.staged(sheet), sheet)]
        )
    _remove_leftovers(job, {*results})
    write_json(work.staged(told), sidecar.document([*results, sheet]))
    work.publish([(work.staged(told), told)])


def check_inputs(job: RenderJob) -> None:
    """Refuse to replace an input, whatever the job says.

    Raises: OutputError F7.
    """
    for path in _first_outputs(job):
        check_not_input(path, job.inputs)


def check_outputs(job: RenderJob) -> None:
    """Refuse to replace a result unless the job says so.

    Raises: OutputError F7.
    """
    for path in _first_outputs(job):
        check_output(path, overwrite=job.overwrite)


def is_there(job: RenderJob) -> bool:
    """Tell whether the result of a job is there: a movie, or all of a sequence."""
    first, told, _ = _first_outputs(job)
    return first.exists() and (told.exists() or not is_sequence(job.target))


def written(job: RenderJob, target: Path, count: int) -> list[Path]:
    """Return every file of a result of so many frames that is written to `target`."""
    if not is_sequence(target):
        return [target]
    numbers = range(job.first_number, job.first_number + count)
    return [frame_path(target, number, suffix=job.encoding_suffix) for number in numbers]


def plates(
    job: RenderJob, prepared: Prepared, *, needed: bool
) -> Iterator[UInt8[np.ndarray, "h w 3"] | None]:
    """Yield the driver's picture of every frame, or None where there is none or no need."""
    return chosen_frames(job, prepared.info) if needed and prepared.info else repeat(None)


def has_sound(job: RenderJob, info: VideoInfo | None) -> bool:
    """Tell whether the driver's sound goes with the result: not with frames picked from a clip."""
    picked = isinstance(job.frames, str)
    movie = not is_sequence(job.target) and job.encoding.kind == "movie"
    return movie and not picked and info is not None and info.has_audio and job.audio == "copy"


def _remove_leftovers(job: RenderJob, results: Set[Path]) -> None:
    """Remove the frames of the sequence that is replaced which the new one does not have.

    Only what the former side-car names and nobody has changed since; that side-car goes last.
    """
    told = job.beside(".json")
    if not is_sequence(job.target) or not told.exists():
        return
    with suppress(MediaError):  # what is there may be anything
        for path in whole_outputs(told):
            if path not in results and is_of(job.target, path):
                with explained_write(path):
                    path.unlink()


def left_without_sidecar(job: RenderJob) -> list[str]:
    """Return a notice of a result of another kind whose side-car the new one replaces; it stays."""
    with suppress(MediaError):  # what is there may be anything
        others = [
            path for path in whole_outputs(job.beside(".json")) if not _is_replaced(job, path)
        ]
        if others:
            more = f" and {len(others) - 1} more" if len(others) > 1 else ""
            return [f"{others[0].name}{more}: kept as it was, and no side-car tells of it any more"]
    return []


def _is_replaced(job: RenderJob, path: Path) -> bool:
    """Tell whether a file gives way to a new result: it, its sheet or a frame of it."""
    is_frame = is_sequence(job.target) and is_of(job.target, path)
    return is_frame or path in (job.target, job.beside(".sheet.png"))


def _first_outputs(job: RenderJob) -> tuple[Path, ...]:
    return written(job, job.target, 1)[0], job.beside(".json"), job.beside(".sheet.png")


def _write_frames(
    job: RenderJob, prepared: Prepared, work: Work, advance: Advance
) -> list[SheetColumn]:
    """Write the finished frames as the result; return the moments that the sheet shows."""
    driver, sidecar = prepared.driver, prepared.sidecar
    shown = evenly_spaced(len(driver))
    columns = []
    meter = QualityMeter(prepared.reference, driver.fitted)
    with _writer(job, prepared, work.staged(job.target)) as writer:
        for index, plate in zip(
            range(len(driver)), plates(job, prepared, needed=True), strict=False
        ):
            frame = work.frames.read(index)
            writer.write(frame)
            sidecar.add_frame(frame)
            meter.add(index, frame)
            if index in shown:
                pose = draw_pose(driver.fitted[index])
                columns.append(SheetColumn(index, plate, pose, opaque(frame)))
            advance()
    sidecar.quality = meter.figures()
    sidecar.delivery = _delivery(job, prepared)
    return columns


def _writer(job: RenderJob, prepared: Prepared, output: Path) -> FrameWriter:
    rate = prepared.driver.fitted.rate
    first = job.frames[0] if isinstance(job.frames, tuple) else 0
    return open_writer(
        output,
        size=prepared.canvas.size,
        rate=rate,
        audio_from=job.driver if has_sound(job, prepared.info) else None,
        audio_offset=Fraction(first) / rate,
        source_type=digital_source_type(job),
        profile=job.encoding,
        alpha=job.background == "alpha",
        first=job.first_number,
    )


def _delivery(job: RenderJob, prepared: Prepared) -> dict[str, object]:
    """Return how the result is stored, as plain values."""
    profile = job.encoding
    sequence = is_sequence(job.target)
    alpha = job.background == "alpha"
    return {
        "profile": job.profile,
        "codec": profile.codec or job.encoding_suffix[1:],
        "pixels": profile.stored_pixels(alpha=alpha) or None,
        "bits": profile.bits,
        "alpha": profile.alpha if alpha else None,
        "light": "linear" if job.encoding_suffix == ".exr" else "sRGB",
        "rate": str(prepared.driver.fitted.rate),
        "first_number": job.first_number if sequence else None,
        "c2pa": job.credentials is not None,
    }


def _sign(job: RenderJob, credentials: Credentials, path: Path) -> None:
    ingredients = [given for given in (job.reference, job.driver) if given is not None]
    sign_file(
        path,
        credentials,
        title=path.name,
        source_type=digital_source_type(job),
        ingredients=ingredients,
    )
