"""The words of `dtvideo farm` and `dtvideo batch otio`.

Only the standard library is imported here; the rest on use, so that `--help` answers at once.
"""

import argparse
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from pipelines.messages import amount


def add_farm(parser: argparse.ArgumentParser) -> None:
    """Add the tools of render farms."""
    tools = parser.add_subparsers(metavar="WHAT", required=True)
    export = tools.add_parser("export", help="write a batch as a farm job, one task per clip")
    export.set_defaults(command=_export)
    add_manifest(export)
    kind = export.add_mutually_exclusive_group(required=True)
    kind.add_argument("--openjd", action="store_true", help="an OpenJD job template (Deadline)")
    kind.add_argument("--opencue", action="store_true", help="an OpenCue job specification")
    export.add_argument("-o", dest="file", metavar="FILE", type=Path, required=True)
    export.add_argument("--overwrite", action="store_true")
    cue = export.add_argument_group("OpenCue")
    cue.add_argument("--show", metavar="NAME", help="needed by OpenCue")
    cue.add_argument("--shot", metavar="NAME", help="(the manifest's name)")
    cue.add_argument("--user", metavar="NAME", help="needed by OpenCue")
    run = tools.add_parser("run", help="render one clip of a manifest, as a farm's task does")
    run.set_defaults(command=_run)
    add_manifest(run)
    run.add_argument("--clip", metavar="NAME")
    run.add_argument("--number", metavar="N", type=int, help="a number from 1, instead of a name")
    run.add_argument("--progress", metavar="openjd|bar|json|none", default="bar")


def add_otio(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `dtvideo batch otio`."""
    add_manifest(parser)
    parser.add_argument("-o", dest="file", metavar="FILE", type=Path, help="MANIFEST.otio")
    parser.add_argument("--overwrite", action="store_true")
    parser.set_defaults(command=_otio)


def add_manifest(parser: argparse.ArgumentParser) -> None:
    """Add a manifest and where its files may lie."""
    parser.add_argument("manifest", metavar="MANIFEST", type=Path)
    parser.add_argument("--output", metavar="DIR", type=Path, help="where results go (MANIFEST's)")
    parser.add_argument(
        "--allow-outside", action="store_true", help="allow inputs outside the manifest's folder"
    )


def _clips(arguments: argparse.Namespace) -> list[Any]:
    from pipelines.manifest import load_manifest

    return load_manifest(
        arguments.manifest, output=arguments.output, allow_outside=arguments.allow_outside
    )


def _export(arguments: argparse.Namespace) -> int:
    from dtvideo.errors import UsageError
    from dtvideo.files import atomic_path, check_output
    from pipelines.farm import FarmJob, opencue_spec, openjd_template

    clips = _clips(arguments)
    check_output(arguments.file, overwrite=arguments.overwrite, inputs=[arguments.manifest])
    words = ["--output", str(arguments.output.resolve())] if arguments.output else []
    words += ["--allow-outside"] if arguments.allow_outside else []
    job = FarmJob(arguments.manifest, tuple(words))
    if arguments.openjd:
        text = openjd_template(job, clips, beside=arguments.file.absolute().parent)
    else:
        for flag, value in (("--show", arguments.show), ("--user", arguments.user)):
            if not value:
                raise UsageError("U1", flag, "is needed by OpenCue", f"give {flag} NAME")
        shot = arguments.shot or arguments.manifest.stem
        text = opencue_spec(job, clips, show=arguments.show, shot=shot, user=arguments.user)
    with atomic_path(arguments.file) as temporary:
        temporary.write_text(text, encoding="utf-8")
    print(arguments.file)
    print(f"{amount(len(clips), 'clip')}, one task each", file=sys.stderr)
    return 0


def _run(arguments: argparse.Namespace) -> int:
    from pipelines.farm import OpenJdProgress, find_clip
    from pipelines.progress import create_progress

    clip = find_clip(_clips(arguments), name=arguments.clip, number=arguments.number)
    kind = arguments.progress
    progress = OpenJdProgress() if kind == "openjd" else create_progress(kind)

    from pipelines.render import render

    with progress.telling_failure() if isinstance(progress, OpenJdProgress) else nullcontext():
        print(render(clip.job, progress).movie, flush=True)
    return 0


def _otio(arguments: argparse.Namespace) -> int:
    from pipelines.timeline import write_timeline

    manifest = arguments.manifest
    path = arguments.file or manifest.with_suffix(".otio")
    missing = write_timeline(
        _clips(arguments), path, name=manifest.stem, overwrite=arguments.overwrite
    )
    print(path)
    if missing:
        print(f"not finished, left out: {', '.join(missing)}", file=sys.stderr)
    return 0
