"""A small folder of pictures to learn from: two squares with captions, depth and masks."""

import tarfile
from pathlib import Path

import numpy as np

from dtvideo.images import save_png

SQUARES = {"red": (200, 30, 30), "blue": (30, 30, 200)}


def write_samples(folder: Path, *, side: int = 32) -> Path:
    """Write `red.*` and `blue.*`: a square on grey, its words, its depth and its mask."""
    inside = np.zeros((side, side), np.uint8)
    inside[side // 4 : -side // 4, side // 4 : -side // 4] = 255
    for name, colour in SQUARES.items():
        picture = np.full((side, side, 3), 128, np.uint8)
        picture[inside > 0] = colour
        save_png(folder / f"{name}.png", picture)
        save_png(folder / f"{name}.depth.png", inside)
        save_png(folder / f"{name}.mask.png", inside)
        (folder / f"{name}.txt").write_text(f"a {name} square\n", encoding="utf-8")
    return folder


def write_shard(folder: Path, shard: Path) -> Path:
    """Pack a folder as one WebDataset shard."""
    with tarfile.open(shard, "w") as tar:
        for file in sorted(folder.iterdir()):
            tar.add(file, arcname=f"part/{file.name}")
    return shard
