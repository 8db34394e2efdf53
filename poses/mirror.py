"""The pose that a mirror shows: left and right change places."""

from dataclasses import replace

from poses.skeleton import BODY18, FACE70, HAND21, Skeleton
from poses.types import Joints, Pose


def mirrored(pose: Pose) -> Pose:
    """Return the pose of the picture turned over from left to right.

    The right arm of the body lies where its left arm lay, so that a front stays a front.
    """

    def turned(joints: Joints, skeleton: Skeleton) -> Joints:
        return joints[list(skeleton.mirrored)] * (-1, 1, 1) + (pose.size[0], 0, 0)

    left, right, face = pose.left_hand, pose.right_hand, pose.face
    return replace(
        pose,
        body=turned(pose.body, BODY18),
        left_hand=None if right is None else turned(right, HAND21),
        right_hand=None if left is None else turned(left, HAND21),
        face=None if face is None else turned(face, FACE70),
    )
