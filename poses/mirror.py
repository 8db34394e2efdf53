"""The pose that a mirror shows: left and right change places."""

from dataclasses import replace

from poses.skeleton import BODY18, FACE70, HAND21, Skeleton
from poses.types import Joints, Pose


def mirrored(pose: Pose) -> Pose:
    """Return the pose of the picture turned over from left to right.

    The right arm of the body lies where its left arm lay, so that a front stays a front.
    """

    def part(joints: Joints | None, skeleton: Skeleton) -> Joints | None:
        if joints is None:
            return None
        return joints[list(skeleton.mirrored)] * (-1, 1, 1) + (pose.size[0], 0, 0)

    return replace(
        pose,
        body=part(pose.body, BODY18),
        left_hand=part(pose.right_hand, HAND21),
        right_hand=part(pose.left_hand, HAND21),
        face=part(pose.face, FACE70),
    )
