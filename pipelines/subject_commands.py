"""The words of `dtvideo train subject`.

Only the standard library is imported here; the rest on use, so that `--help` answers at once.
"""

import argparse
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from pipelines.flags import (
    add_character,
    add_reference_pose,
    add_running,
    add_words,
    with_tuples,
)
from pipelines.messages import Messages
from pipelines.parser import usage_error

JOB_WORDS = {"regular": "count", "picture_steps": "steps"}
"""Flags of which the job of the regular pictures knows under another name."""
TRAINING_WORDS = (
    "class_word", "steps", "rank", "learning_rate", "token_rate", "lora_rate", "prior_weight",
    "attention", "seed", "checkpoint_every", "sheet_every", "tensorboard",
)  # fmt: skip


def add_train_subject(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `dtvideo train subject`."""
    parser.add_argument("reference", metavar="REF", type=Path, help="picture of the character")
    parser.add_argument(
        "--class", dest="class_word", metavar="WORD", required=True, help="what it is: 1girl, dog"
    )
    parser.add_argument(
        "-o", "--output", metavar="DIR", type=Path, required=True, help="folder for the model"
    )
    add_training(parser.add_argument_group("training"))
    words = parser.add_argument_group("regular pictures")
    add_words(words)
    words.add_argument(
        "--captioner",
        metavar="NAME",
        help="instead of --prompt: a transformers captioner, as a folder or a fetched hub id",
    )
    words.add_argument("--regular", metavar="N", type=int, default=32, help="how many (32)")
    words.add_argument("--ref-weight", dest="reference_weight", metavar="W", type=float)
    words.add_argument(
        "--picture-steps", metavar="N", type=int, help="denoising steps (the model's own)"
    )
    inputs = parser.add_argument_group("inputs")
    add_character(inputs)
    add_reference_pose(inputs)
    add_running(parser.add_argument_group("running"))
    parser.set_defaults(command=_train, dtype="float32")


def add_training(group: argparse._ArgumentGroup) -> None:
    """Add how a model is taught a character."""
    numbers = (
        ("--steps", int, "training steps (800; 120 for toon)"),
        ("--rank", int, "rank of a LoRA; 0 trains the whole model (0)"),
        ("--learning-rate", float, "of the model (1e-6; 3e-4 for toon)"),
        ("--token-rate", float, "learning rate of the new word (5e-3)"),
        ("--lora-rate", float, "learning rate of the LoRA (1e-4)"),
        ("--prior-weight", float, "weight of the regular pictures; 0 makes none (1)"),
        ("--seed", int, "chooses all random draws (0)"),
        ("--checkpoint-every", int, "steps between checkpoints (100)"),
        ("--sheet-every", int, "steps between sheets of samples (200)"),
    )
    for flag, kind, text in numbers:
        group.add_argument(flag, metavar="N", type=kind, help=text)
    group.add_argument(
        "--attention",
        action=argparse.BooleanOptionalAction,
        help="attend to the picture during training (on for toon)",
    )
    group.add_argument(
        "--tensorboard", action="store_true", help="also write the log for TensorBoard"
    )


def told_training(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the words say about how a model is taught."""
    told = {name: values.get(name) for name in TRAINING_WORDS}
    return {name: value for name, value in told.items() if value is not None}


def _caption(reference: Path, captioner: str | None, class_word: str, *, messages: Messages) -> str:
    """Return what the regular pictures are told to show where no prompt says it."""
    if captioner is None:
        return f"A {class_word}"
    from dtvideo.images import load_image
    from dtvideo.training.describe import Captioner

    words = Captioner(captioner)(load_image(reference, background=(255, 255, 255)).rgb)
    messages.say("notice", f"caption: {words}")
    return f"A {class_word}, {words}"


def _train(arguments: argparse.Namespace) -> int:
    """Teach a model one character and print the folder of the result."""
    from pipelines.generate_job import GenerateJob
    from pipelines.subject_settings import subject_training
    from pipelines.train_subject import train_subject

    values, messages = dict(vars(arguments)), Messages.of(arguments)
    told = told_training(values)
    for name in (*TRAINING_WORDS, "progress", "command", "tool", "what"):
        values.pop(name, None)
    renamed = {JOB_WORDS.get(name, name): value for name, value in values.items()}
    captioner = renamed.pop("captioner")
    words = renamed.pop("prompt")
    if words and captioner is not None:
        raise usage_error("U1", "--captioner", "there is a --prompt already", "give one of the two")
    words = words or _caption(
        arguments.reference, captioner, arguments.class_word, messages=messages
    )
    job = GenerateJob(**{**with_tuples(renamed), "prompt": words})
    settings = subject_training(job.model, **told)
    print(train_subject(settings, job, report=partial(messages.say, "notice")))
    return 0
