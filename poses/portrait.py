"""Hips that the lower border of a portrait hides, guessed, so that its trunk can lean and turn."""

from dataclasses import replace

import numpy as np

from poses.types import Pose, confident

NECK, SHOULDERS, HIPS = 1, (2, 5), (8, 11)
TORSO_LENGTH, HIP_WIDTH = 1.2, 0.6  # in widths of the shoulders, between chibi and adult figures
GUESSED = 0.5
"""The confidence of what is guessed."""


def with_guessed_hips(pose: Pose) -> Pose:
    """Return a pose with hips straight below its neck, outside the picture if need be.

    One that shows a hip, or does not show neck and shoulders, stays as it is.
    """
    known = confident(pose.body)
    if known[list(HIPS)].any() or not known[[NECK, *SHOULDERS]].all():
        return pose
    neck, right, left = pose.body[[NECK, *SHOULDERS], :2]
    width = float(np.linalg.norm(left - right))
    side = np.sign(left[0] - right[0]) or 1.0
    body = pose.body.copy()
    for joint, sign in zip(HIPS, (-side, side), strict=True):
        body[joint, :2] = neck + width * np.array((sign * HIP_WIDTH / 2, TORSO_LENGTH))
        body[joint, 2] = GUESSED
    return replace(pose, body=body)
