"""COCO key points (17) and COCO-WholeBody (133): a data set file, or a list of results.

Each annotation has an `image_id` and flat `keypoints`; WholeBody annotations may keep feet, face
and hands in lists of their own. Annotated visibilities (0, 1, 2) become confidences 0 and 1.
"""

from pathlib import Path
from typing import Any

import numpy as np

from poses.formats.layouts import (
    WHOLE_BODY_JOINTS,
    body18_from_coco17,
    coco17_from_body18,
    pose_from_whole_body,
    whole_body_from_pose,
)
from poses.formats.safe_json import (
    MAX_FRAMES,
    MAX_PEOPLE,
    canvas_size,
    flat,
    listing,
    mapping,
    refusal,
    triples,
)
from poses.skeleton import COCO17
from poses.types import Joints, Pose, PoseSequence, missing_joints

_WHOLE_BODY_LISTS = (
    ("keypoints", 17),
    ("foot_kpts", 6),
    ("face_kpts", 68),
    ("lefthand_kpts", 21),
    ("righthand_kpts", 21),
)


def is_coco(data: Any) -> bool:
    """Tell whether parsed JSON looks like a COCO data set or a list of COCO results."""
    if isinstance(data, dict):
        return "annotations" in data
    return isinstance(data, list) and bool(data) and "keypoints" in _first(data)


def parse_coco(
    data: Any, path: Path, *, size: tuple[int, int] | None
) -> tuple[list[list[Pose]], tuple[int, int]]:
    """Read everyone in each image; images are frames in the order of their ids.

    A list of results states no canvas, so `size` is needed for it. Images between the first
    and the last id of such a list that have no entry are frames without people.
    Raises: PoseError P6 naming the file and the value.
    """
    rows = data["annotations"] if isinstance(data, dict) else data
    rows = listing(rows, path, "the annotations", most=MAX_FRAMES * MAX_PEOPLE)
    images = _images(data, path) if isinstance(data, dict) else None
    canvas = size if images is None else _canvas(images, path)
    if canvas is None:
        raise refusal(path, "states no canvas size", "give the size in pixels")
    people: dict[int, list[Pose]] = {image: [] for image in images or ()}
    for row in rows:
        annotation = mapping(row, path, "an annotation")
        image = _image_id(annotation, path, known=images)
        people.setdefault(image, []).append(_pose(annotation, path, size=canvas))
    if images is None:
        people = {image: people.get(image, []) for image in _all_ids(people, path)}
    crowds = [image for image, found in people.items() if len(found) > MAX_PEOPLE]
    if crowds:
        raise refusal(path, f"image {crowds[0]} has over {MAX_PEOPLE} people")
    return [people[image] for image in sorted(people)], canvas


def coco_data(sequence: PoseSequence, *, whole_body: bool) -> dict[str, Any]:
    """Return a sequence as a COCO data set of one image for each frame, ids from 0.

    A frame of which no joint that COCO knows is seen, as where only the neck is, has no annotation.
    """
    width, height = sequence.size
    images = [
        {"id": frame, "width": width, "height": height, "file_name": f"{frame:012d}.png"}
        for frame in range(len(sequence))
    ]
    people = {
        frame: whole_body_from_pose(pose) if whole_body else coco17_from_body18(pose.body)
        for frame, pose in enumerate(sequence)
        if pose.body[:, 2].any()
    }
    annotations = [
        _annotation(joints, frame) for frame, joints in people.items() if joints[:, 2].any()
    ]
    limbs = [[start + 1, end + 1] for start, end in COCO17.limbs]
    person = {"id": 1, "name": "person", "keypoints": list(COCO17.joints), "skeleton": limbs}
    return {"images": images, "annotations": annotations, "categories": [person]}


def _annotation(joints: Joints, frame: int) -> dict[str, Any]:
    known = joints[joints[:, 2] > 0]
    left, top = known[:, :2].min(axis=0)
    width, height = known[:, :2].max(axis=0) - (left, top)
    return {
        "id": frame,
        "image_id": frame,
        "category_id": 1,
        "iscrowd": 0,
        "keypoints": flat(joints),
        "num_keypoints": len(known),
        "score": round(float(known[:, 2].mean()), 3),
        "bbox": [round(float(side), 3) for side in (left, top, width, height)],
        "area": round(float(width * height), 3),
    }


def _pose(annotation: dict[str, Any], path: Path, *, size: tuple[int, int]) -> Pose:
    keypoints = triples(annotation.get("keypoints"), path, '"keypoints"')
    if len(keypoints) == WHOLE_BODY_JOINTS:
        return pose_from_whole_body(keypoints, size=size)
    if len(keypoints) != len(COCO17):
        raise refusal(path, f'"keypoints" has {len(keypoints)} joints, not 17 or 133')
    if not any(name in annotation for name, _ in _WHOLE_BODY_LISTS[1:]):
        return Pose(body=body18_from_coco17(keypoints), size=size)
    parts = [_part(annotation, name, path, joints=joints) for name, joints in _WHOLE_BODY_LISTS]
    return pose_from_whole_body(np.concatenate(parts), size=size)


def _part(annotation: dict[str, Any], name: str, path: Path, *, joints: int) -> Joints:
    if not annotation.get(name):
        return missing_joints(joints)
    part = triples(annotation[name], path, f'"{name}"')
    if len(part) != joints:
        raise refusal(path, f'"{name}" has {len(part)} joints, not {joints}')
    return part


def _images(data: dict[str, Any], path: Path) -> dict[int, tuple[int, int]]:
    sizes = {}
    for row in listing(data.get("images"), path, '"images"', most=MAX_FRAMES):
        image = mapping(row, path, "an image")
        size = canvas_size(image.get("width"), image.get("height"), path)
        sizes[_number(image.get("id"), path)] = size
    return sizes


def _canvas(images: dict[int, tuple[int, int]], path: Path) -> tuple[int, int]:
    sizes = sorted(set(images.values()))
    if len(sizes) != 1:
        raise refusal(path, f"has images of sizes {sizes[:3]}", "use images of one size")
    return sizes[0]


def _image_id(
    annotation: dict[str, Any], path: Path, *, known: dict[int, tuple[int, int]] | None
) -> int:
    image = _number(annotation.get("image_id"), path)
    if known is not None and image not in known:
        raise refusal(path, f"an annotation names image {image}, which is not listed")
    return image


def _all_ids(people: dict[int, list[Pose]], path: Path) -> range:
    if not people:
        return range(0)
    first, last = min(people), max(people)
    if last - first >= MAX_FRAMES:
        raise refusal(path, f"has image ids from {first} to {last}", f"limit {MAX_FRAMES} frames")
    return range(first, last + 1)


def _number(value: Any, path: Path) -> int:
    if type(value) is not int:
        raise refusal(path, f"has image id {value!r}", "ids are whole numbers")
    return value


def _first(data: list[Any]) -> dict[str, Any]:
    return data[0] if isinstance(data[0], dict) else {}
