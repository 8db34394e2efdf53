"""Our clip file: the key points of one person through a clip in one JSON file.

{"format": "dtvideo-poses", "version": 1, "skeleton": "body18", "size": [w, h],
 "rate": "30000/1001", "frames": n, "body": [frame, ...], "left_hand": ..., "face": ...}

A frame is a list of joints, a joint is [x, y, confidence] in pixels, or null where it is missing.
Numbers keep every digit, so that writing and reading return the same poses to the bit.
"""

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from poses.formats.safe_json import MAX_FRAMES, canvas_size, listing, refusal, shown, triples
from poses.rates import read_rate
from poses.types import (
    BODY_JOINTS,
    FACE_JOINTS,
    HAND_JOINTS,
    Joints,
    JointTracks,
    PoseSequence,
    missing_joints,
    parts_of,
)

FORMAT = "dtvideo-poses"
VERSION = 1
_JOINTS = {
    "body": BODY_JOINTS,
    "left_hand": HAND_JOINTS,
    "right_hand": HAND_JOINTS,
    "face": FACE_JOINTS,
}


def is_clip(data: Any) -> bool:
    """Tell whether parsed JSON is a clip file of any version."""
    return isinstance(data, dict) and data.get("format") == FORMAT


def parse_clip(data: dict[str, Any], path: Path) -> PoseSequence:
    """Read a clip. Raises: PoseError P6 naming the file and the value."""
    if data.get("version") != VERSION:
        raise refusal(
            path, f"has version {data.get('version')!r}", f"this release reads version {VERSION}"
        )
    sides = listing(data.get("size"), path, '"size"', most=2)
    if len(sides) != 2:
        raise refusal(path, f'"size" is {sides}', "give width and height")
    size = canvas_size(sides[0], sides[1], path)
    tracks = {
        name: _tracks(data[name], path, name, joints=joints)
        for name, joints in _JOINTS.items()
        if name in data
    }
    if "body" not in tracks:
        raise refusal(path, 'has no "body"')
    lengths = {name: len(track) for name, track in tracks.items()}
    if any(length != data.get("frames") for length in lengths.values()):
        raise refusal(path, f"says {data.get('frames')!r} frames and holds {lengths}")
    return PoseSequence(size=size, rate=_rate(data.get("rate"), path), **tracks)


def clip_data(sequence: PoseSequence) -> dict[str, Any]:
    """Return a sequence as the JSON of a clip file."""
    return {
        "format": FORMAT,
        "version": VERSION,
        "skeleton": "body18",
        "size": list(sequence.size),
        "rate": str(sequence.rate),
        "frames": len(sequence),
        **{
            name: [_frame_data(joints) for joints in tracks]
            for name, tracks in parts_of(sequence).items()
        },
    }


def _frame_data(joints: Joints) -> list[list[float] | None]:
    known = np.isfinite(joints).all(axis=1)
    return [row if there else None for row, there in zip(joints.tolist(), known, strict=True)]


def _tracks(value: Any, path: Path, name: str, *, joints: int) -> JointTracks:
    frames = listing(value, path, f'"{name}"', most=MAX_FRAMES)
    if not frames:
        raise refusal(path, f'"{name}" has 0 frames')
    return np.stack([_frame(frame, path, name, joints=joints) for frame in frames])


def _frame(value: Any, path: Path, name: str, *, joints: int) -> Joints:
    rows = listing(value, path, f'a frame of "{name}"', most=joints)
    if len(rows) != joints:
        raise refusal(path, f'a frame of "{name}" has {len(rows)} joints, not {joints}')
    frame = missing_joints(joints)
    for joint, row in enumerate(rows):
        if row is not None:
            found = triples(row, path, f'a joint of "{name}"')
            if len(found) != 1:
                raise refusal(path, f'a joint of "{name}" has {3 * len(found)} numbers, not 3')
            frame[joint] = found[0]
    return frame


def _rate(value: Any, path: Path) -> Fraction:
    try:
        rate = read_rate(value) if isinstance(value, str) else Fraction(0)
    except (ValueError, ZeroDivisionError):
        rate = Fraction(0)
    if not 0 < rate <= 1000:
        raise refusal(
            path, f"has rate {shown(value)}", 'write frames per second such as "30000/1001"'
        )
    return rate
