"""The report of a batch: one HTML page that needs no server."""

import html
import os
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import quote

from dtvideo.errors import MediaError
from dtvideo.files import atomic_path
from dtvideo.frame_names import is_folder, without_number
from pipelines.batch import open_batch
from pipelines.batch_folder import batch_folder
from pipelines.job_store import ENDED, STATES, ClipRecord
from pipelines.messages import amount
from pipelines.verify import read_sidecar

WIDTH, HEIGHT = 720, 120
DOUBTFUL_POSE = 0.5
STAGES = {"model": "#8899bb", "reading": "#88b0a0", "render": "#336699", "write": "#c0a060"}
"""What the time of a clip went into, and its colour."""
STYLE = """
:root { --red: #b3261e; --green: #1b6e3c; --grey: #6b6b6b; --line: #ddd; --pale: #f6f6f4 }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2em auto; max-width: 84em; padding: 0 1.5em }
h1 { margin: 0 0 .2em } h2 { margin: 1.6em 0 .4em; font-size: 1.2em }
code { background: var(--pale); padding: .15em .4em; border-radius: 4px; overflow-wrap: anywhere }
table { border-collapse: collapse; width: 100% }
td, th { border-bottom: 1px solid var(--line); padding: .5em .6em; text-align: left;
  vertical-align: top }
th { position: sticky; top: 0; background: #fff; font-size: .85em; color: var(--grey) }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap }
.clip { overflow-wrap: anywhere; min-width: 9em; max-width: 18em }
img { display: block; width: 26em; max-width: 100%; border: 1px solid var(--line) }
.bar { display: flex; height: 10px; overflow: hidden; border-radius: 5px; margin: .6em 0 }
.time { width: 7em; height: 6px; margin: .3em 0 0 }
.key::before { content: ""; display: inline-block; width: .8em; height: .8em; margin: 0 .35em 0 1em;
  background: var(--colour); border-radius: 2px }
.failed, .doubtful { color: var(--red) } .done { color: var(--green) }
.waiting, .running, .cancelled, .small { color: var(--grey) } .small { font-size: .85em }
.fault { border-left: 3px solid var(--red); padding: .1em 0 .1em .8em; margin: .8em 0 }
svg { background: var(--pale); overflow: visible; margin: 0 5em 2em 0 }
svg text { font-size: 12px; fill: #777 }
"""
STATE_COLOURS = {
    "done": "#1b6e3c",
    "failed": "#b3261e",
    "cancelled": "#999",
    "running": "#336699",
    "waiting": "#ddd",
}
LEGEND = """
<p>Quality is measured on the frames of the result. <b>Identity</b>: how far the character's mean
colour is from the reference's (delta E of CIE 1976, about 2 is just visible). <b>Flicker</b>: mean
change of neighbouring frames on the character, of 255; fast motion has more. <b>Pose</b>: share of
joints that a detector finds within 0.2 torso lengths of where they should be; a dash where no
detector finds the character's own pose in the reference. <b>Blank</b>: frames of one colour;
<b>still</b>: frames equal to the one before although the pose moved. A frame that is not finite
(NaN) fails its clip. Doubtful figures are red: a pose below 0.5, any blank or still frame.
"""
FIGURES = ("identity", "flicker", "pose", "blank", "still")


def write_report(manifest: Path, words: Sequence[str] = ()) -> Path:
    """Write the page of a batch beside its states and return its path.

    words: what the command that goes on needs behind the manifest.
    """
    with open_batch(manifest) as store:
        records = store.records()
    path = batch_folder(manifest) / "report.html"
    with atomic_path(path) as temporary:
        temporary.write_text(page(manifest, records, words), encoding="utf-8")
    return path


def page(manifest: Path, records: Sequence[ClipRecord], words: Sequence[str] = ()) -> str:
    """Return the page: counts, progress over time, what failed and how to go on, every clip."""
    folder, name = batch_folder(manifest), _text(manifest.name)
    rows = "\n".join(_row(record, folder) for record in records)
    heads = "".join(f'<th class="number">{each}' for each in ("seconds", *FIGURES))
    return f"""<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{name}</title><style>{STYLE}</style>
<h1>{name}</h1>
{_summary(records)}
{progress_plot(records)}
{_failures(records, retry_command(manifest, records, words))}
{_doubts(records)}
<h2>Clips</h2>
<p class="small">Seconds went into{_stage_keys()}</p>
<table><tr><th>clip<th>state{heads}<th>reference, motion, result</tr>
{rows}
</table>{LEGEND}</html>
"""


def _summary(records: Sequence[ClipRecord]) -> str:
    """Return the counts in words and as a bar, and what the clips took."""
    counts = {state: sum(record.state == state for record in records) for state in STATES}
    told = ", ".join(
        f'<span class="{state}">{count} {state}</span>' for state, count in counts.items() if count
    )
    bar = "".join(
        f'<div style="flex:{count};background:{STATE_COLOURS[state]}"></div>'
        for state, count in counts.items()
        if count
    )
    frames = sum(record.frames for record in records)
    seconds = sum(record.seconds for record in records)
    took = f"{amount(frames, 'frame')}, {_duration(seconds)} of work"
    each = [record.seconds / record.frames for record in records if record.frames]
    pace = f", {median(each):.1f} s a frame (median)" if each else ""
    return f'<p>{amount(len(records), "clip")}: {told}; {took}{pace}<div class="bar">{bar}</div>'


def retry_command(manifest: Path, records: Sequence[ClipRecord], words: Sequence[str] = ()) -> str:
    """Return the command that renders only the failed clips again, fit for pasting.

    Where all of them failed since other results are there (F7), it replaces these.
    """
    failed = [record.message for record in records if record.state == "failed"]
    if failed and all(message.startswith("error[F7]") for message in failed):
        words = [*words, "--overwrite"]
    return shlex.join(["dtvideo", "batch", "retry", str(manifest), *words])


def _failures(records: Sequence[ClipRecord], command: str) -> str:
    """Return every fault with the clips that have it, and how to render these again."""
    failed = [record for record in records if record.state == "failed"]
    if not failed:
        return ""
    told = "".join(
        f'<div class="fault">{_text(message)}<br><span class="small">{_text(", ".join(names))}'
        "</span></div>"
        for message, names in by_message(failed).items()
    )
    return (
        f'<h2 class="failed">{len(failed)} failed</h2>{told}'
        f"<p>To render only these again: <code>{_text(command)}</code>"
    )


def _doubts(records: Sequence[ClipRecord]) -> str:
    """Return links to the finished clips whose figures are doubtful."""
    doubtful = [record for record in records if any(_figures(record).doubtful)]
    links = ", ".join(f'<a href="#{_anchor(each)}">{_text(each.name)}</a>' for each in doubtful)
    return f"<h2>{len(doubtful)} to look at</h2><p>{links}" if doubtful else ""


def by_message(records: Iterable[ClipRecord]) -> dict[str, list[str]]:
    """Return the names of clips by what went wrong, in order; a clip's own name counts as any.

    So does the name of its result.
    """
    found: dict[str, list[str]] = {}
    for record in records:
        message = record.message
        for own in (record.name, record.output):
            message = message.replace(f": {own}: ", ": ")
        found.setdefault(message, []).append(record.name)
    return found


def _duration(seconds: float) -> str:
    """Return a time in the units that a person would use."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{seconds:.1f} s"


def progress_plot(records: Sequence[ClipRecord]) -> str:
    """Return an SVG of how many clips had ended over time; nothing for fewer than two."""
    ended = sorted(
        (record.finished, record.state)
        for record in records
        if record.finished is not None and record.state in ENDED
    )
    if len(ended) < 2 or ended[-1][0] == ended[0][0]:
        return ""
    start, span = ended[0][0], ended[-1][0] - ended[0][0]
    places = [
        (WIDTH * (time - start) / span, HEIGHT - HEIGHT * (index + 1) / len(records), state)
        for index, (time, state) in enumerate(ended)
    ]
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y, _ in places)
    line = f'<polyline points="{points}" fill="none" stroke="#336" stroke-width="2"/>'
    marks = "".join(
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="#a00"/>'
        for x, y, state in places
        if state == "failed"
    )
    words = (
        f'<text x="0" y="{HEIGHT + 16}">0 s</text>'
        f'<text x="{WIDTH}" y="{HEIGHT + 16}" text-anchor="end">{_duration(span)}</text>'
        f'<text x="{WIDTH + 6}" y="10">{amount(len(records), "clip")}</text>'
    )
    size = f'width="{WIDTH}" height="{HEIGHT}"'
    return (
        f'<p class="small">Clips that had ended over time, failed ones in red</p>'
        f"<svg {size}>{line}{marks}{words}</svg>"
    )


@dataclass(frozen=True)
class Figures:
    """The figures of a clip in the order of FIGURES, as words; which of them are doubtful."""

    words: tuple[str, ...] = ("",) * len(FIGURES)
    doubtful: tuple[bool, ...] = (False,) * len(FIGURES)


def figures(told: Mapping[str, Any]) -> Figures:
    """Return the figures of a side-car's quality; nothing when it has none."""
    if not told:
        return Figures()
    pose = told.get("pose")
    share = pose["pck_0.2"] if pose else None
    blank, still = len(told["blank_frames"]), len(told["still_frames"])
    return Figures(
        (
            _number(told["identity_delta_e"]),
            _number(told["flicker"]),
            _number(share),
            str(blank),
            str(still),
        ),
        (False, False, share is not None and share < DOUBTFUL_POSE, blank > 0, still > 0),
    )


def _figures(record: ClipRecord) -> Figures:
    return figures(_told(record).get("quality", {}))


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _row(record: ClipRecord, folder: Path) -> str:
    output = Path(record.output)
    sheet = _companion(output, ".sheet.png")
    link = _link(sheet, folder)
    picture = (
        f'<a href="{link}"><img src="{link}" alt="" loading="lazy"></a>' if sheet.exists() else ""
    )
    name = _text(record.name)
    if record.state == "done":
        name = f'<a href="{_link(output, folder)}">{name}</a>'
    found = _figures(record)
    cells = "".join(
        f'<td class="number{" doubtful" if doubtful else ""}">{_text(words)}'
        for words, doubtful in zip(found.words, found.doubtful, strict=True)
    )
    tries = f'<br><span class="small">{record.tries} tries</span>' if record.tries > 1 else ""
    count = amount(record.frames, "frame") if record.frames else ""
    frames = f'<br><span class="small">{count}</span>' if count else ""
    told = record.message if record.state != "failed" else ""  # what failed is told above
    message = f'<br><span class="small">{_text(told)}</span>' if told else ""
    return (
        f'<tr id="{_anchor(record)}"><td class="clip">{name}{frames}'
        f'<td class="clip"><span class="{record.state}">{record.state}</span>{tries}{message}'
        f'<td class="number">{record.seconds:.1f}{_stage_bar(record)}{cells}<td>{picture}</tr>'
    )


def _stage_bar(record: ClipRecord) -> str:
    """Return a bar of what the time of a finished clip went into."""
    told = _told(record).get("timings_seconds", {})
    spent = dict.fromkeys(STAGES, 0.0)
    for name, seconds in told.items():
        stage = name.split()[-1] if name.split()[-1] in STAGES else "reading"
        spent[stage] += seconds
    parts = "".join(
        f'<div style="flex:{spent[stage]:.2f};background:{colour}" '
        f'title="{stage} {spent[stage]:.1f} s"></div>'
        for stage, colour in STAGES.items()
    )
    return f'<div class="bar time">{parts}</div>' if told else ""


def _stage_keys() -> str:
    return "".join(
        f'<span class="key" style="--colour:{colour}">{stage}</span>'
        for stage, colour in STAGES.items()
    )


def _told(record: ClipRecord) -> dict[str, Any]:
    """Return the side-car of a finished clip, nothing where there is none."""
    if record.state != "done":
        return {}
    try:
        return read_sidecar(_companion(Path(record.output), ".json"))
    except MediaError:
        return {}


def _anchor(record: ClipRecord) -> str:
    return html.escape(quote(record.name, safe=""))


def _companion(output: Path, suffix: str) -> Path:
    """Return what lies beside a movie or a frame pattern; of a folder, what lies in it."""
    if is_folder(output):
        return next(iter(sorted(output.glob(f"*{suffix}"))), output / f"none{suffix}")
    return output.with_name(f"{without_number(output)}{suffix}")


def _link(path: Path, folder: Path) -> str:
    return html.escape(quote(os.path.relpath(path, folder)))


def _text(value: object) -> str:
    return html.escape(str(value))
