"""Write a manifest for a folder of characters and a folder of clips."""

import os
from collections.abc import Collection, Iterator, Sequence
from itertools import chain, count
from pathlib import Path

import yaml

from dtvideo.errors import MediaError
from dtvideo.files import atomic_path, check_output
from pipelines.manifest_settings import DEFAULT_OUTPUT
from pipelines.manifest_values import alike

PICTURES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".avif"}
VIDEOS = {".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v", ".gif"}
HEAD = """\
# Every character performs every clip. Check with `dtvideo batch check`, then `dtvideo batch run`.
# Settings may stand under settings, a character or a clip, or in overrides for one pair:
#   overrides:
#     - {character: NAME, clip: NAME, seed: 8}
#     - {character: NAME, clip: NAME, skip: true}
"""


def write_manifest(path: Path, characters: Path, clips: Path, *, overwrite: bool = False) -> None:
    """Write a YAML manifest whose paths start at its own folder.

    Raises: MediaError V1 for a folder that is missing or has nothing that fits; OutputError F7.
    """
    check_output(path, overwrite=overwrite)
    manifest = {
        "output": DEFAULT_OUTPUT,
        "version": 1,
        "settings": {"seed": 0},
        "characters": _listed(characters, PICTURES, "reference", beside=path.parent),
        "clips": _listed(clips, VIDEOS, "driver", beside=path.parent),
    }
    text = HEAD + yaml.safe_dump(manifest, sort_keys=False, allow_unicode=True)
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _listed(
    folder: Path, suffixes: Collection[str], key: str, *, beside: Path
) -> dict[str, dict[str, str]]:
    """Return the files of a folder by names that are distinct on every system."""
    if not folder.is_dir():
        raise MediaError("V1", folder, "is not a folder", "give a folder of files")
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in suffixes)
    if not files:
        raise MediaError("V1", folder, f"has no {' '.join(sorted(suffixes))}", "check the folder")
    return {
        name: {key: os.path.relpath(path, beside)}
        for name, path in zip(_names(files), files, strict=True)
    }


def _names(files: Sequence[Path]) -> Iterator[str]:
    """Yield a name for each file: its stem, of several with one stem the whole, or a numbered stem.

    Hero.png and hero.png, which some system takes for one, are named Hero.png and hero-2.
    """
    stems = [alike(path.stem) for path in files]
    taken: set[str] = set()
    for path in files:
        first = path.stem if stems.count(alike(path.stem)) == 1 else path.name
        names = chain([first], (f"{path.stem}-{number}" for number in count(2)))
        name = next(each for each in names if alike(each) not in taken)
        taken.add(alike(name))
        yield name
