"""The words of `dtvideo batch`, `dtvideo verify` and `dtvideo replay`.

Only the standard library is imported here; the rest on use, so that `--help` answers at once.
"""

import argparse
import json
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipelines.farm_commands import add_manifest, add_otio

SOME_FAILED = 6


def add_batch(parser: argparse.ArgumentParser) -> None:
    """Add the tools of a batch."""
    tools = parser.add_subparsers(metavar="WHAT", required=True)
    init = tools.add_parser(
        "init", help="write a manifest of a folder of pictures and one of clips"
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
        if name != "check":
            _add_running(tool)
    tools.choices["retry"].add_argument("names", metavar="CLIP", nargs="*")
    for name, command, text in (
        ("status", _status, "tell the state of every clip"),
        ("cancel", _cancel, "cancel clips that wait or run"),
        ("report", _report, "write the report page"),
    ):
        tool = tools.add_parser(name, help=text)
        tool.add_argument("manifest", metavar="MANIFEST", type=Path)
        tool.set_defaults(command=command)
    add_otio(tools.add_parser("otio", help="write the finished clips as an OpenTimelineIO track"))
    tools.choices["status"].add_argument("--json", action="store_true", help="one object a line")
    tools.choices["cancel"].add_argument("names", metavar="CLIP", nargs="*")


def add_verify(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `dtvideo verify`."""
    parser.add_argument("sidecars", metavar="SIDECAR", type=Path, nargs="+")
    parser.set_defaults(command=_verify)


def add_replay(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `dtvideo replay`."""
    parser.add_argument("sidecar", metavar="SIDECAR", type=Path)
    parser.add_argument("-o", "--output", metavar="OUT", type=Path, required=True)
    parser.add_argument("--overwrite", action="store_true")
    parser.add_argument("--progress", metavar="bar|json|none", default="bar")
    parser.set_defaults(command=_replay)


def _add_running(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--workers", metavar="N", type=int, help="1; with --ray one for each GPU")
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
    clips = _clips(arguments)
    for clip in clips:
        print(f"{clip.name}\t{clip.job.target}")
    _tell(f"{len(clips)} clips")
    return 0


def _run(arguments: argparse.Namespace) -> int:
    return _render(arguments, states=("done", "failed"), names=())


def _retry(arguments: argparse.Namespace) -> int:
    return _render(arguments, states=("failed", "cancelled"), names=arguments.names)


def _render(arguments: argparse.Namespace, **which: Any) -> int:
    from dataclasses import replace

    from pipelines.batch import BatchSettings, run_batch, table
    from pipelines.batch_report import write_report

    clips = _clips(arguments)
    if arguments.overwrite:
        clips = [replace(clip, job=replace(clip.job, overwrite=True)) for clip in clips]
    settings = BatchSettings(arguments.workers, arguments.stall, ray=arguments.ray)
    records = run_batch(arguments.manifest, clips, settings, tell=_teller(len(clips)), **which)
    _tell(f"report: {write_report(arguments.manifest)}")
    failed = [record for record in records if record.state == "failed"]
    if not failed:
        return 0
    _tell(table(failed))
    again = ["dtvideo", "batch", "retry", str(arguments.manifest)]
    again += ["--output", str(arguments.output)] if arguments.output else []
    again += ["--allow-outside"] if arguments.allow_outside else []
    _tell(f"to render these again: {shlex.join(again)}")
    return SOME_FAILED


def _teller(total: int) -> Callable[[Any], None]:
    """Return what tells of each clip: the path of its result, or what went wrong."""
    count = 0

    def tell(record: Any) -> None:
        nonlocal count
        count += 1
        _tell(f"[{count}/{total}] {record.state} {record.name} {record.message}".rstrip())
        if record.state == "done":
            print(record.output, flush=True)

    return tell


def _status(arguments: argparse.Namespace) -> int:
    from dataclasses import asdict

    from pipelines.batch import open_batch, table

    with open_batch(arguments.manifest) as store:
        records = store.records()
    if arguments.json:
        for record in records:
            print(json.dumps(asdict(record)))
    else:
        print(table(records))
    return SOME_FAILED if any(record.state == "failed" for record in records) else 0


def _cancel(arguments: argparse.Namespace) -> int:
    from pipelines.batch import open_batch

    with open_batch(arguments.manifest) as store:
        for name in store.cancel(arguments.names or None):
            print(name)
    return 0


def _report(arguments: argparse.Namespace) -> int:
    from pipelines.batch_report import write_report

    print(write_report(arguments.manifest))
    return 0


def _verify(arguments: argparse.Namespace) -> int:
    from pipelines.verify import find_faults

    faults = [
        f"error[F9]: {sidecar}: {fault} · render it again"
        for sidecar in arguments.sidecars
        for fault in find_faults(sidecar)
    ]
    for fault in faults:
        _tell(fault)
    return 3 if faults else 0


def _replay(arguments: argparse.Namespace) -> int:
    from pipelines.progress import create_progress
    from pipelines.replay import replay

    comparison = replay(
        arguments.sidecar,
        arguments.output,
        overwrite=arguments.overwrite,
        progress=create_progress(arguments.progress),
    )
    print(arguments.output)
    _tell(comparison.describe())
    return 0 if comparison.is_equal else 5


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
