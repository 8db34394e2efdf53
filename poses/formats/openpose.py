"""OpenPose's JSON: one file for each frame, or a list of such frames in one file.

BODY_18 and BODY_25 are read, BODY_18 is written; hands and face both ways. Numbers are pixels;
values normalised to the picture (`--keypoint_scale 3`) are recognised when reading.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from poses.errors import PoseError
from poses.formats.layouts import body18_from_body25, face70
from poses.formats.safe_json import (
    MAX_FRAMES,
    MAX_PEOPLE,
    canvas_size,
    flat,
    listing,
    mapping,
    read_json,
    refusal,
    triples,
)
from poses.frames import ranges_in_words
from poses.types import Joints, Pose, missing_joints, parts_of

_LISTS = {
    "left_hand": ("hand_left_keypoints_2d", (21,)),
    "right_hand": ("hand_right_keypoints_2d", (21,)),
    "face": ("face_keypoints_2d", (68, 70)),
}
_NUMBERED = re.compile(r"^(?P<stem>.*?)(?P<number>\d+)(?P<rest>\D*)$")
_NORMALISED_LIMIT = 2.0

Person = dict[str, Joints]


@dataclass(frozen=True)
class Frame:
    """One frame as the file has it: people's parts, and the canvas where it is stated."""

    path: Path
    people: tuple[Person, ...]
    canvas: tuple[int, int] | None


def read_folder(
    folder: Path, *, size: tuple[int, int] | None
) -> tuple[list[list[Pose]], tuple[int, int]]:
    """Read a folder of frames in natural order; returns everyone in each frame, and the canvas.

    Raises: PoseError P6 when it has no JSON, frames are missing, or a file breaks the format.
    """
    paths = sorted(folder.glob("*.json"), key=_natural)
    if not paths:
        raise refusal(folder, "holds no .json files", "give the folder OpenPose wrote to")
    if len(paths) > MAX_FRAMES:
        raise refusal(folder, f"holds {len(paths)} frames", f"the limit is {MAX_FRAMES}")
    _check_numbers(folder, [path.stem for path in paths])
    return to_poses([parse_frame(read_json(path), path) for path in paths], size=size)


def parse_frame(data: Any, path: Path) -> Frame:
    """Read one frame. Raises: PoseError P6 naming the file and the value."""
    frame = mapping(data, path, "the frame")
    if "people" not in frame:
        raise refusal(path, 'has no "people"', "give OpenPose JSON or a clip file")
    people = listing(frame["people"], path, '"people"', most=MAX_PEOPLE)
    width, height = frame.get("canvas_width"), frame.get("canvas_height")
    canvas = None if width is None and height is None else canvas_size(width, height, path)
    return Frame(path, tuple(_person(person, path) for person in people), canvas)


def to_poses(
    frames: Sequence[Frame], *, size: tuple[int, int] | None
) -> tuple[list[list[Pose]], tuple[int, int]]:
    """Give frames one canvas and turn normalised values into pixels.

    The canvas is the files' own, else `size`, else, for pixels, the smallest that holds every
    key point. Raises: PoseError P6 when canvases differ or normalised values have none.
    """
    path = frames[0].path
    stated = {frame.canvas for frame in frames if frame.canvas is not None}
    if len(stated) > 1:
        raise refusal(path, f"and its fellows have canvases {sorted(stated)}", "use one size")
    canvas = next(iter(stated), size)
    low, high = _extent(frames)
    normalised = high <= _NORMALISED_LIMIT and low < high
    if normalised and low < -0.5:
        raise refusal(path, f"has values from {low:g}", "export pixels, or values from 0 to 1")
    if normalised and canvas is None:
        raise refusal(path, "has normalised values and no canvas size", "give the size in pixels")
    if canvas is None:
        canvas = _bounds(frames)
    scale = canvas if normalised else (1, 1)
    people = [
        [_pose(person, scale=scale, size=canvas) for person in frame.people] for frame in frames
    ]
    return people, canvas


def frame_data(pose: Pose) -> dict[str, Any]:
    """Return a pose as the JSON of one frame; nobody gives an empty list of people."""
    width, height = pose.size
    return {
        "version": 1.3,
        "people": [_person_data(pose)] if pose.body[:, 2].any() else [],
        "canvas_width": width,
        "canvas_height": height,
    }


def _person(data: Any, path: Path) -> Person:
    person = mapping(data, path, "a person")
    body = _joints(person, "pose_keypoints_2d", path, counts=(18, 25))
    if body is not None and len(body) == 25:
        body = body18_from_body25(body)
    parts = {"body": missing_joints(18) if body is None else body}
    for name, (key, counts) in _LISTS.items():
        part = _joints(person, key, path, counts=counts)
        if part is not None and part[:, 2].any():
            parts[name] = face70(part) if name == "face" else part
    return parts


def _joints(
    person: dict[str, Any], key: str, path: Path, *, counts: tuple[int, ...]
) -> Joints | None:
    """Return the joints of one list, or None when the list is absent, null or empty."""
    if not person.get(key):
        return None
    joints = triples(person[key], path, f'"{key}"')
    if len(joints) not in counts:
        expected = " or ".join(str(count) for count in counts)
        raise refusal(path, f'"{key}" has {len(joints)} joints, not {expected}')
    return joints


def _person_data(pose: Pose) -> dict[str, list[float]]:
    parts = parts_of(pose)
    data = {"pose_keypoints_2d": flat(parts["body"])}
    for name, (key, _) in _LISTS.items():
        data[key] = flat(parts[name]) if name in parts else []
    return data


def _pose(person: Person, *, scale: tuple[int, int], size: tuple[int, int]) -> Pose:
    return Pose(size=size, **{name: part * (*scale, 1) for name, part in person.items()})


def _places(frames: Sequence[Frame]) -> np.ndarray:
    parts = [part[:, :2] for frame in frames for person in frame.people for part in person.values()]
    places = np.concatenate(parts) if parts else np.empty((0, 2))
    known: np.ndarray = places[np.isfinite(places).all(axis=1)]
    return known


def _extent(frames: Sequence[Frame]) -> tuple[float, float]:
    places = _places(frames)
    return (float(places.min()), float(places.max())) if places.size else (0.0, 0.0)


def _bounds(frames: Sequence[Frame]) -> tuple[int, int]:
    places = _places(frames)
    if not places.size:
        raise PoseError("P1", frames[0].path, f"no person in {len(frames)} frames", "give another")
    width, height = np.floor(places.max(axis=0)).clip(min=0).astype(int) + 1
    return int(width), int(height)


def _natural(path: Path) -> list[tuple[bool, int, str]]:
    """Sort key under which frame10 comes after frame9."""
    pieces = re.split(r"(\d+)", path.name)
    return [(piece.isdecimal(), int(piece) if piece.isdecimal() else 0, piece) for piece in pieces]


def _check_numbers(folder: Path, stems: list[str]) -> None:
    """Refuse several clips in one folder and frames left out of an even count."""
    matches = [_NUMBERED.match(stem) for stem in stems]
    found = [match for match in matches if match is not None]
    if len(found) < len(stems):
        return
    names = sorted({match["stem"] for match in found})
    if len(names) > 1:
        raise refusal(folder, f"holds several clips: {', '.join(names[:3])}", "give one a folder")
    numbers = [int(match["number"]) for match in found]
    gaps = [(one + 1, other) for one, other in pairwise(numbers) if other > one + 1]
    if gaps and len({other - one for one, other in pairwise(numbers)}) > 1:
        raise refusal(
            folder,
            f"lacks frames {ranges_in_words(gaps)}",
            'where nobody is, write a file with "people": []',
        )
