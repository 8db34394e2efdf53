"""Find several people with a detector that finds one: paint out who was found and look again."""

import numpy as np
from jaxtyping import Bool, UInt8

from poses.detectors import PoseDetector
from poses.people import box_of, height_of, link_cost
from poses.skeleton import BODY18
from poses.types import Pose, confident

MOST_PEOPLE = 6
MINIMUM_JOINTS = 8
SAME_PERSON = 0.5
LIMB_WIDTH = 0.2
HEAD_WIDTH = 0.3

Picture = UInt8[np.ndarray, "h w 3"]


def find_everyone(detector: PoseDetector, image: Picture, *, most: int = MOST_PEOPLE) -> list[Pose]:
    """Return up to `most` people; each look after the first sees those before painted out.

    A further find counts when it has eight confident joints and lies apart from those before.
    Costs one run of the detector for each person and one more.
    """
    found = detector.detect(image)
    canvas = image
    while 0 < len(found) < most:
        canvas = paint_out(canvas, found[-1])
        further = detector.detect(canvas)
        if not further or not _is_another(further[0], found):
            break
        found.append(further[0])
    return found


def paint_out(image: Picture, pose: Pose) -> Picture:
    """Return a copy with the figure of a pose covered by the picture's median colour."""
    colour = np.median(image[::8, ::8].reshape(-1, 3), axis=0).astype(np.uint8)
    covered = figure_region(pose, image.shape[1::-1])
    return np.where(covered[..., None], colour, image)


def figure_region(pose: Pose, size: tuple[int, ...]) -> Bool[np.ndarray, "h w"]:
    """Return what the figure of a pose covers, roughly and amply, in a picture (width, height).

    The pose is on that picture's canvas. Nothing is covered where no joint is known.
    """
    import cv2

    region = np.zeros((size[1], size[0]), np.uint8)
    known = confident(pose.body)
    if not known.any():
        return region > 0
    height = height_of(pose)
    width = max(1, round(LIMB_WIDTH * height))
    places = {
        int(joint): pose.body[joint, :2].round().astype(int) for joint in np.flatnonzero(known)
    }
    for start, end in (*BODY18.limbs, (8, 11), (2, 8), (5, 11)):
        if start in places and end in places:
            cv2.line(region, places[start].tolist(), places[end].tolist(), 1, width)
    if 0 in places:
        cv2.circle(region, places[0].tolist(), round(HEAD_WIDTH * height / 2), 1, -1)
    return region > 0


def _is_another(pose: Pose, found: list[Pose]) -> bool:
    known = confident(pose.body)
    if known.sum() < MINIMUM_JOINTS or not np.ptp(box_of(pose)):
        return False
    return all(link_cost(pose, one) > SAME_PERSON for one in found)
