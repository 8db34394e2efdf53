"""The words of `dtvideo evaluate`.

Only the standard library is imported here; the rest on use, so that `--help` answers at once.
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.messages import Messages
from pipelines.subject_commands import add_training, told_training

if TYPE_CHECKING:
    from pipelines.clip_settings import ClipSettings


def _switch(text: str) -> bool:
    return {"on": True, "off": False}[text]


_SETTINGS: dict[str, tuple[str, Callable[[str], Any], str]] = {
    "--steps": ("steps", int, "steps of the scheduler"),
    "--ref-weight": ("reference_weight", float, "weight of the reference's features"),
    "--prev-weight": ("previous_weight", float, "weight of the previous frame's features"),
    "--beta": ("beta", float, "weight of the subject encoder"),
    "--align": ("align", float, "how strongly body parts attend to the same part"),
    "--align-gain": ("align_gain", float, "limit of the gain that makes up for alignment"),
    "--coarse": ("coarse", _switch, "on or off: give the model its coarse frames"),
    "--keep-ground": ("keep_ground", _switch, "on or off: leave the ground unchanged"),
    "--guidance": ("mode", str, "interleaved, averaged, text or none"),
    "--ref-guidance": ("reference_scale", float, "scale of the reference's guidance"),
    "--text-guidance": ("text_scale", float, "scale of the prompt's guidance"),
    "--ref-probability": ("reference_probability", float, "share of reference steps"),
}


def add_evaluate(parser: argparse.ArgumentParser) -> None:
    """Add the tools that measure."""
    tools = parser.add_subparsers(metavar="WHAT", required=True)
    toon = tools.add_parser("toon", help="a model on drawn characters whose truth is known")
    toon.set_defaults(command=_toon)
    _add_drawn(toon, clips=40)
    toon.add_argument("--frames", metavar="N", type=int, default=8)
    toon.add_argument(
        "--upscale", metavar="N", type=int, default=1, help="measure frames N times as large (1)"
    )
    toon.add_argument("--model", metavar="NAME", default="toon")
    toon.add_argument(
        "--other-body",
        action="store_true",
        help="also driven by another body's poses, fitted to the character",
    )
    toon.add_argument(
        "--ablations", action="store_true", help="change one part of the method at a time"
    )
    toon.add_argument("--no-baselines", dest="baselines", action="store_false")
    toon.add_argument("--plots", metavar="DIR", type=Path, help="curves and the worst frames")
    toon.add_argument("-o", "--output", metavar="DIR", type=Path, help="keep pictures and scores")
    _add_settings(toon)
    _add_pictures(tools.add_parser("generate", help="pictures from words: drawn ones, or yours"))
    encoder = tools.add_parser("encoder", help="what a subject encoder carries")
    encoder.set_defaults(command=_encoder)
    encoder.add_argument("model", metavar="MODEL", help="a folder that `train encoder` made")
    encoder.add_argument("--depth-controlnet", metavar="NAME", help="instead of the model's own")
    encoder.add_argument("--beta", metavar="B", type=float, default=1.0, help="1, as in training")
    _add_drawn(encoder, clips=40)
    encoder.add_argument("-o", "--output", metavar="DIR", type=Path, help="keep a sheet and scores")
    _add_subject(tools.add_parser("subject", help="what teaching a character gains"))
    points = tools.add_parser("keypoints", help="a pose detector on drawn characters")
    points.set_defaults(command=_keypoints)
    _add_drawn(points, clips=100)
    points.add_argument("--detector", metavar="NAME", default="toon")
    points.add_argument("--cut", action="store_true", help="figures cut off at four heights")
    points.add_argument("-o", "--output", metavar="FILE", type=Path, help="scores as JSON")
    folders = tools.add_parser("folders", help="pictures against pictures of the same name")
    folders.add_argument("predictions", metavar="PREDICTED", type=Path)
    folders.add_argument("truths", metavar="TRUE", type=Path)
    folders.add_argument("--masks", metavar="DIR", type=Path)
    folders.add_argument("--plots", metavar="DIR", type=Path, help="curves by frame")
    folders.add_argument("-o", "--output", metavar="FILE", type=Path, help="scores as JSON")
    folders.set_defaults(command=_folders)


def _add_pictures(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command=_generate)
    parser.add_argument(
        "folders",
        metavar="FOLDER",
        type=Path,
        nargs="*",
        help="pictures made by `dtvideo generate`; without any, drawn characters are used",
    )
    parser.add_argument("--clip", metavar="NAME", help="CLIP model: a folder or a fetched hub id")
    parser.add_argument("--dino", metavar="NAME", help="DINO model: a folder or a fetched hub id")
    parser.add_argument("-o", "--output", metavar="PATH", type=Path, help="keep scores as JSON")
    drawn = parser.add_argument_group("drawn characters")
    _add_drawn(drawn, clips=40)
    drawn.add_argument("--model", metavar="NAME", default="toon")
    drawn.add_argument(
        "--pictures", metavar="N", type=int, default=1, help="pictures per request (1)"
    )
    drawn.add_argument("--no-baselines", dest="baselines", action="store_false")
    _add_settings(parser)


def _add_subject(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command=_subject)
    parser.add_argument("--model", metavar="NAME", default="toon")
    parser.add_argument(
        "--characters", metavar="N", type=int, default=4, help="how many to teach (4)"
    )
    parser.add_argument(
        "--among", metavar="N", type=int, default=32, help="taught are the worst of this many (32)"
    )
    parser.add_argument(
        "--frames", metavar="N", type=int, default=4, help="poses measured per character (4)"
    )
    parser.add_argument(
        "--regular", metavar="N", type=int, default=8, help="regular pictures per training (8)"
    )
    parser.add_argument("--progress", metavar="bar|json|none", default="bar")
    parser.add_argument(
        "-o",
        "--output",
        metavar="DIR",
        type=Path,
        help="keep models, a sheet and scores; the same command continues there",
    )
    add_training(parser.add_argument_group("training"))


def _add_settings(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("settings; several values with commas give a row each")
    for flag, (name, kind, text) in _SETTINGS.items():
        group.add_argument(flag, dest=name, metavar="V[,V..]", type=_values(flag, kind), help=text)


def _add_drawn(parser: argparse._ActionsContainer, *, clips: int) -> None:
    parser.add_argument("--clips", metavar="N", type=int, default=clips)
    parser.add_argument("--seed", metavar="N", type=int, default=0)
    parser.add_argument("--progress", metavar="bar|json|none", default="bar")


def _values(flag: str, kind: Callable[[str], Any]) -> Callable[[str], tuple[Any, ...]]:
    """Return a reader of one or several values of a kind."""

    def read(text: str) -> tuple[Any, ...]:
        from dtvideo.errors import UsageError

        try:
            return tuple(kind(part) for part in text.split(","))
        except (ValueError, KeyError):
            remedy = "give one value, or several with commas"
            raise UsageError("U1", flag, f"cannot be {text!r}", remedy) from None

    return read


def _toon(arguments: argparse.Namespace) -> int:
    """Measure a model beside the baselines on held-out characters; print the table."""
    from pipelines import evaluate
    from pipelines.judges import Judges
    from pipelines.load_model import load_pipeline
    from pipelines.plots import check_plotting
    from pipelines.progress import create_progress
    from pipelines.variants import FULL
    from pipelines.worst_frames import WorstFrames

    settings = evaluate.ToonEvaluation(
        arguments.clips,
        arguments.frames,
        upscale=arguments.upscale,
        seed=arguments.seed,
        other_body=arguments.other_body,
    )
    if arguments.plots is not None:
        check_plotting()
    progress = create_progress(arguments.progress)
    pipeline = load_pipeline(arguments.model)
    chosen = _chosen_settings(arguments, pipeline.default_settings)
    methods: dict[str, evaluate.Method] = {}
    if arguments.baselines and not arguments.ablations:
        methods |= evaluate.BASELINES
        methods[evaluate.AUTOENCODER] = evaluate.autoencoder_method(pipeline)
    others = tuple(methods)
    for name, one in chosen.items():
        methods[name] = evaluate.pipeline_method(pipeline, upscale=settings.upscale, settings=one)
    worst = WorstFrames(apart_from=others) if arguments.plots is not None else None
    with progress.stage("evaluate", settings.clips) as advance:
        report = evaluate.evaluate_toon(
            methods,
            settings,
            output=arguments.output,
            judges=Judges(_toon_detector(), worst),
            progress=lambda *_: advance(),
        )
    print(report.table() if not arguments.ablations else report.gain_table(FULL))
    _plot(arguments, report, worst)
    return 0


def _chosen_settings(
    arguments: argparse.Namespace, default: "ClipSettings"
) -> "dict[str, ClipSettings]":
    """Return the settings that a model is measured with, by what to call each."""
    from pipelines.variants import ablations, changed, variants

    given = {name: getattr(arguments, name) for name, _, _ in _SETTINGS.values()}
    choices = {name: values for name, values in given.items() if values is not None}
    if not arguments.ablations:
        return variants(arguments.model, default, choices)
    several = [name for name, values in choices.items() if len(values) > 1]
    if several:
        from dtvideo.errors import UsageError

        raise UsageError(
            "U1", "--ablations", f"with several values of {several[0]}", "give one value"
        )
    return ablations(changed(default, **{name: one for name, (one,) in choices.items()}))


def _toon_detector() -> Any:
    from dtvideo.toon.keypoints import ToonDetector

    return ToonDetector()


def _generate(arguments: argparse.Namespace) -> int:
    """Measure pictures from words, a model's or those in folders; print the table."""
    from pipelines import evaluate_generate
    from pipelines.likeness import Clip, Dino, Likeness

    likeness = Likeness(
        Clip(arguments.clip) if arguments.clip else None,
        Dino(arguments.dino) if arguments.dino else None,
    )
    if arguments.folders:
        if likeness.clip is None and likeness.dino is None:
            from dtvideo.errors import UsageError

            problem = "there is no model to measure pictures with"
            raise UsageError("U1", "evaluate generate", problem, "give --clip NAME or --dino NAME")
        report = evaluate_generate.evaluate_folders_of_pictures(
            arguments.folders, likeness, output=arguments.output
        )
    else:
        report = _drawn_pictures(arguments, likeness)
    print(report.table())
    return 0


def _drawn_pictures(arguments: argparse.Namespace, likeness: Any) -> Any:
    """Ask a model for pictures of drawn characters, and return what was found."""
    from pipelines import evaluate_generate
    from pipelines.generate_job import DRAWN_WEIGHT
    from pipelines.load_model import load_pipeline
    from pipelines.progress import create_progress
    from pipelines.variants import variants

    settings = evaluate_generate.PictureEvaluation(arguments.clips, seed=arguments.seed)
    pipeline = load_pipeline(arguments.model)
    default = evaluate_generate.picture_settings(pipeline.default_settings, DRAWN_WEIGHT)
    given = {name: getattr(arguments, name) for name, _, _ in _SETTINGS.values()}
    choices = {name: values for name, values in given.items() if values is not None}
    methods = dict(evaluate_generate.BASELINES) if arguments.baselines else {}
    for name, one in variants(arguments.model, default, choices).items():
        methods[name] = evaluate_generate.studio_method(pipeline, one, pictures=arguments.pictures)
    judges = evaluate_generate.PictureJudges(_toon_detector(), likeness)
    with create_progress(arguments.progress).stage("evaluate", settings.clips) as advance:
        return evaluate_generate.evaluate_generate(
            methods,
            settings,
            output=arguments.output,
            judges=judges,
            progress=lambda *_: advance(),
        )


def _encoder(arguments: argparse.Namespace) -> int:
    """Measure what a subject encoder carries on held-out characters; print the table."""
    from pipelines.evaluate_encoder import (
        OF_ANOTHER,
        TOLD,
        encoder_methods,
        evaluate_encoder,
        open_guided,
    )
    from pipelines.evaluate_generate import PictureEvaluation
    from pipelines.progress import create_progress

    settings = PictureEvaluation(arguments.clips, seed=arguments.seed)
    pipeline = open_guided(arguments.model, arguments.depth_controlnet)
    with create_progress(arguments.progress).stage("evaluate", settings.clips) as advance:
        report = evaluate_encoder(
            encoder_methods(pipeline, beta=arguments.beta),
            settings,
            output=arguments.output,
            progress=lambda *_: advance(),
        )
    print(report.table(), report.gain_table(OF_ANOTHER, view=TOLD), sep="\n\n")
    return 0


def _subject(arguments: argparse.Namespace) -> int:
    """Teach a model the characters that it draws worst; print the tables."""
    from pipelines.evaluate_subject import BEFORE, SubjectEvaluation, evaluate_subject
    from pipelines.progress import create_progress
    from pipelines.subject_settings import subject_training

    told = told_training(vars(arguments))
    training = subject_training(arguments.model, class_word="character", **told)
    report = evaluate_subject(
        arguments.model,
        training,
        SubjectEvaluation(
            characters=arguments.characters,
            among=arguments.among,
            frames=arguments.frames,
            regular=arguments.regular,
            seed=training.seed,
        ),
        progress=create_progress(arguments.progress),
        output=arguments.output,
    )
    gains = (f"{view}:\n{report.gain_table(BEFORE, view=view)}" for view in report.views)
    print(report.table(), *gains, sep="\n\n")
    return 0


def _keypoints(arguments: argparse.Namespace) -> int:
    """Measure a pose detector on held-out characters; print the table."""
    from dtvideo.files import write_json
    from pipelines.detectors import check_detector, load_detector
    from pipelines.evaluate_keypoints import evaluate_keypoints
    from pipelines.progress import create_progress

    check_detector(arguments.detector, subject="--detector")
    detector = load_detector(arguments.detector)
    with create_progress(arguments.progress).stage("evaluate", arguments.clips) as advance:
        report = evaluate_keypoints(
            detector,
            clips=arguments.clips,
            seed=arguments.seed,
            cut=arguments.cut,
            progress=lambda *_: advance(),
        )
    if arguments.output is not None:
        write_json(arguments.output, report.as_plain())
    print(report.table())
    return 0


def _folders(arguments: argparse.Namespace) -> int:
    """Measure a folder of pictures against another; print the table."""
    from pipelines.evaluate_folders import evaluate_folders
    from pipelines.plots import check_plotting

    if arguments.plots is not None:
        check_plotting()
    report = evaluate_folders(
        arguments.predictions, arguments.truths, masks=arguments.masks, output=arguments.output
    )
    for notice in report.about["notices"]:
        Messages.of(arguments).say("notice", f"note: {notice}")
    print(report.table())
    _plot(arguments, report, None)
    return 0


def _plot(arguments: argparse.Namespace, report: Any, worst: Any) -> None:
    if arguments.plots is None:
        return
    from pipelines.plots import write_plots

    for path in write_plots(report, arguments.plots, worst=worst):
        Messages.of(arguments).say("plot", str(path))
