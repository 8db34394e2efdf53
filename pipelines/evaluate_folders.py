"""Measure pictures against pictures of the same name.

report = evaluate_folders(Path("pred"), Path("gt"))
print(report.table())
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dtvideo.errors import MediaError
from dtvideo.files import write_json
from dtvideo.images import load_image, resize
from pipelines.report import ALL_VIEWS, ClipScores, Report
from pipelines.scoring import ClipMeter


def evaluate_folders(
    predictions: Path, truths: Path, *, masks: Path | None = None, output: Path | None = None
) -> Report:
    """Measure pictures against pictures of the same name.

    predictions, truths, masks: a folder of pictures (one clip), or a folder of such folders
    with the same names. A prediction of another size is resized to its truth. Without masks
    (white is the character) the measures of the foreground are left out. output: JSON file.
    Raises: MediaError V15 when a picture or a clip is missing.
    """
    clips = _clips(truths)
    scores = tuple(
        _score_files(
            name,
            files,
            _partners(files, predictions / name),
            None if masks is None else _partners(files, masks / name),
        )
        for name, files in clips.items()
    )
    about = {"predictions": str(predictions), "truths": str(truths)}
    report = Report(scores, views=(ALL_VIEWS,), about=about)
    if output is not None:
        write_json(output, report.as_plain())
    return report


def _score_files(
    name: str, truths: list[Path], predictions: list[Path], masks: list[Path] | None
) -> ClipScores:
    true_frames = _Pictures(truths)
    frames = _Pictures(predictions, like=true_frames)
    held = None if masks is None else _Masks(masks, like=true_frames)
    meter = ClipMeter()
    for index in range(len(truths)):
        meter.add(frames[index], true_frames[index], None if held is None else held[index])
    views = ((ALL_VIEWS,),) * len(truths)
    return ClipScores("prediction", name, views, tuple(meter.frames), meter.whole())


class _Pictures(Sequence[Any]):
    """Pictures read when they are asked for, resized to those they are compared with."""

    def __init__(self, files: list[Path], *, like: "_Pictures | None" = None) -> None:
        self._files = files
        self._like = like

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, index: Any) -> Any:
        image = load_image(self._files[index]).rgb
        if self._like is None:
            return image
        wanted = self._like[index].shape
        return image if image.shape == wanted else resize(image, (wanted[1], wanted[0]))


class _Masks(_Pictures):
    """Masks read as pictures: white is the character."""

    def __getitem__(self, index: Any) -> Any:
        return super().__getitem__(index).mean(axis=2) / 255


def _clips(folder: Path) -> dict[str, list[Path]]:
    """Return the picture files of each clip by its folder's name; "." for a flat folder."""
    if not folder.is_dir():
        raise MediaError("V1", folder, "is not a folder", "give a folder of pictures")
    names = sorted(path.name for path in folder.iterdir() if path.is_dir()) or ["."]
    clips = {name: _pictures_in(folder / name) for name in names}
    empty = [name for name, files in clips.items() if not files]
    if empty:
        raise MediaError("V15", folder / empty[0], "holds no pictures", "give PNG or JPEG files")
    return clips


def _pictures_in(folder: Path) -> list[Path]:
    kinds = {".png", ".jpg", ".jpeg", ".webp"}
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in kinds)


def _partners(files: list[Path], folder: Path) -> list[Path]:
    """Return the picture in a folder for each file, found by its name without the ending."""
    found = {path.stem: path for path in _pictures_in(folder)} if folder.is_dir() else {}
    missing = [file.stem for file in files if file.stem not in found]
    if missing:
        raise MediaError(
            "V15",
            folder,
            f"lacks {len(missing)} of {len(files)} pictures, first {missing[0]}",
            "give one picture per true picture, with the same name",
        )
    return [found[file.stem] for file in files]
