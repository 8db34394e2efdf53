"""Room to move for characters that are cut out: ground is added where arms and legs would leave.

A picture of a character is often cut close around it. In motion its arms would end at the borders,
so that what it can reach is added to a picture whose ground can go on: one that is transparent, or
of one colour along its border. It depends on the character alone, so that all its clips have the
same size.
"""

from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float, Float32, UInt8

from dtvideo.images import LoadedImage
from pipelines.job import RenderJob
from pipelines.prepare import find_character, mask_box, reduced
from pipelines.reference_people import is_on
from poses.types import Pose, confident

NECK, SHOULDERS, HIPS, ANKLES = 1, (2, 5), (8, 11), (10, 13)
ARMS, LEGS = ((2, 3, 4), (5, 6, 7)), ((8, 9, 10), (11, 12, 13))
# All in torso lengths, unless said.
HAND = 0.35  # beyond a wrist
LEAST_ARM, LEAST_LEG = 0.8, 0.8  # of limbs that are hidden or turned to the viewer
SIDE_STEP = 0.7  # how far to the side a foot goes, in lengths of a leg
AROUND = 0.1  # around the character as it stands
MOST = 0.75  # of the picture's longer side, that is added at one side
# A border that the character meets for longer than this, in lengths of the character's longer side,
# cuts it: no ground is added there. OPEN_LEGS: of the lower border, where it shows no feet.
OPEN, OPEN_LEGS = 0.2, 0.05
LOOK_SIDE = 384  # longest side in pixels of the picture in which the character is looked for
EDGE = 1 / 8  # of the picture's longer side: ground around it in which the character is looked for
SLACK = 1e-3  # pixels
SAME, MOSTLY = 12, 0.7  # levels within which a border is of one colour, and its share

Colour = tuple[int, int, int]
Sides = Float[np.ndarray, "4"]
"""Something at the left, the top, the right and the bottom."""


def give_room(job: RenderJob, loaded: LoadedImage) -> LoadedImage:
    """Return the character's picture with room for its arms and legs, where that is possible.

    A picture without a ground that can go on, of nobody or of several people, or of a job that
    wants none, stays as it is.
    Raises: as `prepare_reference`.
    """
    colour = _ground_colour(loaded)
    if not job.room or colour is None:
        return loaded
    edge = round(EDGE * max(loaded.size))
    framed = loaded.with_room((edge,) * 4, colour)
    seen = reduced(framed, LOOK_SIDE)
    found, (mask, _, _) = find_character(job, seen, whole=framed)
    if found.pose is None or found.are_several or not is_on(found.pose, mask):
        return loaded
    scale = seen.size[0] / framed.size[0]
    picture = np.array((edge, edge, edge + loaded.size[0], edge + loaded.size[1])) * scale
    lacking = room_to_move(found.pose, mask, picture=picture) / scale
    left, top, right, bottom = (int(side) for side in np.ceil(lacking - SLACK))
    if not any((left, top, right, bottom)):
        return loaded
    large = loaded.with_room((left, top, right, bottom), colour)
    told = f"{_by(loaded.size)} becomes {_by(large.size)}"
    notice = f"room to move is added to the picture: {told} (--no-room keeps its borders)"
    return replace(large, notices=(*loaded.notices, notice))


def room_to_move(pose: Pose, mask: Float32[np.ndarray, "h w"], *, picture: Sides) -> Sides:
    """Return what a character lacks in pixels beyond a picture's left, top, right and bottom.

    picture: where those borders are in the mask. The character needs what its arms reach around
    the shoulders and its feet beside the hips, and a little around itself. Nothing is added at a
    border that the character meets for long: there is more of it beyond, which is not known.
    """
    box = np.array(mask_box(mask))
    points = np.where(confident(pose.body)[:, None], pose.body[:, :2], np.nan)
    torso = float(np.linalg.norm(points[NECK] - points[list(HIPS)].mean(axis=0)))
    if not np.isfinite(torso):
        return np.zeros(4)
    arm = max(_length(points, ARMS), LEAST_ARM * torso) + HAND * torso
    step = SIDE_STEP * max(_length(points, LEGS), LEAST_LEG * torso)
    shoulders, hips = points[list(SHOULDERS)], points[list(HIPS)]
    around = AROUND * torso
    left = np.nanmin([*(shoulders[:, 0] - arm), *(hips[:, 0] - step), box[0] - around])
    right = np.nanmax([*(shoulders[:, 0] + arm), *(hips[:, 0] + step), box[2] + around])
    top = np.nanmin([*(shoulders[:, 1] - arm), box[1] - around])
    needed = np.array([left, top, right, box[3] + around])
    lacking = (needed - picture) * (-1, -1, 1, 1)
    most = MOST * max(picture[2:] - picture[:2])
    below = OPEN if confident(pose.body)[list(ANKLES)].any() else OPEN_LEGS
    is_open = _met(mask > 0.5, box, picture) <= (OPEN, OPEN, OPEN, below)
    return np.asarray(np.clip(lacking, 0, most) * is_open)


def _length(points: Float[np.ndarray, "18 2"], limbs: tuple[tuple[int, int, int], ...]) -> float:
    """Return the length of the limb that is seen at its longest, 0 where none is."""
    bones = [
        float(np.linalg.norm(points[a] - points[b]) + np.linalg.norm(points[b] - points[c]))
        for a, b, c in limbs
    ]
    return max((length for length in bones if np.isfinite(length)), default=0.0)


def _met(solid: Bool[np.ndarray, "h w"], box: Sides, picture: Sides) -> Sides:
    """Return how much of each border the character meets, in lengths of its longer side."""
    longer = float(max(box[2:] - box[:2]))
    left, top, right, bottom = np.round(picture).astype(int)
    met = [each.sum() for each in (solid[:, left], solid[top], solid[:, right - 1])]
    return np.array([*met, solid[bottom - 1].sum()]) / longer


def _ground_colour(loaded: LoadedImage) -> Colour | None:
    """Return the colour with which a picture goes on beyond its border; None where there is none.

    A transparent picture has been laid over one already.
    """
    rgb = loaded.rgb
    border: UInt8[np.ndarray, "n 3"] = np.concatenate([rgb[0], rgb[-1], rgb[:, 0], rgb[:, -1]])
    if loaded.alpha is not None:
        alpha = loaded.alpha
        ring = np.concatenate([alpha[0], alpha[-1], alpha[:, 0], alpha[:, -1]])
        if not (ring == 0).any():
            return None
        border = border[ring == 0]
    colour = np.median(border, axis=0).round().astype(int)
    apart = np.abs(border.astype(int) - colour).max(axis=1)
    if (apart <= SAME).mean() < MOSTLY:
        return None
    return int(colour[0]), int(colour[1]), int(colour[2])


def _by(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"
