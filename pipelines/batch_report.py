"""The report of a batch: one HTML page that needs no server."""

import html
import os
import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from dtvideo.errors import MediaError
from dtvideo.files import atomic_path
from pipelines.batch import batch_folder, open_batch
from pipelines.job import FRAME_NUMBER, is_folder
from pipelines.job_store import STATES, ClipRecord
from pipelines.verify import read_sidecar

WIDTH, HEIGHT = 600, 120
DOUBTFUL_POSE = 0.5
STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2em auto; max-width: 80em; padding: 0 1em }
table { border-collapse: collapse; width: 100% }
td, th { border-bottom: 1px solid #ddd; padding: .3em .6em; text-align: left; vertical-align: top }
img { max-width: 28em; max-height: 9em }
.failed, .doubtful { color: #a00 } .done { color: #060 } .cancelled { color: #777 }
svg { background: #f6f6f6; overflow: visible } svg text { font-size: 12px; fill: #777 }
"""
LEGEND = """
<p>Quality is measured on the frames of the result. <b>Identity</b>: how far the character's mean
colour is from the reference's (delta E of CIE 1976, about 2 is just visible). <b>Flicker</b>: mean
change of neighbouring frames on the character, of 255; fast motion has more. <b>Pose</b>: share of
joints that a detector finds within 0.2 torso lengths of where they should be; a dash where no
detector finds the character's own pose in the reference. <b>Blank</b>: frames of one colour;
<b>still</b>: frames equal to the one before although the pose moved. A frame that is not finite
(NaN) fails its clip.
"""


def write_report(manifest: Path) -> Path:
    """Write the page of a batch beside its states and return its path."""
    with open_batch(manifest) as store:
        records = store.records()
    path = batch_folder(manifest) / "report.html"
    with atomic_path(path) as temporary:
        temporary.write_text(page(manifest, records), encoding="utf-8")
    return path


def page(manifest: Path, records: Sequence[ClipRecord]) -> str:
    """Return the page: counts, how to go on, progress over time, and every clip."""
    counts = {state: sum(record.state == state for record in records) for state in STATES}
    told = ", ".join(f"{count} {state}" for state, count in counts.items() if count)
    command = shlex.join(["dtvideo", "batch", "retry", str(manifest)])
    again = f"<p>To render the failed ones again: <code>{_text(command)}</code>"
    rows = "\n".join(_row(record, batch_folder(manifest)) for record in records)
    name = _text(manifest.name)
    return f"""<!doctype html>
<html lang="en"><meta charset="utf-8"><title>{name}</title><style>{STYLE}</style>
<h1>{name}</h1>
<p>{len(records)} clips: {told}; {sum(record.seconds for record in records):.0f} s of work
{again if counts["failed"] else ""}
{progress_plot(records)}
<table><tr><th>clip<th>state<th>tries<th>frames<th>seconds<th>quality<th>sheet</tr>
{rows}
</table>{LEGEND}</html>
"""


def progress_plot(records: Sequence[ClipRecord]) -> str:
    """Return an SVG of how many clips had ended over time; nothing for fewer than two."""
    ended = sorted(
        (record.finished, record.state) for record in records if record.finished is not None
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
        f'<text x="{WIDTH}" y="{HEIGHT + 16}" text-anchor="end">{span:.0f} s</text>'
        f'<text x="{WIDTH + 6}" y="10">{len(records)} clips</text>'
    )
    size = f'width="{WIDTH}" height="{HEIGHT}"'
    return (
        f"<p>Clips that had ended, failed ones in red<br>"
        f'<svg {size} style="margin: 0 5em 2em 0">{line}{marks}{words}</svg>'
    )


def quality_words(told: Mapping[str, Any]) -> tuple[str, bool]:
    """Return the figures of a side-car's quality in a line, and whether one is doubtful."""
    if not told:
        return "", False
    pose = told.get("pose")
    share = pose["pck_0.2"] if pose else None
    blank, still = len(told["blank_frames"]), len(told["still_frames"])
    words = (
        f"identity {_number(told['identity_delta_e'])}, flicker {_number(told['flicker'])}, "
        f"pose {_number(share)}{' by ' + pose['detector'] if pose else ''}, "
        f"{blank} blank, {still} still"
    )
    return words, bool(blank or still or (share is not None and share < DOUBTFUL_POSE))


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _row(record: ClipRecord, folder: Path) -> str:
    output = Path(record.output)
    sheet = _companion(output, ".sheet.png")
    link = _link(sheet, folder)
    picture = f'<a href="{link}"><img src="{link}" alt=""></a>' if sheet.exists() else ""
    words, doubtful = quality_words(_quality(output) if record.state == "done" else {})
    return (
        f'<tr><td><a href="{_link(output, folder)}">{_text(record.name)}</a>'
        f'<td class="{record.state}">{record.state}<br>{_text(record.message)}'
        f"<td>{record.tries}<td>{record.frames}<td>{record.seconds:.1f}"
        f'<td class="{"doubtful" if doubtful else "fine"}">{_text(words)}<td>{picture}</tr>'
    )


def _quality(output: Path) -> dict[str, Any]:
    """Return the figures in the side-car of a result, none where there is no side-car."""
    try:
        told: dict[str, Any] = read_sidecar(_companion(output, ".json")).get("quality", {})
    except MediaError:
        return {}
    return told


def _companion(output: Path, suffix: str) -> Path:
    """Return what lies beside a movie or a frame pattern; of a folder, what lies in it."""
    if is_folder(output):
        return next(iter(sorted(output.glob(f"*{suffix}"))), output / f"none{suffix}")
    stem = re.sub(rf"[._-]*{FRAME_NUMBER}", "", output.stem)
    return output.with_name(f"{stem}{suffix}")


def _link(path: Path, folder: Path) -> str:
    return html.escape(quote(os.path.relpath(path, folder)))


def _text(value: object) -> str:
    return html.escape(str(value))
