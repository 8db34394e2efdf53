"""The report of a batch: one HTML page that needs no server."""

import html
import os
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from dtvideo.files import atomic_path
from pipelines.batch import batch_folder, open_batch
from pipelines.job import is_folder
from pipelines.job_store import STATES, ClipRecord

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2em auto; max-width: 72em; padding: 0 1em }
table { border-collapse: collapse; width: 100% }
td, th { border-bottom: 1px solid #ddd; padding: .3em .6em; text-align: left; vertical-align: top }
img { max-width: 28em; max-height: 9em }
.failed { color: #a00 } .done { color: #060 } .cancelled { color: #777 }
svg { background: #f6f6f6 }
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
    again = (
        f"<p>To render the failed ones again: <code>dtvideo batch retry {_text(manifest)}</code>"
    )
    rows = "\n".join(_row(record, batch_folder(manifest)) for record in records)
    name = _text(manifest.name)
    return f"""<!doctype html>
<html lang="en"><meta charset="utf-8"><title>{name}</title><style>{STYLE}</style>
<h1>{name}</h1>
<p>{len(records)} clips: {told}; {sum(record.seconds for record in records):.0f} s of work
{again if counts["failed"] else ""}
{progress_plot(records)}
<table><tr><th>clip<th>state<th>tries<th>frames<th>seconds<th>sheet</tr>
{rows}
</table></html>
"""


def progress_plot(records: Sequence[ClipRecord]) -> str:
    """Return an SVG of how many clips were done over time; nothing for fewer than two."""
    times = sorted(record.finished for record in records if record.finished is not None)
    if len(times) < 2 or times[-1] == times[0]:
        return ""
    span = times[-1] - times[0]
    points = " ".join(
        f"{600 * (time - times[0]) / span:.1f},{120 - 120 * (index + 1) / len(records):.1f}"
        for index, time in enumerate(times)
    )
    line = f'<polyline points="{points}" fill="none" stroke="#336" stroke-width="2"/>'
    return f'<p>Clips over {span:.0f} s<br><svg width="600" height="120">{line}</svg>'


def _row(record: ClipRecord, folder: Path) -> str:
    sheet = _sheet(Path(record.output))
    link = _link(sheet, folder)
    picture = f'<a href="{link}"><img src="{link}" alt=""></a>' if sheet.exists() else ""
    return (
        f'<tr><td><a href="{_link(Path(record.output), folder)}">{_text(record.name)}</a>'
        f'<td class="{record.state}">{record.state}<br>{_text(record.message)}'
        f"<td>{record.tries}<td>{record.frames}<td>{record.seconds:.1f}<td>{picture}</tr>"
    )


def _sheet(output: Path) -> Path:
    """Return the contact sheet of a movie; a folder's is the one in it."""
    if is_folder(output):
        return next(iter(sorted(output.glob("*.sheet.png"))), output / "none.sheet.png")
    return output.with_name(f"{output.stem}.sheet.png")


def _link(path: Path, folder: Path) -> str:
    return html.escape(quote(os.path.relpath(path, folder)))


def _text(value: object) -> str:
    return html.escape(str(value))
