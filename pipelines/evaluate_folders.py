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
    `notices` what was left out or resized.
    Raises: MediaError V1 for what is no folder, V15 when a picture or a clip is missing, or two
    pictures of a folder differ in their ending alone.
    """
    for folder in (predictions, truths):
        if not folder.is_dir():
            raise MediaError("V1", folder, "is not a folder", "give a folder of pictures")
    clips = _clips(truths)
    notices = [*_beside_clips(truths), *_without_truth(predictions, clips)]
    scores = []
    for name, files in clips.items():
        true_frames = _Pictures(files)
        frames = _Pictures(_partners(files, predictions / name), like=true_frames)
        held = None if masks is None else _Masks(_partners(files, masks / name), like=true_frames)
        scores.append(_score_pictures(name, true_frames, frames, held))
        notices += [*frames.resized(), *(held.resized() if held is not None else ())]
    about = {"predictions": str(predictions), "truths": str(truths), "notices": notices}
    report = Report(tuple(scores), views=(ALL_VIEWS,), about=about)
    if output is not None:
        write_json(output, report.as_plain())
    return report


def _score_pictures(
    name: str, truths: "_Pictures", frames: "_Pictures", masks: "_Masks | None"
) -> ClipScores:
    meter = ClipMeter()
    for index in range(len(truths)):
        meter.add(frames[index], truths[index], None if masks is None else masks[index])
    views = ((ALL_VIEWS,),) * len(truths)
    return ClipScores("prediction", name, views, tuple(meter.frames), meter.whole())


class _Pictures(Sequence[Any]):
    """Pictures read when they are asked for, resized to those they are compared with."""

    def __init__(self, files: list[Path], *, like: "_Pictures | None" = None) -> None:
        self._files = files
        self._like = like
        self._resized: set[int] = set()

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, index: Any) -> Any:
        image = load_image(self._files[index]).rgb
        if self._like is None:
            return image
        wanted = self._like[index].shape
        if image.shape == wanted:
            return image
        self._resized.add(index)
        return resize(image, (wanted[1], wanted[0]))

    def resized(self) -> Iterator[str]:
        """Yield in words which of the pictures that were asked for were resized, if any."""
        files = [self._files[index] for index in sorted(self._resized)]
        if files:
            told = f"{amount(len(files), 'picture')} of {files[0].parent}"
            yield f"resized {told} to the size of the truth, first {files[0].name}"


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
    found = sorted(path for path in files if not path.name.endswith(NO_FRAMES))
    first: dict[str, Path] = {}
    for path in found:
        if (other := first.setdefault(path.stem, path)) is not path:
            problem = f"holds {other.name} and {path.name}, two pictures of one name"
            raise MediaError("V15", folder, problem, "keep one of them")
    return found


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
