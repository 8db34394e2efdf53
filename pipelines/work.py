"""The work folder of a render, `<result>.work/`: what is done so far, kept until it is published.

lease.json      held by the run that works here
recipe.json     what is being made, and on what
frames/         finished frames, and the latents for the next one
out/<result>/   what is under construction, renamed into place when all of it is whole
"""

import json
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from dtvideo.errors import OutputError, UsageError
from dtvideo.files import explained_write, sync_path, write_json
from dtvideo.frame_names import is_folder
from dtvideo.frame_store import FrameStore
from dtvideo.lease import hold_lease
from pipelines.job import RenderJob
from pipelines.recipe import differences, explain
from poses.errors import ExplainedError

LEASE, RECIPE, FRAMES, STAGED = "lease.json", "recipe.json", "frames", "out"
HASH, DETAILS = "recipe_hash", "recipe"
APART = {HASH, DETAILS}
"""What of a recipe is told by `explain`; older versions noted no details."""
TRY_AGAIN = 7  # exit code of what may go better another time


class Work:
    """The work folder of one render; open it with `open_work`."""

    def __init__(self, folder: Path, *, result: str) -> None:
        """Take the folder and the name of the result: results of several kinds may share it."""
        self.folder = folder
        self._stage = folder / STAGED / result
        self.frames = FrameStore(folder / FRAMES)
        self.is_ours = False
        """Whether what lies here was made by this run, or by an earlier one in the same way."""

    @property
    def is_publishing(self) -> bool:
        """Whether results of this render may have been put into place already."""
        return self._stage.exists()

    @property
    def is_begun(self) -> bool:
        """Whether an earlier run has left something here."""
        return (self.folder / RECIPE).exists()

    def begin(
        self,
        recipe: Mapping[str, object],
        details: Mapping[str, object],
        *,
        again: bool = False,
    ) -> None:
        """Note what is being made, or check that what is here was made in the very same way.

        details: what the recipe's hash is of, to tell what differs. again: begin anew, instead of
        an error, when it was not.
        Raises: UsageError B10 naming what differs.
        """
        path = self.folder / RECIPE
        if self.is_begun:
            different = _different(read_recipe(path), recipe, details)
            if not different:
                self.is_ours = True
                return
            if not again:
                problem = f"was begun differently: {'; '.join(different)}"
                remedy = "give --overwrite instead of --resume to begin again"
                raise UsageError("B10", self.folder, problem, remedy)
        self.clear()
        write_json(path, {**recipe, DETAILS: details})
        self.is_ours = True

    def staged(self, target: Path) -> Path:
        """Return where a result is built before it is put into place."""
        with explained_write(self._stage):
            self._stage.mkdir(parents=True, exist_ok=True)
        return self._stage if is_folder(target) else self._stage / target.name

    def publish(self, pairs: Iterable[tuple[Path, Path]]) -> None:
        """Put whole results into place, each pair from where it was built to its name."""
        for source, target in pairs:
            with explained_write(target):
                target.parent.mkdir(parents=True, exist_ok=True)
                source.replace(target)
                sync_path(target.parent)

    def clear(self) -> None:
        """Remove everything but the lease; the recipe last, for it says what the rest is."""
        self.frames.clear()
        shutil.rmtree(self.folder / STAGED, ignore_errors=True)
        for leftover in self.folder.glob(".dtvideo-*.partial"):
            leftover.unlink(missing_ok=True)
        (self.folder / RECIPE).unlink(missing_ok=True)


@contextmanager
def open_work(job: RenderJob) -> Iterator[Work]:
    """Hold the work folder of a job; it goes when the block ends well.

    It stays, to go on from, when frames are done and the end was no fault of the inputs: an
    interruption, a full disk, a bug; and when this run was refused before it went on with the
    frames of an earlier one. Folders that were made for it go where nothing came of it.
    Raises: OutputError F5 when another run holds it, F7 when an earlier run has left frames and
    the job says neither `resume` nor `overwrite`; ResourceError F3 where nothing can be written.
    """
    work = Work(job.beside(".work"), result=job.target.name)
    folders = (work.folder, *work.folder.parents)
    made = [folder for folder in folders if not folder.exists()]
    try:
        with hold_lease(work.folder / LEASE, subject=job.target):
            _check_leftover(work, job)
            try:
                yield work
            except BaseException as error:
                if work.frames.is_empty or (work.is_ours and not _may_go_on(error)):
                    work.clear()
                raise
            work.clear()
    finally:
        with suppress(OSError):  # of the first one that holds something
            for folder in made or [work.folder]:
                folder.rmdir()


def _check_leftover(work: Work, job: RenderJob) -> None:
    if job.resume or not work.is_begun:
        return
    if not job.overwrite:
        remedy = "add --resume to go on, or --overwrite to begin again"
        raise OutputError("F7", work.folder, "holds an unfinished render", remedy)
    work.clear()


def _may_go_on(error: BaseException) -> bool:
    return not isinstance(error, ExplainedError) or error.exit_code == TRY_AGAIN


def _different(
    before: Mapping[str, object], now: Mapping[str, object], details: Mapping[str, object]
) -> list[str]:
    """Return in what a run differs from the one that was noted; of the latter details may lack."""
    noted = before.get(DETAILS)
    if not (isinstance(noted, Mapping) and noted.keys() >= details.keys()):
        noted = None
    told = [] if before.get(HASH) == now[HASH] else explain(noted, details)
    known, new = ({key: each[key] for key in each.keys() - APART} for each in (before, now))
    return list(dict.fromkeys([*told, *differences(known, new)]))


def read_recipe(path: Path) -> dict[str, object]:
    """Return what was noted of a run; nothing when it cannot be read."""
    try:
        noted = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return noted if isinstance(noted, dict) else {}
