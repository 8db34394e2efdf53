"""Batches for render farms: a job whose tasks are clips, for OpenJD (Deadline) or OpenCue.

A task is `dtvideo farm run MANIFEST --clip NAME`: one clip, whole, in a process of its own. It goes
on where an earlier try stopped, does nothing when the result is there, and two tasks of one clip
exclude each other, so the farm may try again as it likes. The farm gives out the work; the states
of `dtvideo batch run` have no part in it.
"""

import json
import re
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from dtvideo.errors import UsageError
from pipelines.manifest import ClipJob

MOST_TASKS = 1024  # items in a list of OpenJD's task parameters
NOTICE_SECONDS = 60
CUE_VERSION = "1.13"
CUE_DOCTYPE = (
    '<!DOCTYPE spec PUBLIC "SPI Cue Specification Language" '
    f'"http://localhost:8080/spcue/dtd/cjsl-{CUE_VERSION}.dtd">'
)
TRIES = 2  # after the first


@dataclass(frozen=True)
class FarmJob:
    """What a farm is told besides the clips.

    words: of `dtvideo farm run` behind the manifest, the same for every clip.
    """

    manifest: Path
    words: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The job's name."""
        return self.manifest.stem


def openjd_template(job: FarmJob, clips: Sequence[ClipJob], *, beside: Path) -> str:
    """Return an OpenJD job template (2023-09) as JSON: one task for each clip.

    beside: the folder that the template will lie in; the manifest is named from there when it is
    below it, as OpenJD asks, else the submitter has to name it. More than 1024 clips make several
    steps.
    Raises: UsageError M11 for a clip whose name has `{{`.
    """
    for clip in clips:
        if "{{" in clip.name:
            raise UsageError("M11", clip.name, "has {{, which OpenJD reads itself", "rename it")
    manifest: dict[str, object] = {
        "name": "Manifest",
        "type": "PATH",
        "objectType": "FILE",
        "dataFlow": "IN",
        "description": "The manifest of the batch; results go where it says.",
    }
    absolute = job.manifest.resolve()
    if absolute.is_relative_to(beside.resolve()):
        manifest["default"] = absolute.relative_to(beside.resolve()).as_posix()
    groups = [clips[start : start + MOST_TASKS] for start in range(0, len(clips), MOST_TASKS)]
    template = {
        "specificationVersion": "jobtemplate-2023-09",
        "name": job.name[:128],
        "description": "Clips of dtvideo, one task each.",
        "parameterDefinitions": [
            manifest,
            {"name": "Program", "type": "STRING", "default": "dtvideo"},
        ],
        "steps": [_openjd_step(number, job, group) for number, group in enumerate(groups, 1)],
    }
    return json.dumps(template, indent=2, ensure_ascii=False) + "\n"


def _openjd_step(number: int, job: FarmJob, clips: Sequence[ClipJob]) -> dict[str, object]:
    words = ["farm", "run", "{{Param.Manifest}}", "--clip={{Task.Param.Clip}}", "--progress=openjd"]
    stop = {"mode": "NOTIFY_THEN_TERMINATE", "notifyPeriodInSeconds": NOTICE_SECONDS}
    run = {"command": "{{Param.Program}}", "args": [*words, *job.words], "cancelation": stop}
    parameter = {"name": "Clip", "type": "STRING", "range": [clip.name for clip in clips]}
    return {
        "name": f"Render {number}",
        "parameterSpace": {"taskParameterDefinitions": [parameter]},
        "script": {"actions": {"onRun": run}},
    }


def opencue_spec(job: FarmJob, clips: Sequence[ClipJob], *, show: str, shot: str, user: str) -> str:
    """Return an OpenCue job specification (cjsl) as XML: one layer, frame N is the N-th clip.

    OpenCue's frames have numbers only, so submit again after the manifest has changed.
    """
    spec = ElementTree.Element("spec")
    for name, text in (("show", show), ("shot", shot), ("user", user)):
        ElementTree.SubElement(spec, name).text = text
    element = ElementTree.SubElement(spec, "job", name=_cue_name(job.name))
    ElementTree.SubElement(element, "paused").text = "False"
    ElementTree.SubElement(element, "maxretries").text = str(TRIES)
    layers = ElementTree.SubElement(element, "layers")
    layer = ElementTree.SubElement(layers, "layer", name="render", type="Render")
    words = ["dtvideo", "farm", "run", str(job.manifest.resolve()), *job.words, "--number"]
    threads = max(clip.job.threads or 1 for clip in clips)
    for name, text in (
        ("cmd", f"{shlex.join(words)} #IFRAME#"),
        ("range", f"1-{len(clips)}"),
        ("chunk", "1"),
        ("cores", f"{threads}.0"),
    ):
        ElementTree.SubElement(layer, name).text = text
    services = ElementTree.SubElement(layer, "services")
    ElementTree.SubElement(services, "service").text = "shell"
    ElementTree.indent(spec)
    body = ElementTree.tostring(spec, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{CUE_DOCTYPE}\n{body}\n'


def _cue_name(text: str) -> str:
    return re.sub(r"[^a-z0-9_.-]+", "_", text.lower()) or "batch"


def find_clip(clips: Sequence[ClipJob], *, name: str | None, number: int | None) -> ClipJob:
    """Return the clip of a name, or the one of a number counted from 1.

    Raises: UsageError U1 when neither or both are given; M11 when there is none.
    """
    if (name is None) == (number is None):
        raise UsageError("U1", "farm run", "one clip is needed", "give --clip NAME or --number N")
    if number is not None:
        if not 1 <= number <= len(clips):
            problem = f"{number} is out of range"
            raise UsageError("M11", "--number", problem, f"give a number from 1 to {len(clips)}")
        return clips[number - 1]
    found = next((clip for clip in clips if clip.name == name), None)
    if found is None:
        raise UsageError("M11", "--clip", f"{name!r} is no clip", "see dtvideo batch check")
    return found


class OpenJdProgress:
    """Tells OpenJD how far a task is: the share of the stage at hand, and its name."""

    def __init__(self, stream: Any = None) -> None:
        self.stream = stream or sys.stderr
        self._told = -1

    @contextmanager
    def stage(self, name: str, total: int | None) -> Iterator[Callable[[], None]]:
        """Tell the stage, and each further per cent of it."""
        self._say(f"openjd_status: {name}")
        done = 0
        self._told = -1

        def advance() -> None:
            nonlocal done
            done += 1
            share = 100 * done // total if total else 0
            if total and share > self._told:
                self._told = share
                self._say(f"openjd_progress: {min(share, 100)}.0")

        yield advance

    def notice(self, text: str) -> None:
        """Tell something that the user should know."""
        self._say(f"note: {text}")

    @contextmanager
    def telling_failure(self) -> Iterator[None]:
        """Tell why a task failed, in the line that a farm shows for it."""
        try:
            yield
        except Exception as error:
            told = str(error) or type(error).__name__
            self._say(f"openjd_fail: {' '.join(told.split())}")
            raise

    def _say(self, line: str) -> None:
        self.stream.write(f"{line}\n")
        self.stream.flush()
