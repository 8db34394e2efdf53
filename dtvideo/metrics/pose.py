"""Key points against key points: did the picture take the pose?"""

import numpy as np
from jaxtyping import Float

from poses.types import Pose

NECK, RIGHT_HIP, LEFT_HIP = 1, 8, 11


def joint_errors(prediction: Pose, truth: Pose) -> Float[np.ndarray, "18"]:
    """Return each body joint's distance in pixels of the truth's canvas.

    A joint that the truth lacks is NaN (not judged); one that only the prediction lacks is
    infinity (a miss). Canvases of other sizes are scaled to the truth's.
    """
    scale = np.array(truth.size) / np.array(prediction.size)
    distances = np.linalg.norm(prediction.body[:, :2] * scale - truth.body[:, :2], axis=1)
    distances = np.where(prediction.body[:, 2] > 0, distances, np.inf)
    return np.where(truth.body[:, 2] > 0, distances, np.nan)


def pck(prediction: Pose, truth: Pose, *, threshold: float = 0.1) -> float:
    """Return the share of the truth's joints found within `threshold` torso lengths of it.

    The torso goes from the neck to the middle of the hips; where the truth lacks them, the
    longer side of its joints' box divided by 3 stands in. NaN when the truth has no joint.
    """
    errors = joint_errors(prediction, truth)
    judged = errors[~np.isnan(errors)]
    if len(judged) == 0:
        return float("nan")
    return float((judged <= threshold * _torso_pixels(truth)).mean())


def _torso_pixels(pose: Pose) -> float:
    ends = pose.body[[NECK, RIGHT_HIP, LEFT_HIP]]
    if (ends[:, 2] > 0).all():
        return float(np.linalg.norm(ends[1:, :2].mean(axis=0) - ends[0, :2]))
    known = pose.body[pose.body[:, 2] > 0, :2]
    return float(np.ptp(known, axis=0).max() / 3)
