"""The words of `dtvideo generate`.

Only the standard library is imported here; the rest on use, so that `--help` answers at once.
"""

import argparse
from pathlib import Path

from pipelines.flags import (
    add_character,
    add_reference_pose,
    add_running,
    add_sampling,
    add_words,
    with_tuples,
)


def add_generate(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `dtvideo generate`."""
    parser.set_defaults(command=_generate)
    parser.add_argument("reference", metavar="REF", type=Path, help="picture of the character")
    parser.add_argument(
        "-n", dest="count", metavar="N", type=int, default=4, help="how many pictures (4)"
    )
    parser.add_argument(
        "-o", "--output", metavar="DIR", type=Path, help="a folder (<ref>_pictures)"
    )
    parser.add_argument(
        "--pose", metavar="FILE", type=Path, help="key points to use, as JSON (the picture's own)"
    )
    parser.add_argument(
        "--depth",
        metavar="PATH",
        type=Path,
        help="a depth picture, near as white, or a folder of them, used in turn",
    )
    add_words(parser.add_argument_group("words"))
    parser.add_argument(
        "--ref-prompt",
        dest="reference_prompt",
        metavar="TEXT",
        help="what REF shows (the prompt)",
    )
    inputs = parser.add_argument_group("inputs")
    add_character(inputs)
    inputs.add_argument(
        "--depth-controlnet",
        metavar="NAME",
        help="depth ControlNet: a folder, a .safetensors file or a hub id (the model's own)",
    )
    add_reference_pose(inputs)
    method = parser.add_argument_group("method")
    method.add_argument(
        "--ref-weight",
        dest="reference_weight",
        metavar="W",
        type=float,
        help="weight of the picture's features (3.0; 2.5, better for drawn characters, with toon)",
    )
    method.add_argument(
        "--no-mask", dest="mask", action="store_false", help="attend to the ground of REF too"
    )
    add_sampling(method)
    add_running(parser.add_argument_group("running"))


def _generate(arguments: argparse.Namespace) -> int:
    """Make pictures and print their paths, that of the side-car and of the sheet."""
    from pipelines.generate import generate
    from pipelines.generate_job import GenerateJob
    from pipelines.progress import create_progress

    apart = ("progress", "command", "tool")
    values = {key: value for key, value in vars(arguments).items() if key not in apart}
    job = GenerateJob(**with_tuples(values))
    for path in generate(job, create_progress(arguments.progress)).paths:
        print(path, flush=True)
    return 0
