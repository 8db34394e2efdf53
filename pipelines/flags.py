"""The flags of the main job.

Only the standard library is imported here; the rest on use, so that `--help` answers at once.
"""

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pipelines.parser import Parser, Version

EXAMPLE = "example: animate hero.png dance.mp4"
HIDDEN: dict[str, Any] = {"default": argparse.SUPPRESS, "help": argparse.SUPPRESS}

Command = Callable[[argparse.Namespace], int]


def reader(name: str, **told: str) -> Callable[[str], Any]:
    """Return the parser of that name in `pipelines.job`, imported when a word is read."""

    def read(text: str) -> Any:
        from pipelines import job

        return getattr(job, name)(text, **told)

    return read


def with_tuples(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of flags; those that were given several times as tuples, as jobs hold."""
    return {name: tuple(told) if type(told) is list else told for name, told in values.items()}


def animate_parser(program: str, command: Command) -> Parser:
    """Return the parser of the main job, which calls `command`."""
    parser = Parser(
        prog=program,
        epilog=EXAMPLE,
        usage=f"{program} REF [VIDEO | --poses PATH] [-o OUT] [options]",
        description="Make the character in one picture perform the motion of a video.",
    )
    add_animate_arguments(parser, command)
    return parser


def add_animate_arguments(parser: argparse.ArgumentParser, command: Command) -> None:
    """Add every argument of the main job."""
    parser.set_defaults(command=command, going_on="the same command goes on with --resume")
    parser.add_argument("--version", action=Version, nargs=0, **HIDDEN)
    parser.add_argument("reference", metavar="REF", type=Path, help="picture of the character")
    parser.add_argument("driver", metavar="VIDEO", type=Path, nargs="?", help="video of a person")
    parser.add_argument(
        "-o",
        "--output",
        metavar="OUT",
        type=Path,
        help=".mp4 .mov .mkv .webm .gif .webp, a folder/ or shot.%%04d.png (<ref>_<video>.mp4)",
    )
    _add_inputs(parser.add_argument_group("inputs"))
    _add_delivery(parser.add_argument_group("result"))
    _add_picture(parser.add_argument_group("picture"))
    _add_motion(parser.add_argument_group("motion and sound"))
    _add_poses(parser.add_argument_group("poses"))
    _add_method(parser.add_argument_group("method"))
    _add_running(parser.add_argument_group("running"))


def _add_inputs(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--poses",
        metavar="PATH",
        type=Path,
        help="OpenPose JSON folder, clip file or BVH, instead of VIDEO",
    )
    add_limits(group)
    group.add_argument(
        "--on-corrupt",
        metavar="fail|keep",
        default="fail",
        help="keep: render the good frames before the damage",
    )
    add_character(group)


def add_limits(group: argparse._ActionsContainer) -> None:
    """Add how much of a video is taken on."""
    group.add_argument(
        "--max-frames", metavar="N", type=int, default=1_000_000, help="refuse longer videos"
    )
    group.add_argument(
        "--max-pixels", metavar="N", type=int, default=67_108_864, help="refuse larger frames"
    )


def add_character(group: argparse._ArgumentGroup) -> None:
    """Add what is known of the character, and the model that draws it."""
    group.add_argument(
        "--ref-pose",
        dest="reference_pose",
        metavar="PATH",
        type=Path,
        help="key points of the picture (default: detected)",
    )
    group.add_argument(
        "--ref-mask",
        dest="reference_mask",
        metavar="PATH",
        type=Path,
        help="mask of the character, white on black (default: found)",
    )
    group.add_argument(
        "--matte", metavar="NAME", help="find the mask with this rembg model or ONNX file"
    )
    group.add_argument(
        "--model",
        metavar="NAME",
        default="toon",
        help="toon, sd15, anime15, sdxl, animexl, a folder, a .safetensors file or a hub id",
    )
    group.add_argument(
        "--controlnet",
        metavar="NAME",
        help="pose ControlNet: a folder, a .safetensors file or a hub id (the model's own)",
    )
    group.add_argument(
        "--vae",
        metavar="NAME",
        help="autoencoder, perhaps a tiny one: a folder, a file or a hub id (the model's own)",
    )
    _add_added_files(group)


def _add_added_files(group: argparse._ArgumentGroup) -> None:
    """Add the files that a model takes besides its own; each may be given several times."""
    for flag, form, text in (
        ("--lora", "FILE:SCALE", "may be given several times"),
        ("--embedding", "FILE:WORD", "a textual inversion and its word in prompts (its own word)"),
        (
            "--ip-adapter",
            "FILE:SCALE",
            "shows a Stable Diffusion model the character, without training (0.3)",
        ),
    ):
        name = flag.removeprefix("--").replace("-", "_")
        group.add_argument(
            flag,
            dest=f"{name}s",
            metavar=form,
            type=reader(f"parse_{name}"),
            action="append",
            default=[],
            help=text,
        )


def _add_delivery(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--profile",
        metavar="NAME",
        help="h264-web, h264-review, hevc, prores4444, ffv1-master, png, exr, gif or webp",
    )
    group.add_argument("--studio", action="store_true", help="number frames from 1001")
    group.add_argument(
        "--c2pa-cert",
        metavar="FILE",
        type=Path,
        help="sign the result with this certificate and its chain (PEM)",
    )
    group.add_argument("--c2pa-key", metavar="FILE", type=Path, help="the certificate's key (PEM)")


def _add_picture(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--background",
        metavar="WHAT",
        type=reader("parse_background"),
        default="reference",
        help="reference, driver, alpha or a colour",
    )
    add_words(group)


def add_words(group: argparse._ArgumentGroup) -> None:
    """Add the size of a picture and the words about it."""
    group.add_argument(
        "--size",
        metavar="WxH",
        type=reader("parse_size"),
        help="size in pixels, rounded up if need be",
    )
    group.add_argument("--prompt", metavar="TEXT", default="", help="what the picture shows")
    group.add_argument("--negative-prompt", metavar="TEXT", default="", help="what to avoid")


def _add_motion(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--frames",
        metavar="RANGE",
        type=reader("parse_frames"),
        help="part of the driver, counted from 0 at the rate of --fps: 24-71, or a set such as "
        "0-40x2,60",
    )
    group.add_argument(
        "--fps",
        dest="rate",
        metavar="F",
        type=reader("parse_rate"),
        help="frames per second, such as 30000/1001; a video keeps its length (the driver's)",
    )
    group.add_argument(
        "--audio", metavar="copy|none", default="copy", help="the driver's sound (copy)"
    )
    group.add_argument(
        "--no-retarget",
        dest="retarget",
        action="store_false",
        help="keep the driver's own proportions",
    )
    group.add_argument(
        "--no-smooth",
        dest="smooth",
        action="store_false",
        help="keep the key points as they were found",
    )
    group.add_argument(
        "--no-room",
        dest="room",
        action="store_false",
        help="keep the borders of a cut-out picture, even if arms and legs leave it",
    )


def _add_poses(group: argparse._ArgumentGroup) -> None:
    add_reference_pose(group)
    group.add_argument(
        "--detector",
        metavar="NAME",
        default="mediapipe",
        help="detects the driver's pose: mediapipe, openpose, dwpose or toon; with your own "
        "weights: dwpose:FOLDER",
    )
    group.add_argument(
        "--person",
        metavar="WHO",
        type=reader("parse_person"),
        default="largest",
        help="which of several people: a number from 1, left, right, largest or x,y",
    )
    group.add_argument(
        "--face", metavar="off|weak|full", help="the driver's face; weak: eyes and mouth"
    )
    group.add_argument("--hands", metavar="on|off", help="the driver's fingers")
    group.add_argument(
        "--no-cache",
        dest="cache",
        action="store_false",
        help="detect poses again, and cache none",
    )


def add_reference_pose(group: argparse._ArgumentGroup) -> None:
    """Add how the pose of the character's picture is found."""
    group.add_argument(
        "--ref-detector",
        dest="reference_detector",
        metavar="NAME",
        help="detects the picture's pose (toon, then mediapipe)",
    )
    group.add_argument(
        "--ref-person",
        dest="reference_person",
        metavar="WHO",
        type=reader("parse_person", flag="--ref-person"),
        help="which of the people in the picture",
    )


def _add_method(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--ref-weight",
        dest="reference_weight",
        metavar="W",
        type=float,
        default=10.0,
        help="weight of the picture's features (10)",
    )
    group.add_argument(
        "--prev-weight",
        dest="previous_weight",
        metavar="W",
        type=float,
        default=1.0,
        help="weight of the previous frame's features (1)",
    )
    group.add_argument(
        "--puppet",
        metavar="S",
        type=float,
        help="start from the picture's limbs moved into the pose, with this share of noise, such "
        "as 0.4; needs several steps (1: noise alone)",
    )
    add_sampling(group)


def add_sampling(group: argparse._ArgumentGroup) -> None:
    """Add how a picture is denoised, guided and enlarged."""
    group.add_argument("--upscale", metavar="N", type=int, help="1 to 8 times the model's own size")
    group.add_argument("--seed", metavar="N", type=int, default=0, help="chooses the noise (0)")
    group.add_argument("--steps", metavar="N", type=int, help="sampler steps (the model's own)")
    group.add_argument(
        "--scheduler",
        metavar="NAME",
        help="ddim, euler, euler-a, dpm++, unipc, lcm, tcd, turbo, lightning or hyper",
    )
    group.add_argument("--guidance", metavar="MODE", help="interleaved, averaged, text or none")
    group.add_argument(
        "--ref-guidance",
        dest="reference_guidance",
        metavar="S",
        type=float,
        help="strength of the picture's guidance (the model's own)",
    )
    group.add_argument(
        "--text-guidance",
        metavar="S",
        type=float,
        help="strength of the prompt's guidance (the model's own)",
    )
    group.add_argument(
        "--ref-probability",
        dest="reference_probability",
        metavar="P",
        type=float,
        help="share of the steps guided by the picture",
    )
    group.add_argument(
        "--beta",
        metavar="B",
        type=float,
        help="weight of the model's subject encoder, if it has one (0.2)",
    )
    group.add_argument(
        "--align",
        metavar="A",
        type=float,
        help="how strongly body parts attend to the same part of the picture, 0 to 500 (0: off)",
    )


def _add_running(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--dry-run", action="store_true", help="check and plan, render nothing")
    group.add_argument("--resume", action="store_true", help="continue an interrupted run")
    group.add_argument(
        "--skip-existing", action="store_true", help="leave an existing result as it is"
    )
    add_running(group)


def add_running(group: argparse._ArgumentGroup) -> None:
    """Add where and how a job runs."""
    group.add_argument("--device", metavar="NAME", default="auto", help="auto, cpu, cuda or mps")
    group.add_argument(
        "--dtype", metavar="NAME", default="auto", help="auto, float32, float16 or bfloat16"
    )
    group.add_argument(
        "--cache-memory",
        metavar="SIZE",
        type=reader("parse_bytes"),
        help="memory limit for the picture's cached features, such as 4G",
    )
    group.add_argument(
        "--memory",
        metavar="high|balanced|low",
        default="high",
        help="how much of a GPU's memory the model may use; less is slower (high)",
    )
    group.add_argument("--threads", metavar="N", type=int, help="processor threads")
    group.add_argument("--strict", action="store_true", help="fail instead of guessing")
    group.add_argument(
        "--locked",
        action="store_true",
        help="refuse weights whose hash is not the recorded one",
    )
    group.add_argument("--overwrite", action="store_true", help="replace existing results")
    group.add_argument(
        "--progress",
        metavar="bar|json|none",
        default="bar",
        help="a bar, one JSON object per line, or errors only (bar)",
    )
