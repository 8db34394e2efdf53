"""Make again what a side-car tells, a clip or pictures, and compare."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from dtvideo.errors import MediaError, ModelError
from pipelines.generate import generate
from pipelines.generate_job import GenerateJob
from pipelines.job import RenderJob, job_from_plain
from pipelines.load_model import model_hashes
from pipelines.plain_settings import settings_from_plain
from pipelines.progress import Progress
from pipelines.recipe import differences
from pipelines.render import render
from pipelines.sidecar import Job, fingerprint
from pipelines.verify import read_sidecar


@dataclass(frozen=True)
class Comparison:
    """Frames (or pictures) of a result beside those of its repetition; different: their numbers."""

    frames: int
    different: tuple[int, ...]
    environment: tuple[str, ...]
    what: str = "frames"

    @property
    def is_equal(self) -> bool:
        """Whether every frame is the same to the bit."""
        return not self.different

    def describe(self) -> str:
        """Say in one line how many frames are equal, and what may explain those that are not."""
        if self.is_equal:
            one = f"the only {self.what.removesuffix('s')} is equal"
            return f"all {self.frames} {self.what} are equal" if self.frames > 1 else one
        why = f"; {', '.join(self.environment)}" if self.environment else ""
        count, first = len(self.different), self.different[0]
        return f"{count} of {self.frames} {self.what} differ, first {first}{why}"


def compare(sidecar: Path, progress: Progress, *, locked: bool = False) -> Comparison:
    """Make again what a side-car tells, compare the frames, and keep nothing else.

    Raises: as `replay`.
    """
    job = _told_job(read_sidecar(sidecar), sidecar.parent.resolve())
    name = job.target.name if isinstance(job, RenderJob) else "pictures"
    with TemporaryDirectory(prefix="dtvideo-replay-") as folder:
        output = Path(folder) / name
        return replay(sidecar, output, overwrite=False, progress=progress, locked=locked)


def replay(
    sidecar: Path, output: Path, *, overwrite: bool, progress: Progress, locked: bool = False
) -> Comparison:
    """Make again what a side-car tells, with as many threads, and compare the frames.

    output: as the result that the side-car tells of; a folder, of pictures.
    locked: refuse weights that are not those that were used, instead of a notice.
    Raises: MediaError F9 when an input is not the one that was used; ModelError M4 when `locked`
    and a weight file is not; and as `render` and `generate`.
    """
    told = read_sidecar(sidecar)
    for entry in told["inputs"]:
        path = sidecar.parent / entry["path"]
        if not path.exists() or fingerprint(path)["sha256"] != entry["sha256"]:
            problem = f"the {entry['role']} {path} is not the one that was used"
            raise MediaError("F9", sidecar, problem, "put the file back")
    job = replace(
        _told_job(told, sidecar.parent),
        output=output,
        overwrite=overwrite,
        threads=told["environment"]["threads"],
    )
    _check_weights(sidecar, told["model"]["sha256"], model_hashes(job), progress, locked=locked)
    again = read_sidecar(_make(job, progress))
    before, after = told["frames"]["sha256_of_rgb"], again["frames"]["sha256_of_rgb"]
    first, what = (job.seed, "pictures") if isinstance(job, GenerateJob) else (0, "frames")
    pairs = enumerate(zip_longest(before, after), start=first)
    return Comparison(
        frames=len(before),
        different=tuple(number for number, (old, new) in pairs if old != new),
        environment=tuple(differences(told["environment"], again["environment"])),
        what=what,
    )


def _told_job(told: Mapping[str, Any], beside: Path) -> Job:
    """Return the job that a side-car tells: pictures, where there is a count of them."""
    settings = told["recipe"]["job"]
    if "count" in settings:
        return GenerateJob(**settings_from_plain(GenerateJob, settings, beside=beside))
    job = job_from_plain(settings, beside=beside)
    return replace(job, resume=False, skip_existing=False)


def _make(job: Job, progress: Progress) -> Path:
    """Do a job and return its side-car."""
    if isinstance(job, GenerateJob):
        return generate(job, progress).sidecar
    return render(job, progress).sidecar


def _check_weights(
    sidecar: Path,
    told: Mapping[str, str],
    found: Mapping[str, str],
    progress: Progress,
    *,
    locked: bool,
) -> None:
    """Refuse, or tell of, weight files of which the hash is not what the side-car tells."""
    names = sorted(told.keys() | found.keys())
    other = [name for name in names if told.get(name) != found.get(name)]
    if not other:
        return
    problem = f"{len(other)} of {len(names)} weight files are not those used then, first {other[0]}"
    if locked:
        raise ModelError("M4", sidecar, problem, "put the model back, or leave out --locked")
    progress.notice(problem)
