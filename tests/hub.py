"""Models as they lie in the hub's local cache."""

from pathlib import Path

REVISION = "0" * 40


def in_cache(cache: Path, name: str) -> Path:
    """Make the folders of the hub's cache for a model; return where its files go."""
    folder = cache / f"models--{name.replace('/', '--')}"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text(REVISION)
    (folder / "snapshots").mkdir()
    return folder / "snapshots" / REVISION
