"""The command line: `animate REF VIDEO` and the toolbox `dtvideo`.

It reads words, calls a job in `pipelines`, and turns errors into one line and an exit code.
Standard output carries the paths of results; everything else goes to standard error.
"""

import argparse
import difflib
import os
import signal
import sys
import tempfile
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from dtvideo import __version__
from dtvideo.errors import UsageError
from pipelines import job
from poses.errors import ExplainedError

EXAMPLE = "example: animate hero.png dance.mp4"
NOT_YET = "is not in this version"
INTERRUPTED = 130
TERMINATED = 143
UNFINISHED_FLAGS = {
    "--person": "the largest person is followed",
    "--resume": "render again with --overwrite",
    "--align": "the attention is not aligned by pose",
    "--puppet": "the built-in model uses its coarse frame by itself",
}
HIDDEN: dict[str, Any] = {"default": argparse.SUPPRESS, "help": argparse.SUPPRESS}
UNFINISHED_COMMANDS = {
    "generate": "animate renders motion; pictures from text come later",
    "batch": "call animate once for each clip",
    "models": "give --model a folder that is already on disk",
}


class Parser(argparse.ArgumentParser):
    """An argument parser whose complaints are our one-line errors."""

    refusal = ""

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Parse as usual, unless the whole command is refused."""
        if self.refusal:
            raise UsageError("U2", self.prog, NOT_YET, self.refusal)
        return super().parse_known_args(args, namespace)

    def error(self, message: str) -> NoReturn:
        """Raise UsageError instead of printing the usage."""
        raise UsageError("U1", self.prog, message, f"see {self.prog} --help")

    def parse_all(self, words: Sequence[str]) -> argparse.Namespace:
        """Parse every word; an unknown flag is refused with the nearest known one."""
        arguments, unknown = self.parse_known_args(words)
        if unknown:
            flag = unknown[0].partition("=")[0]
            near = difflib.get_close_matches(flag, self._option_string_actions, n=1)
            remedy = f"did you mean {near[0]}?" if near else f"see {self.prog} --help"
            raise UsageError("U1", self.prog, f"{unknown[0]!r} is not understood", remedy)
        return arguments


class Refuse(argparse.Action):
    """A flag that exists in name only: using it is an error that says so."""

    def __call__(self, parser: argparse.ArgumentParser, *details: object) -> NoReturn:
        """Refuse the flag by name."""
        flag = str(details[-1])
        raise UsageError("U2", flag, NOT_YET, UNFINISHED_FLAGS[flag])


def animate(words: Sequence[str] | None = None) -> NoReturn:
    """Entry point of `animate`: the main job and nothing else."""
    sys.exit(run(animate_parser("animate"), sys.argv[1:] if words is None else words))


def main(words: Sequence[str] | None = None) -> NoReturn:
    """Entry point of `dtvideo`: the toolbox."""
    sys.exit(run(toolbox_parser(), sys.argv[1:] if words is None else words))


def run(parser: Parser, words: Sequence[str]) -> int:
    """Parse, call and report; return the exit code."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))
    try:
        arguments = parser.parse_all(list(words))
        return int(arguments.command(arguments))
    except ExplainedError as error:
        _tell(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        _tell("interrupted: nothing unfinished was left behind")
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except MemoryError:
        _tell("error[F4]: memory: the machine has too little · lower --size or --cache-memory")
        return 7
    except Exception as error:
        _tell(_report_bug(error))
        return 1


def animate_parser(program: str) -> Parser:
    """Return the parser of the main job."""
    parser = Parser(
        prog=program, allow_abbrev=False, epilog=EXAMPLE,
        usage=f"{program} REF [VIDEO | --poses PATH] [-o OUT] [options]",
        description="Make the character in one picture perform the motion of a video.",
    )
    add_animate_arguments(parser)
    return parser


def add_animate_arguments(parser: argparse.ArgumentParser) -> None:
    """Add every argument of the main job."""
    parser.set_defaults(command=animate_command)
    parser.add_argument("--version", action="version", version=f"dtvideo {__version__}")
    parser.add_argument("reference", metavar="REF", type=Path, help="picture of the character")
    parser.add_argument("driver", metavar="VIDEO", type=Path, nargs="?", help="video of a person")
    parser.add_argument(
        "-o", "--output", metavar="OUT", type=Path,
        help=".mp4 .mov .webm .gif .webp, a folder/ or shot.%%04d.png (<ref>_<video>.mp4)",
    )
    _add_inputs(parser.add_argument_group("inputs"))
    _add_picture(parser.add_argument_group("picture"))
    _add_motion(parser.add_argument_group("motion and sound"))
    _add_method(parser.add_argument_group("method"))
    _add_running(parser.add_argument_group("running"))


def _add_inputs(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--poses", metavar="PATH", type=Path,
                       help="OpenPose JSON folder or clip file, instead of VIDEO")
    group.add_argument("--ref-pose", dest="reference_pose", metavar="PATH", type=Path,
                       help="key points of the picture (found when absent)")
    group.add_argument("--ref-mask", dest="reference_mask", metavar="PATH", type=Path,
                       help="mask of the character, white on black (found when absent)")
    group.add_argument("--model", metavar="NAME", default="toon",
                       help="toon, a diffusers folder, a .safetensors file or a hub id")
    group.add_argument("--lora", dest="loras", metavar="FILE:SCALE", type=job.parse_lora,
                       action="append", default=[], help="may be given several times")


def _add_picture(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--size", metavar="WxH", type=job.parse_size, help="rounded up if need be")
    group.add_argument("--background", metavar="WHAT", type=job.parse_background,
                       default="reference", help="reference, driver, alpha or a colour")
    group.add_argument("--prompt", metavar="TEXT", default="", help="what the picture shows")
    group.add_argument("--negative-prompt", metavar="TEXT", default="", help="what to avoid")


def _add_motion(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--frames", metavar="A-B", type=job.parse_frames,
                       help="part of the driver, counted from 0")
    group.add_argument("--fps", dest="rate", metavar="F", type=job.parse_rate,
                       help="frames per second, such as 30000/1001")
    group.add_argument("--audio", metavar="copy|none", default="copy")
    group.add_argument("--no-retarget", dest="retarget", action="store_false",
                       help="keep the driver's own proportions")
    group.add_argument("--no-smooth", dest="smooth", action="store_false",
                       help="keep the key points as they were found")
    group.add_argument("--detector", metavar="NAME", default="mediapipe",
                       help="mediapipe, openpose, dwpose or toon: finds the driver's pose")
    group.add_argument("--ref-detector", dest="reference_detector", metavar="NAME",
                       help="the same for the picture (toon, then mediapipe)")
    group.add_argument("--person", action=Refuse, nargs="?", **HIDDEN)


def _add_method(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--seed", metavar="N", type=int, default=0)
    group.add_argument("--steps", metavar="N", type=int, help="the model's own when absent")
    group.add_argument("--scheduler", metavar="NAME", help="ddim, euler, dpm++, unipc or lcm")
    group.add_argument("--ref-weight", dest="reference_weight", metavar="W", type=float,
                       default=10.0, help="weight of the picture's features (10)")
    group.add_argument("--prev-weight", dest="previous_weight", metavar="W", type=float,
                       default=1.0, help="weight of the previous frame's features (1)")
    group.add_argument("--guidance", metavar="MODE", help="interleaved, averaged, text or none")
    group.add_argument("--ref-guidance", dest="reference_guidance", metavar="S", type=float)
    group.add_argument("--text-guidance", metavar="S", type=float)
    group.add_argument("--ref-probability", dest="reference_probability", metavar="P", type=float,
                       help="share of the steps that the picture guides")
    group.add_argument("--align", action=Refuse, nargs="?", **HIDDEN)
    group.add_argument("--puppet", action=Refuse, nargs="?", **HIDDEN)


def _add_running(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--device", metavar="NAME", default="auto", help="auto, cpu or cuda")
    group.add_argument("--dtype", metavar="NAME", default="float32")
    group.add_argument("--cache-memory", metavar="SIZE", type=job.parse_bytes,
                       help="limit for the picture's features, such as 4G")
    group.add_argument("--strict", action="store_true", help="an error where a guess is made")
    group.add_argument("--dry-run", action="store_true", help="check and plan, render nothing")
    group.add_argument("--overwrite", action="store_true", help="replace what is there")
    group.add_argument("--resume", action=Refuse, nargs=0, **HIDDEN)
    group.add_argument("--progress", metavar="bar|json|none", default="bar")


def animate_command(arguments: argparse.Namespace) -> int:
    """Render one clip, or plan it; print the paths of the results."""
    values = dict(vars(arguments))
    kind, dry_run = values.pop("progress"), values.pop("dry_run")
    values.pop("command")
    values.pop("tool", None)
    render_job = job.RenderJob(**{**values, "loras": tuple(values["loras"])})

    from pipelines.progress import create_progress

    progress = create_progress(kind)
    from pipelines.render import plan, render

    if dry_run:
        _tell(plan(render_job, progress))
        return 0
    for path in render(render_job, progress).paths:
        print(path, flush=True)
    return 0


def toolbox_parser() -> Parser:
    """Return the parser of the toolbox."""
    parser = Parser(prog="dtvideo", allow_abbrev=False, description="The tools around animate.")
    parser.add_argument("--version", action="version", version=f"dtvideo {__version__}")
    tools = parser.add_subparsers(dest="tool", metavar="TOOL", required=True)
    add_animate_arguments(tools.add_parser("animate", help="one picture performs one video"))
    _add_poses(tools.add_parser("poses", help="find, draw and convert key points"))
    #_add_train(tools.add_parser("train", help="train the built-in model"))
    #_add_evaluate(tools.add_parser("evaluate", help="measure results against the truth"))
    doctor = tools.add_parser("doctor", help="check this machine, part by part")
    doctor.set_defaults(command=doctor_command)
    for name, remedy in UNFINISHED_COMMANDS.items():
        tools.add_parser(name, help=NOT_YET).refusal = remedy
    return parser


def _add_poses(parser: argparse.ArgumentParser) -> None:
    tools = parser.add_subparsers(metavar="WHAT", required=True)
    extract = tools.add_parser("extract", help="find the person of a video: a clip file")
    extract.add_argument("source", metavar="VIDEO", type=Path)
    extract.add_argument("--detector", metavar="NAME", default="mediapipe")
    extract.set_defaults(command=extract_command)
    draw = tools.add_parser("draw", help="draw key points as pictures or a movie")
    draw.add_argument("source", metavar="POSES", type=Path)
    draw.add_argument("--size", metavar="WxH", type=job.parse_size)
    draw.set_defaults(command=draw_command)
    convert = tools.add_parser("convert", help="change the format of key points")
    convert.add_argument("source", metavar="POSES", type=Path)
    convert.add_argument("--to", dest="kind", choices=("openpose", "clip"), required=True)
    convert.set_defaults(command=convert_command)
    for tool in (extract, draw, convert):
        tool.add_argument("-o", "--output", metavar="OUT", type=Path, required=True)
        tool.add_argument("--overwrite", action="store_true")
        tool.add_argument("--progress", metavar="bar|json|none", default="bar")


def doctor_command(arguments: argparse.Namespace) -> int:
    """Check every part of the installation and say how to mend it."""
    from pipelines.doctor import check_machine, worst

    findings = check_machine()
    for finding in findings:
        print(finding)
    return 1 if worst(findings) == "FAIL" else 0


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _report_bug(error: Exception) -> str:
    """Save the traceback to a file and return the one line that is shown."""
    with tempfile.NamedTemporaryFile(
        "w", prefix="dtvideo-traceback-", suffix=".txt", delete=False, encoding="utf-8"
    ) as file:
        file.write(traceback.format_exc())
    summary = " ".join(str(error).split())[:200]
    return f"error[X1]: dtvideo: {type(error).__name__}: {summary} · a bug; details: {file.name}"


if __name__ == "__main__":
    main()
