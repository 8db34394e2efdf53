"""The names of results that are one file a frame: a folder, `shot.%04d.png` or `shot.####.png`.

Only pictures are numbered, and by the last number of their name: `%` and `#` in the names of
movies and folders, and elsewhere in those of pictures, are letters. The version at the end of a
name, as in `shot.v001`, is no suffix.
"""

import re
from pathlib import Path

from dtvideo.errors import UsageError
from dtvideo.profiles import suffixes_of

NUMBER = re.compile(r"%(?:0?(?P<width>\d+))?d|#+")
VERSION = re.compile(r"\.[vV]?\d+")
FOLDER_PATTERN = "frame.%04d"


def is_folder(output: Path) -> bool:
    """Tell whether an output is a folder of frames: it has no suffix, or is there already."""
    suffix = output.suffix
    return suffix == "" or VERSION.fullmatch(suffix) is not None or output.is_dir()


def is_sequence(output: Path) -> bool:
    """Tell whether an output is one file a frame: a folder, or pictures with a number."""
    return is_folder(output) or find_number(output) is not None


def find_number(output: Path) -> re.Match[str] | None:
    """Return where the number of a frame stands in the name of pictures, or None."""
    if output.suffix.lower() not in suffixes_of("frames"):
        return None
    return max(NUMBER.finditer(output.name), key=re.Match.start, default=None)


def digits_of(number: re.Match[str]) -> int:
    """Return how many digits the number of a frame has at least."""
    return len(number[0]) if number[0].startswith("#") else int(number["width"] or 0)


def frame_path(output: Path, index: int, *, suffix: str = ".png") -> Path:
    """Return the file of number `index` of a folder, whose files have a suffix, or of a pattern.

    Raises: UsageError V12 for numbered files that are no pictures.
    """
    if is_folder(output):
        return frame_path(output / f"{FOLDER_PATTERN}{suffix}", index)
    number = find_number(output)
    if number is None:
        remedy = "end the pattern in .png"
        raise UsageError("V12", output, "frames are written as .png or .exr", remedy)
    before, after = output.name[: number.start()], output.name[number.end() :]
    return output.with_name(f"{before}{str(index).zfill(digits_of(number))}{after}")


def is_of(output: Path, path: Path) -> bool:
    """Tell whether a file is a frame of a sequence, of any number and kind of picture."""
    numbers = re.findall(r"\d+", path.name)
    suffix = path.suffix
    return any(frame_path(output, int(number), suffix=suffix) == path for number in numbers)


def without_number(output: Path) -> str:
    """Return the stem of an output without the number of a frame and what joins it."""
    number = find_number(output)
    if number is None:
        return output.stem
    before = output.name[: number.start()].rstrip("._-")
    return f"{before}{output.name[number.end() : -len(output.suffix)]}"
