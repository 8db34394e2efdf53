"""The command line: `animate REF VIDEO` and the toolbox `dtvideo`.

It reads words, calls a job in `pipelines`, and turns errors into one line and an exit code.
Standard output carries the paths of results; everything else goes to standard error. What is not
in the standard library is imported on use, so that `--help` answers at once.
"""

import argparse
import os
import signal
import sys
import tempfile
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from dtvideo.streams import has_no_reader, leave_to_nobody, open_standard_streams
from pipelines.batch_commands import add_batch, add_replay, add_verify
from pipelines.evaluate_commands import add_evaluate
from pipelines.farm_commands import add_farm
from pipelines.flags import (
    HIDDEN,
    add_animate_arguments,
    add_limits,
    animate_parser,
    reader,
    with_tuples,
)
from pipelines.generate_commands import add_generate
from pipelines.messages import Messages, wants_json
from pipelines.models_commands import add_models
from pipelines.parser import Parser, Version
from pipelines.subject_commands import add_train_subject

if TYPE_CHECKING:
    from pipelines.job import RenderJob
    from poses.errors import ExplainedError

INTERRUPTED = 130
TERMINATED = 143


def animate(words: Sequence[str] | None = None) -> NoReturn:
    """Entry point of `animate`: the main job and nothing else."""
    sys.exit(
        run(animate_parser("animate", animate_command), sys.argv[1:] if words is None else words)
    )


def main(words: Sequence[str] | None = None) -> NoReturn:
    """Entry point of `dtvideo`: the toolbox."""
    sys.exit(run(toolbox_parser(), sys.argv[1:] if words is None else words))


def run(parser: Parser, words: Sequence[str]) -> int:
    """Parse, call and report; return the exit code."""
    open_standard_streams()
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:  # not by nohup
            signal.signal(number, lambda *_: sys.exit(TERMINATED))
    signal.signal(signal.SIGINT, _interrupt)
    messages, going_on = Messages(wants_json(words)), None
    try:
        with messages.telling_warnings():
            arguments = parser.parse_all(list(words))
            going_on = vars(arguments).pop("going_on", None)
            _quiet_libraries()
            return int(arguments.command(arguments))
    except KeyboardInterrupt:
        kept = f": what is finished is kept · {going_on}" if going_on else ""
        messages.say("interrupted", f"interrupted{kept}", exit_code=INTERRUPTED)
        return INTERRUPTED
    except Exception as error:
        if isinstance(error, BrokenPipeError) and has_no_reader(sys.stdout.fileno()):
            leave_to_nobody(sys.stdout.fileno())
            return 0
        return report(error, messages)


def _interrupt(*_: object) -> NoReturn:
    """End at the first Ctrl-C in good order, and at the second at once."""
    signal.signal(signal.SIGINT, lambda *_: os._exit(INTERRUPTED))
    raise KeyboardInterrupt


def report(error: Exception, messages: Messages) -> int:
    """Tell an error in one line and return its exit code; a bug's details go to a file."""
    from dtvideo.errors import explained

    known = explained(error, when_memory_lacks="lower --memory, --size or --cache-memory")
    known = known or _as_bug(error)
    messages.error(known)
    return known.exit_code


def animate_command(arguments: argparse.Namespace) -> int:
    """Render one clip, or plan it; print the paths of the results."""
    from pipelines.progress import create_progress

    render_job = _render_job(arguments)
    progress = create_progress(arguments.progress)

    from pipelines.render import plan, render

    if arguments.dry_run:
        Messages.of(arguments).say("plan", plan(render_job, progress))
        return 0
    for path in render(render_job, progress).paths:
        print(path, flush=True)
    return 0


def _render_job(arguments: argparse.Namespace) -> "RenderJob":
    """Return the job that the words of the main job describe."""
    from pipelines.job import RenderJob

    apart = ("progress", "dry_run", "command", "tool")
    values = {key: value for key, value in vars(arguments).items() if key not in apart}
    return RenderJob(**with_tuples(values))


def toolbox_parser() -> Parser:
    """Return the parser of the toolbox."""
    parser = Parser(prog="dtvideo", description="The tools around animate.")
    parser.add_argument("--version", action=Version, nargs=0, **HIDDEN)
    tools = parser.add_subparsers(dest="tool", metavar="TOOL", required=True)
    animate_tool = tools.add_parser("animate", help="one picture performs one video")
    add_animate_arguments(animate_tool, animate_command)
    add_generate(tools.add_parser("generate", help="pictures of one character from words"))
    _add_poses(tools.add_parser("poses", help="find, draw and convert key points"))
    _add_train(tools.add_parser("train", help="train a model, a subject encoder or one character"))
    add_evaluate(tools.add_parser("evaluate", help="measure results against the truth"))
    doctor = tools.add_parser("doctor", help="check this machine, part by part")
    doctor.set_defaults(command=doctor_command)
    add_batch(tools.add_parser("batch", help="many characters and clips, unattended"))
    add_farm(tools.add_parser("farm", help="batches as jobs of a render farm"))
    add_verify(tools.add_parser("verify", help="check results against their side-cars"))
    add_replay(tools.add_parser("replay", help="render again from a side-car, and compare"))
    add_models(tools.add_parser("models", help="fetch, check and convert real checkpoints"))
    return parser


def _add_poses(parser: Parser) -> None:
    tools = parser.add_subparsers(metavar="WHAT", required=True)
    extract = tools.add_parser("extract", help="find the key points of a person in a video")
    extract.add_argument("source", metavar="VIDEO", type=Path)
    extract.add_argument("--detector", metavar="NAME", default="mediapipe")
    extract.add_argument(
        "--person",
        metavar="WHO",
        type=reader("parse_person"),
        default="largest",
        help="which of several people: a number from 1, left, right, largest or x,y",
    )
    extract.add_argument("--no-cache", dest="cache", action="store_false", help="detect again")
    extract.add_argument(
        "--workers", metavar="N", type=int, default=1, help="detectors at work at the same time (1)"
    )
    add_limits(extract)
    draw = tools.add_parser("draw", help="draw key points as a movie or pictures")
    draw.add_argument("source", metavar="POSES", type=Path)
    draw.add_argument("--size", metavar="WxH", type=reader("parse_size"))
    convert = tools.add_parser("convert", help="change the format of key points")
    convert.add_argument("source", metavar="POSES", type=Path)
    convert.add_argument(
        "--to",
        dest="kind",
        metavar="FORMAT",
        required=True,
        help="clip, openpose, coco or coco-wholebody",
    )
    convert.add_argument("--fps", dest="rate", metavar="F", type=reader("parse_rate"))
    _add_camera(convert.add_argument_group("the camera that sees a BVH file"))
    check = tools.add_parser("check", help="fit a motion to a picture: a report and a video")
    add_animate_arguments(check, check_poses_command)
    check.set_defaults(going_on=None)
    for tool, job in ((extract, "extract_file"), (draw, "draw_file"), (convert, "convert_file")):
        tool.add_argument("-o", "--output", metavar="OUT", type=Path, required=True)
        tool.add_argument("--overwrite", action="store_true")
        tool.add_argument("--progress", metavar="bar|json|none", default="bar")
        tool.set_defaults(command=poses_command, job=job)


def _add_camera(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--size", metavar="WxH", type=reader("parse_size"), help="512x512")
    group.add_argument(
        "--view",
        metavar="DEG",
        type=float,
        help="camera angle: 0 in front of the chest, 90 at its left (0)",
    )
    group.add_argument("--tilt", metavar="DEG", type=float, help="camera looking down (0)")
    group.add_argument("--lens", metavar="DEG", type=float, help="vertical field of view (30)")
    group.add_argument(
        "--follow", action="store_true", default=None, help="move the camera with the body"
    )


def check_poses_command(arguments: argparse.Namespace) -> int:
    """Write a video to judge the poses of a render by; the report goes to standard error."""
    from pipelines.pose_check import check_poses
    from pipelines.progress import create_progress

    job = _render_job(arguments)
    path, found = check_poses(job, create_progress(arguments.progress))
    Messages.of(arguments).say("report", str(found))
    print(path)
    return 0


def poses_command(arguments: argparse.Namespace) -> int:
    """Run one of the key-point tools and print the path of its result."""
    from pipelines import key_points
    from pipelines.progress import create_progress

    values = {
        key: value
        for key, value in vars(arguments).items()
        if key not in ("tool", "command", "job")
    }
    progress = create_progress(values.pop("progress"))
    if arguments.job == "extract_file":
        from dtvideo.video import VideoLimits

        values["limits"] = VideoLimits(values.pop("max_frames"), values.pop("max_pixels"))
    if arguments.job == "convert_file":
        given = {name: values.pop(name) for name in ("size", "view", "tilt", "lens", "follow")}
        values["camera"] = {name: value for name, value in given.items() if value is not None}
    print(getattr(key_points, arguments.job)(**values, progress=progress))
    return 0


def _add_train(parser: Parser) -> None:
    tools = parser.add_subparsers(metavar="WHAT", required=True)
    toon = tools.add_parser("toon", help="the built-in model; continues a stopped run")
    toon.add_argument("--run", metavar="DIR", type=Path, required=True, help="folder of the run")
    toon.add_argument(
        "--stage",
        metavar="NAME",
        default="all",
        help="denoiser, keypoints, export, or all of them in this order",
    )
    toon.add_argument("--start", metavar="MODEL", type=Path, help="an exported model to start from")
    toon.add_argument("--config", metavar="FILE", type=Path, help="settings as TOML")
    toon.add_argument(
        "-o", "--output", metavar="DIR", type=Path, help="where export writes (DIR/export)"
    )
    toon.add_argument("--device", metavar="NAME", default="cpu", help="auto, cpu, cuda or mps")
    toon.set_defaults(command=train_toon_command)
    encoder = tools.add_parser("encoder", help="a subject encoder for a model")
    encoder.add_argument("config", metavar="CONFIG", type=Path, help="settings as TOML")
    encoder.add_argument("--run", metavar="DIR", type=Path, required=True, help="folder of the run")
    encoder.add_argument(
        "-o", "--output", metavar="MODEL", type=Path, help="folder for the model (DIR/export)"
    )
    encoder.add_argument("--device", metavar="NAME", default="auto", help="auto, cpu, cuda or mps")
    encoder.set_defaults(command=train_encoder_command)
    subject = tools.add_parser("subject", help="teach a model one character")
    add_train_subject(subject)
    for tool in (toon, encoder, subject):
        tool.set_defaults(going_on="the same command goes on")


def train_toon_command(arguments: argparse.Namespace) -> int:
    """Do one stage or all of the built-in model's training; print the folder of the result."""
    from dtvideo.config import load_settings
    from dtvideo.models.placement import choose_device
    from pipelines.train_toon import ToonTraining, train_toon

    config = arguments.config
    result = train_toon(
        arguments.stage,
        load_settings(ToonTraining, config) if config else ToonTraining(),
        arguments.run,
        start=arguments.start,
        output=arguments.output,
        device=choose_device(arguments.device),
        report=_tell,
    )
    print(result)
    return 0


def train_encoder_command(arguments: argparse.Namespace) -> int:
    """Train a subject encoder and print the folder of the model with it."""
    from dtvideo.config import load_settings
    from pipelines.encoder_settings import EncoderTraining
    from pipelines.train_encoder import train_encoder

    settings = load_settings(EncoderTraining, arguments.config)
    folder = train_encoder(
        settings,
        arguments.run,
        output=arguments.output,
        device=arguments.device,
        report=_tell,
    )
    print(folder)
    return 0


def doctor_command(arguments: argparse.Namespace) -> int:
    """Check every part of the installation and say how to mend it."""
    from pipelines.doctor import check_machine, worst

    findings = check_machine()
    for finding in findings:
        print(finding)
    return 1 if worst(findings) == "FAIL" else 0


def _quiet_libraries() -> None:
    """Keep the libraries' own bars and advice off the terminal; ours says what matters."""
    for name in ("TRANSFORMERS", "DIFFUSERS"):
        os.environ.setdefault(f"{name}_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _as_bug(error: Exception) -> "ExplainedError":
    """Save the traceback of a bug to a file and return the error that is shown."""
    from poses.errors import ExplainedError

    with tempfile.NamedTemporaryFile(
        "w", prefix="dtvideo-traceback-", suffix=".txt", delete=False, encoding="utf-8"
    ) as file:
        file.write(traceback.format_exc())
    problem = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
    return ExplainedError("X1", "dtvideo", problem, f"a bug; details: {file.name}")


if __name__ == "__main__":
    main()
