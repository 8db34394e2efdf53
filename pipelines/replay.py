"""Render again what a side-car tells, and compare."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path
from tempfile import TemporaryDirectory

from dtvideo.errors import MediaError, ModelError
from pipelines.job import job_from_plain
from pipelines.load_model import model_hashes
from pipelines.progress import Progress
from pipelines.render import render
from pipelines.sidecar import fingerprint
from pipelines.verify import read_sidecar
from pipelines.work import differences


@dataclass(frozen=True)
class Comparison:
    """Frames of a result beside those of its repetition; different: their numbers."""

    frames: int
    different: tuple[int, ...]
    environment: tuple[str, ...]

    @property
    def is_equal(self) -> bool:
        """Whether every frame is the same to the bit."""
        return not self.different

    def describe(self) -> str:
        """Say in one line how many frames are equal, and what may explain those that are not."""
        if self.is_equal:
            return f"all {self.frames} frames are equal"
        why = f"; {', '.join(self.environment)}" if self.environment else ""
        return (
            f"{len(self.different)} of {self.frames} frames differ, first {self.different[0]}{why}"
        )


def compare(sidecar: Path, progress: Progress, *, locked: bool = False) -> Comparison:
    """Render again what a side-car tells, compare the frames, and keep nothing else.

    Raises: as `replay`.
    """
    settings = read_sidecar(sidecar)["recipe"]["job"]
    name = job_from_plain(settings, beside=sidecar.parent.resolve()).target.name
    with TemporaryDirectory(prefix="dtvideo-replay-") as folder:
        output = Path(folder) / name
        return replay(sidecar, output, overwrite=False, progress=progress, locked=locked)


def replay(
    sidecar: Path, output: Path, *, overwrite: bool, progress: Progress, locked: bool = False
) -> Comparison:
    """Render again what a side-car tells, with as many threads, and compare the frames.

    locked: refuse weights that are not those that were used, instead of a notice.
    Raises: MediaError F9 when an input is not the one that was used; ModelError M4 when `locked`
    and a weight file is not; and as `render`.
    """
    told = read_sidecar(sidecar)
    for entry in told["inputs"]:
        path = sidecar.parent / entry["path"]
        if not path.exists() or fingerprint(path)["sha256"] != entry["sha256"]:
            problem = f"the {entry['role']} {path} is not the one that was used"
            raise MediaError("F9", sidecar, problem, "put the file back")
    settings = told["recipe"]["job"]
    job = replace(
        job_from_plain(settings, beside=sidecar.parent),
        output=output,
        overwrite=overwrite,
        resume=False,
        threads=told["environment"]["threads"],
    )
    _check_weights(sidecar, told["model"]["sha256"], model_hashes(job), progress, locked=locked)
    result = render(job, progress)
    again = read_sidecar(result.sidecar)
    before, after = told["frames"]["sha256_of_rgb"], again["frames"]["sha256_of_rgb"]
    pairs = enumerate(zip_longest(before, after))
    return Comparison(
        frames=len(before),
        different=tuple(index for index, (old, new) in pairs if old != new),
        environment=tuple(differences(told["environment"], again["environment"])),
    )


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
