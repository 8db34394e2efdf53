"""The words of `dtvideo batch`, `dtvideo verify` and `dtvideo replay`.

Only the standard library is imported here; the rest on use, so that `--help` answers at once.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from pipelines.batch_progress import BatchProgress
from pipelines.farm_commands import add_manifest, add_otio
from pipelines.messages import Messages, amount

SOME_SPOILT = 3
SOME_FAILED = 6
INTERRUPTED = 130


def add_batch(parser: argparse.ArgumentParser) -> None:
    """Add the tools of a batch."""
    tools = parser.add_subparsers(metavar="WHAT", required=True)
    init = tools.add_parser(
        "init", help="write a manifest for a folder of pictures and a folder of clips"
    )
    init.add_argument("characters", metavar="CHARACTERS", type=Path)
    init.add_argument("clips", metavar="CLIPS", type=Path)
    init.add_argument("-o", "--output", metavar="FILE", type=Path, default=Path("batch.yaml"))
    init.add_argument("--overwrite", action="store_true")
    init.set_defaults(command=_init)
    tools.add_parser("schema", help="print the manifest's JSON Schema").set_defaults(
        command=_schema
    )
    for name, command, text in (
        ("check", _check, "check a manifest and list its clips"),
        ("run", _run, "render what is not done yet"),
        ("retry", _retry, "render what failed or was cancelled"),
    ):
        tool = tools.add_parser(name, help=text)
        tool.set_defaults(command=command)
        add_manifest(tool)
        tool.add_argument(
            "--progress",
            metavar="bar|json|none",
            default="bar",
            help="lines, one JSON object per line, or failures only (bar)",
        )
        if name != "check":
            _add_running(tool)
            tool.set_defaults(going_on="the same command goes on")
    tools.choices["retry"].add_argument("names", metavar="CLIP", nargs="*")
    for name, command, text in (
        ("status", _status, "print the state of every clip"),
        ("cancel", _cancel, "cancel waiting or running clips"),
        ("report", _report, "write the report page"),
    ):
        tool = tools.add_parser(name, help=text)
        tool.add_argument("manifest", metavar="MANIFEST", type=Path)
        tool.set_defaults(command=command)
    add_otio(tools.add_parser("otio", help="write the finished clips as an OpenTimelineIO track"))
    tools.choices["status"].add_argument("--json", action="store_true", help="one object per line")
    tools.choices["cancel"].add_argument("names", metavar="CLIP", nargs="*")


def add_verify(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `dtvideo verify`."""
    parser.add_argument("sidecars", metavar="SIDECAR", type=Path, nargs="+")
    parser.set_defaults(command=_verify)


def add_replay(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `dtvideo replay`."""
    parser.add_argument("sidecar", metavar="SIDECAR", type=Path)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("-o", "--output", metavar="OUT", type=Path, help="keep the new result")
    what.add_argument("--compare", action="store_true", help="keep nothing, only compare")
    parser.add_argument("--overwrite", action="store_true")
    parser.add_argument(
        "--locked", action="store_true", help="refuse weights other than those that were used"
    )
    parser.add_argument("--progress", metavar="bar|json|none", default="bar")
    parser.set_defaults(command=_replay)


def _add_running(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--workers", metavar="N", type=int, help="one for each GPU, else 1")
    parser.add_argument(
        "--ray", metavar="ADDRESS|local", help="render on a Ray cluster, or on one started here"
    )
    parser.add_argument("--stall", metavar="SECONDS", type=float, default=1800.0)
    parser.add_argument("--overwrite", action="store_true", help="replace other results")


def _init(arguments: argparse.Namespace) -> int:
    from pipelines.manifest_writer import write_manifest

    write_manifest(
        arguments.output, arguments.characters, arguments.clips, overwrite=arguments.overwrite
    )
    print(arguments.output)
    return 0


def _schema(arguments: argparse.Namespace) -> int:
    from pipelines.manifest import json_schema

    print(json.dumps(json_schema(), indent=2))
    return 0


def _clips(arguments: argparse.Namespace) -> list[Any]:
    from pipelines.manifest import load_manifest

    return load_manifest(
        arguments.manifest, output=arguments.output, allow_outside=arguments.allow_outside
    )


def _check(arguments: argparse.Namespace) -> int:
    progress = BatchProgress(arguments.progress)
    clips = _clips(arguments)
    for clip in clips:
        print(f"{clip.name}\t{clip.job.target}")
    progress.notice(amount(len(clips), "clip"))
    return 0


def _run(arguments: argparse.Namespace) -> int:
    return _render(arguments, _clips(arguments), states=("done", "failed"), names=())


def _retry(arguments: argparse.Namespace) -> int:
    """Render what failed or was cancelled, or clips by their names; nothing where nothing did."""
    from pipelines.batch import open_batch
    from pipelines.job_store import no_clip

    clips = _clips(arguments)
    with open_batch(arguments.manifest) as store:
        records, failed = store.records(), store.to_retry()
    known = {clip.name for clip in clips}
    for name in arguments.names:
        if name not in known:
            raise no_clip(name)
    names = arguments.names or [name for name in failed if name in known]
    if names:
        return _render(arguments, clips, states=("failed", "cancelled"), names=names)
    told = "no clip failed or was cancelled"
    waiting = sum(record.state == "waiting" for record in records)
    told += f"; {_go_on(waiting, arguments.manifest)}" if waiting else ""
    BatchProgress(arguments.progress).notice(told)
    return 0


def _go_on(waiting: int, manifest: Path) -> str:
    """Return that clips wait, and the command that renders them."""
    wait = "waits" if waiting == 1 else "wait"
    return f"{amount(waiting, 'clip')} {wait} · dtvideo batch run {manifest}"


def _render(arguments: argparse.Namespace, clips: list[Any], **which: Any) -> int:
    from dataclasses import replace

    from pipelines.batch import BatchSettings, run_batch
    from pipelines.batch_folder import batch_folder
    from pipelines.batch_report import retry_command, write_report

    if arguments.overwrite:
        clips = [replace(clip, job=replace(clip.job, overwrite=True)) for clip in clips]
    settings = BatchSettings(arguments.workers, arguments.stall, ray=arguments.ray)
    words = ["--output", str(arguments.output)] if arguments.output else []
    words += ["--allow-outside"] if arguments.allow_outside else []
    count = len(which["names"] or clips)
    progress = BatchProgress(arguments.progress, count)
    folder = batch_folder(arguments.manifest)
    progress.notice(f"{amount(count, 'clip')}; states, logs and report: {folder}")
    records = run_batch(
        arguments.manifest,
        clips,
        settings,
        tell=progress.ended,
        tell_start=progress.started,
        begin=lambda pool: progress.notice(str(pool)),
        **which,
    )
    progress.notice(f"report: {write_report(arguments.manifest, words)}")
    waiting = sum(record.state == "waiting" for record in records)
    if waiting:
        progress.notice(_go_on(waiting, arguments.manifest))
    failed = any(record.state == "failed" for record in records)
    cancelled = [record.name for record in records if record.state == "cancelled"]
    if cancelled:
        progress.notice(f"cancelled, until `dtvideo batch retry`: {', '.join(cancelled)}")
    exit_code = SOME_FAILED if failed else INTERRUPTED if cancelled else 0
    progress.end(records, retry_command(arguments.manifest, records, words), exit_code=exit_code)
    return exit_code


def _status(arguments: argparse.Namespace) -> int:
    from dataclasses import asdict

    from pipelines.batch import is_at_work, open_batch, table

    with open_batch(arguments.manifest) as store:
        records = store.records()
    if arguments.json:
        for record in records:
            print(json.dumps(asdict(record)))
    else:
        print(table(records))
    unfinished = any(record.state in ("waiting", "running") for record in records)
    if unfinished and not is_at_work(arguments.manifest):
        _tell(f"no run is at work · dtvideo batch run {arguments.manifest} goes on")
    return SOME_FAILED if any(record.state == "failed" for record in records) else 0


def _cancel(arguments: argparse.Namespace) -> int:
    from pipelines.batch import open_batch

    with open_batch(arguments.manifest) as store:
        for name in arguments.names:
            store.get(name)
        cancelled = store.cancel(arguments.names or None)
        ended = [store.get(name) for name in arguments.names if name not in cancelled]
    for name in cancelled:
        print(name)
    for record in ended:
        _tell(f"{record.name} is {record.state}: there is nothing to cancel")
    if not cancelled and not ended:
        _tell("no clip waits or runs")
    return 0


def _report(arguments: argparse.Namespace) -> int:
    from pipelines.batch_report import write_report

    print(write_report(arguments.manifest))
    return 0


def _verify(arguments: argparse.Namespace) -> int:
    from pipelines.verify import verify

    count, spoilt = 0, 0
    for sidecar in arguments.sidecars:
        files, faults = verify(sidecar)
        count, spoilt = count + files, spoilt + bool(faults)
        for fault in faults:
            _tell(fault)
    total = len(arguments.sidecars)
    if not spoilt:
        _tell("1 file is as it was made" if count == 1 else f"{count} files are as they were made")
    elif total > 1:
        whole = total - spoilt
        are = "is as it was made" if whole == 1 else "are as they were made"
        _tell(f"{whole} of {total} results {are}")
    return SOME_SPOILT if spoilt else 0


def _replay(arguments: argparse.Namespace) -> int:
    from pipelines.progress import create_progress
    from pipelines.replay import compare, replay

    progress = create_progress(arguments.progress)
    if arguments.compare:
        comparison = compare(arguments.sidecar, progress, locked=arguments.locked)
    else:
        comparison = replay(
            arguments.sidecar,
            arguments.output,
            overwrite=arguments.overwrite,
            progress=progress,
            locked=arguments.locked,
        )
        print(arguments.output)
    Messages.of(arguments).say("comparison", comparison.describe())
    return 0 if comparison.is_equal else 5


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
