"""Measure pictures against pictures of the same name.

report = evaluate_folders(Path("pred"), Path("gt"))
print(report.table())
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from dtvideo.errors import MediaError
from dtvideo.files import write_json
from dtvideo.images import load_image, resize
from pipelines.messages import amount
from pipelines.report import ALL_VIEWS, ClipScores, Report
from pipelines.scoring import ClipMeter

KINDS = {".png", ".jpg", ".jpeg", ".webp"}
NO_FRAMES = (".sheet.png", ".people.png", ".ref-people.png")
"""How pictures end that a render writes beside its frames."""


def evaluate_folders(
    predictions: Path, truths: Path, *, masks: Path | None = None, output: Path | None = None
) -> Report:
    """Measure pictures against pictures of the same name.

    predictions, truths, masks: a folder of pictures (one clip), or a folder of such folders
    with the same names. A prediction of another size is resized to its truth. Without masks
    (white is the character) the measures of the foreground are left out. Sheets that a render
    wrote beside frames are no pictures here. output: JSON file. The report's `about` has under
    `notices` what was left out.
    Raises: MediaError V1 for what is no folder, V15 when a picture or a clip is missing.
    """
    for folder in (predictions, truths):
        if not folder.is_dir():
            raise MediaError("V1", folder, "is not a folder", "give a folder of pictures")
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
    notices = [*_beside_clips(truths), *_without_truth(predictions, clips)]
    about = {"predictions": str(predictions), "truths": str(truths), "notices": notices}
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
    names = _folders_in(folder) or ["."]
    clips = {name: _pictures_in(folder / name) for name in names}
    empty = [name for name, files in clips.items() if not files]
    if empty:
        raise MediaError("V15", folder / empty[0], "holds no pictures", "give PNG or JPEG files")
    return clips


def _without_truth(predictions: Path, clips: dict[str, list[Path]]) -> Iterator[str]:
    """Yield what is left out of the predictions, in words: pictures and clips without truth."""
    if "." not in clips:
        others = [name for name in _folders_in(predictions) if name not in clips]
        if others:
            yield _left_out(others, "clip", predictions, "without a true clip")
        yield from _beside_clips(predictions)
    for name, truths in clips.items():
        known = {path.stem for path in truths}
        folder = predictions / name
        extra = [path.name for path in _pictures_in(folder) if path.stem not in known]
        if extra:
            yield _left_out(extra, "picture", folder, "without a true picture")


def _beside_clips(folder: Path) -> Iterator[str]:
    """Yield in words that pictures lie beside folders of pictures, where they do."""
    names = [path.name for path in _pictures_in(folder)]
    if names and _folders_in(folder):
        yield _left_out(names, "picture", folder, "beside folders of clips")


def _left_out(names: Sequence[str], noun: str, folder: Path, why: str) -> str:
    """Return in words that some things of a folder are left out."""
    return f"left out {amount(len(names), noun)} of {folder} {why}, first {names[0]}"


def _folders_in(folder: Path) -> list[str]:
    """Return the names of the folders in a folder that are not hidden."""
    return sorted(path.name for path in _shown(folder) if path.is_dir())


def _pictures_in(folder: Path) -> list[Path]:
    """Return the pictures in a folder, but for the sheets that a render wrote beside its frames."""
    files = (path for path in _shown(folder) if path.suffix.lower() in KINDS)
    return sorted(path for path in files if not path.name.endswith(NO_FRAMES))


def _shown(folder: Path) -> Iterable[Path]:
    return (path for path in folder.iterdir() if not path.name.startswith("."))


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
