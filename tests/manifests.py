"""A good manifest to spoil, and what is told of a spoilt one."""

import pytest

from pipelines.manifest import load_manifest
from pipelines.manifest_file import ManifestError

GOOD = """
output: "out/{character}/{clip}.v{version:03}.mp4"
version: 7
settings: {seed: 3, size: 64x32}
characters:
  hero: {reference: hero.png, prompt: a knight}
  girl: {reference: girl.png, seed: 4}
clips:
  dance: {driver: dance.mp4}
  walk: {poses: walk.json, frames: 2-5, seed: 5}
overrides:
  - {character: girl, clip: walk, seed: 6, steps: 9}
  - {character: hero, clip: walk, skip: true}
"""


def write(folder, text, name="batch.yaml"):
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def faults_of(folder, text, name="batch.yaml", **options):
    with pytest.raises(ManifestError) as caught:
        load_manifest(write(folder, text, name), **options)
    assert caught.value.exit_code == 2
    return [(fault.code, fault.line, fault.problem) for fault in caught.value.faults]


def fill(folder):
    """Make the inputs that the good manifest names in a new folder."""
    folder.mkdir()
    for name in ("hero.png", "girl.png", "dance.mp4", "walk.json"):
        (folder / name).write_bytes(b"x")
    return folder
