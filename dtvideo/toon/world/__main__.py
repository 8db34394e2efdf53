"""Draw one character as a picture: `python -m dtvideo.toon.world OUT.png --seed N`."""

import argparse
from pathlib import Path

from dtvideo.images import save_png
from dtvideo.toon.world.backgrounds import BACKGROUNDS, paint_background
from dtvideo.toon.world.captions import caption
from dtvideo.toon.world.draw import draw
from dtvideo.toon.world.figure import Camera, standing
from dtvideo.toon.world.identity import identity_from_seed


def main() -> None:
    """Read the command line, draw the character and say in words who it is."""
    parser = argparse.ArgumentParser(prog="python -m dtvideo.toon.world", description=__doc__)
    parser.add_argument("out", type=Path, help="the PNG file to write")
    parser.add_argument("--seed", type=int, required=True, help="number of the character")
    parser.add_argument("--size", type=int, default=512, help="width and height in pixels")
    parser.add_argument("--scale", type=float, default=0.8, help="height of the figure")
    parser.add_argument("--background", choices=[*BACKGROUNDS], default="gradient")
    parser.add_argument("--background-seed", type=int, default=0)
    given = parser.parse_args()
    size = (given.size, given.size)
    identity = identity_from_seed(given.seed)
    ground = paint_background(given.background, given.background_seed, size=size)
    camera = Camera(scale=given.scale)
    drawing = draw(identity, standing(), camera, size=size, background=ground)
    clear = given.background == "transparent"
    save_png(given.out, drawing.rgba if clear else drawing.image)
    print(f"{given.out}: {caption(identity)}")


if __name__ == "__main__":
    main()
