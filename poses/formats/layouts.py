"""Conversions between key-point layouts: BODY_25, COCO 17, COCO-WholeBody 133 and body-18.

All functions take and return joints (j, 3), missing ones as (NaN, NaN, 0).
"""

import numpy as np
from jaxtyping import Float

from poses.skeleton import BODY18, COCO17
from poses.types import FACE_JOINTS, Joints, Pose, missing_joints, parts_of

_BODY18_IN_BODY25 = (0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18)
_BODY18_IN_COCO17 = [COCO17.index(name) for name in BODY18.joints if name != "neck"]
_NOT_NECK = [joint for joint, name in enumerate(BODY18.joints) if name != "neck"]
_NECK, _SHOULDERS = BODY18.index("neck"), [2, 5]

# COCO-WholeBody: body 17, feet 6, face 68, left hand 21, right hand 21.
WHOLE_BODY_JOINTS = 133
_WHOLE_BODY = {
    "face": slice(23, 91),
    "left_hand": slice(91, 112),
    "right_hand": slice(112, 133),
}


def body18_from_body25(joints: Float[np.ndarray, "25 3"]) -> Float[np.ndarray, "18 3"]:
    """Keep the joints of BODY_25 that body-18 has; the feet and the middle of the hips go."""
    return joints[list(_BODY18_IN_BODY25)]


def body18_from_coco17(joints: Float[np.ndarray, "17 3"]) -> Float[np.ndarray, "18 3"]:
    """Reorder COCO's 17 joints and put the neck between the shoulders."""
    body = missing_joints(len(BODY18))
    body[_NOT_NECK] = joints[_BODY18_IN_COCO17]
    shoulders = body[_SHOULDERS]
    body[_NECK] = (*shoulders[:, :2].mean(axis=0), shoulders[:, 2].min())
    return body


def coco17_from_body18(joints: Float[np.ndarray, "18 3"]) -> Float[np.ndarray, "17 3"]:
    """Reorder body-18 to COCO's 17 joints; the neck goes."""
    coco = missing_joints(len(COCO17))
    coco[_BODY18_IN_COCO17] = joints[_NOT_NECK]
    return coco


def pose_from_whole_body(joints: Float[np.ndarray, "133 3"], *, size: tuple[int, int]) -> Pose:
    """Split COCO-WholeBody's 133 joints into body, hands and face; the feet go."""
    parts = {name: joints[where] for name, where in _WHOLE_BODY.items()}
    found = {name: part for name, part in parts.items() if part[:, 2].any()}
    if "face" in found:
        found["face"] = face70(found["face"])
    return Pose(body=body18_from_coco17(joints[:17]), size=size, **found)


def whole_body_from_pose(pose: Pose) -> Float[np.ndarray, "133 3"]:
    """Join body, hands and face to COCO-WholeBody's 133 joints; feet are missing."""
    joints = missing_joints(WHOLE_BODY_JOINTS)
    parts = parts_of(pose)
    joints[:17] = coco17_from_body18(parts.pop("body"))
    for name, part in parts.items():
        joints[_WHOLE_BODY[name]] = part[: _WHOLE_BODY[name].stop - _WHOLE_BODY[name].start]
    return joints


def face70(face: Joints) -> Float[np.ndarray, "70 3"]:
    """Append missing pupils to a face of 68 points; a face of 70 is returned as it is."""
    return np.concatenate([face, missing_joints(FACE_JOINTS - len(face))])
