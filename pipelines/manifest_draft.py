"""A job of which some settings cannot be read: everything else about it is checked all the same.

What follows from a setting that is lost is not looked at, for that has been told.
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
    """A job that is not checked; whoever asks for a lost setting of it gets a LostSettingError."""

    _lost: set[str]

    def __getattribute__(self, name: str) -> Any:
        """Return an attribute, unless it is a setting that is lost."""
        if name != "_lost" and name in self._lost:
            raise LostSettingError(name)
        return super().__getattribute__(name)

    @property
    def inputs(self) -> list[Path]:
        """Every file or folder that the job names, but for what is lost."""
        values = vars(self)
        names = sorted(PATH_SETTINGS - {"output"} - self._lost)
        return [values[name] for name in names if values[name] is not None]


def draft(values: Mapping[str, Any], lost: Iterable[str]) -> DraftJob:
    """Return a job of some settings, the defaults of others, and without those that are lost."""
    job: DraftJob = object.__new__(DraftJob)
    object.__setattr__(job, "_lost", set(lost))
    for each in fields(RenderJob):
        default = None if each.default is MISSING else each.default
        object.__setattr__(job, each.name, values.get(each.name, default))
    return job


def find_job_faults(job: DraftJob) -> list[ExplainedError]:
    """Return everything that is wrong with a draft by itself.

    What is wrong is lost from then on, where other checks would follow from it.
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
                job._lost.add("output")
    values = vars(job)
    if all(values[name] is None for name in SOURCES):
        job._lost.update(SOURCES)
    return faults


def is_placed(job: RenderJob) -> bool:
    """Tell whether it is known where the results of a job go."""
    try:
        return bool(job.target and job.beside(".json"))
    except LostSettingError:
        return False
