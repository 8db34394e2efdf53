"""A job with some unreadable settings, of which everything else is still checked.

A manifest's faults are told in one round. Where `steps: few` stands, that is told, and the clip has
no number of steps: the setting is lost. Of the checks that a job passes, those that never look at a
lost setting are made as ever; one that does is given up, for it could only tell what follows from
a fault that has been told. A `DraftJob` finds out which these are: to ask it for a lost setting
raises.
"""

from collections.abc import Iterable, Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

from pipelines.job import RenderJob
from pipelines.plain_settings import PATH_SETTINGS
from poses.errors import ExplainedError

SOURCES = frozenset({"driver", "poses"})


class LostSettingError(Exception):
    """A check asked for a setting that could not be read."""


class DraftJob(RenderJob):
    """A job that is made without being checked, by `draft`.

    Raises: LostSettingError when it is asked for a setting that is lost.
    """

    _lost: set[str]

    def __getattribute__(self, name: str) -> Any:
        """Return an attribute, unless it is a setting that is lost.

        It is asked before the class, which has the default of most settings.
        """
        if name != "_lost" and name in self._lost:
            raise LostSettingError(name)
        return super().__getattribute__(name)

    @property
    def inputs(self) -> list[Path]:
        """Every file or folder that the job names, but for what is lost."""
        values = vars(self)
        names = sorted(PATH_SETTINGS - {"output"} - self._lost)
        return [values[name] for name in names if values[name] is not None]

    def lose(self, names: Iterable[str]) -> None:
        """Let further settings be lost."""
        self._lost.update(names)


def draft(values: Mapping[str, Any], lost: Iterable[str]) -> DraftJob:
    """Return a job of the settings that could be read, and the defaults of the others.

    lost: the names of settings that could not be read.
    """
    job: DraftJob = object.__new__(DraftJob)  # past the checks, and a frozen class's ban on setting
    object.__setattr__(job, "_lost", set(lost))
    for each in fields(RenderJob):
        default = None if each.default is MISSING else each.default
        object.__setattr__(job, each.name, values.get(each.name, default))
    return job


def find_job_faults(job: DraftJob) -> list[ExplainedError]:
    """Return everything that is wrong with a draft by itself.

    A result that is refused, and a motion that is not given, are lost from then on, so that what
    follows from them is not told.
    """
    faults = []
    for check in job.checks():
        try:
            check(job)
        except LostSettingError:
            continue
        except ExplainedError as error:
            faults.append(error)
            if error.subject == "-o":
                job.lose({"output"})
    if all(vars(job)[name] is None for name in SOURCES):
        job.lose(SOURCES)
    return faults


def is_placed(job: RenderJob) -> bool:
    """Tell whether it is known where the results of a job go."""
    try:
        return bool(job.target and job.beside(".json"))
    except LostSettingError:
        return False
