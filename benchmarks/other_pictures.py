"""How a model copes with characters that nobody here drew: a sheet to look at, without any truth.

python benchmarks/other_pictures.py PICTURE... [--video examples/dance.mp4] [--model toon]
    [--shown 5] [--output other-pictures.png]

Pictures with alpha, or on a plain ground, do best. Free ones that packages ship: Debian's
`renpy-thequestion` (game/images/sylvie*.png, shown from the thigh up).
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from dtvideo.images import fit_to, save_png
from dtvideo.sheet import CARD, evenly_spaced, picture_sheet
from pipelines.job import RenderJob
from pipelines.progress import SilentProgress
from pipelines.render import prepare
from poses.errors import ExplainedError

DANCE = Path(__file__).parents[1] / "examples" / "dance.mp4"
CELL = (160, 160)

Picture = UInt8[np.ndarray, "_ _ 3"]


@dataclass(frozen=True, eq=False)
class Row:
    """One character: what was given, some frames of the result, what the preparation warned of."""

    reference: Picture
    frames: list[tuple[str, Picture]]
    warnings: tuple[str, ...]


def render_row(picture: Path, *, video: Path, model: str, shown: int) -> Row:
    """Render the frames of a clip that are shown, and no others; at most 60 poses are read."""
    job = RenderJob(
        reference=picture, driver=video, model=model, frames=(0, 59), overwrite=True, cache=False
    )
    prepared = prepare(job, SilentProgress())
    poses = list(prepared.driver.fitted)
    chosen = evenly_spaced(len(poses), shown)
    clip = prepared.pipeline.open(
        reference=prepared.reference.image,
        mask=prepared.reference.mask,
        reference_pose=prepared.reference.pose,
        poses=[poses[index] for index in chosen],
        prompt=job.prompt,
        settings=prepared.settings,
    )
    with clip:
        frames = [(f"frame {chosen[index]}", image) for index, image in clip]
    return Row(prepared.reference.image, frames, tuple(prepared.sidecar.notices))


def main() -> None:
    """Render each picture in some poses of a video and write the sheet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pictures", nargs="+", type=Path)
    parser.add_argument("--video", type=Path, default=DANCE)
    parser.add_argument("--model", default="toon")
    parser.add_argument("--shown", type=int, default=5)
    parser.add_argument("--output", type=Path, default=Path("other-pictures.png"))
    options = parser.parse_args()
    cells: list[tuple[str, Picture]] = []
    for picture in options.pictures:
        try:
            row = render_row(picture, video=options.video, model=options.model, shown=options.shown)
        except ExplainedError as error:
            print(f"{picture.name}: {error}")
            continue
        print("\n".join([f"{picture.name}: rendered", *(f"  {text}" for text in row.warnings)]))
        cells += [
            (label, fit_to(image, CELL, fill=CARD)[0])
            for label, image in [(picture.stem[:24], row.reference), *row.frames]
        ]
    if cells:
        sheet = picture_sheet(None, cells, title=options.model, columns=options.shown + 1)
        save_png(options.output, sheet)
        print(options.output)


if __name__ == "__main__":
    main()
