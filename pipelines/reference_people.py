"""Who is in the reference picture, and which of them is the character."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float32, UInt8
from scipy import ndimage

from dtvideo.errors import MediaError
from dtvideo.images import LoadedImage
from dtvideo.segmentation import separate_figures
from pipelines.character_job import CharacterJob
from pipelines.detectors import load_detector
from poses.crowd import find_everyone, paint_out
from poses.detectors import PoseDetector
from poses.errors import PoseError
from poses.people import box_of, height_of
from poses.select import PersonChoice, choose_pose
from poses.skeleton import CORE_JOINTS
from poses.types import Pose, confident

REFERENCE_DETECTORS = ("toon", "mediapipe")
UPPER_CORE = (0, 1, 2, 5)
MINIMUM_JOINTS = 6
MINIMUM_INSIDE = 0.6
DOUBTFUL = 0.75
"""Mean confidence of nose, neck, shoulders and hips below which a pose is doubtful.

`dtvideo evaluate keypoints --cut` measures it: 0.98 of drawn figures that end at the knees, 0.90 at
the hips, 0.95 at the chest, 0.75 at the neck.
"""
MOSTLY = 0.5  # of a picture's border: a mask with more is that of its ground
EDGE = 1 / 64  # of the shorter side: what is painted over around a figure
GAP, LEAST_HEIGHT = 0.15, 0.5  # in heights of a person: to the next, and of the next
SURE, SURE_JOINTS = 0.7, 12  # of who is looked for beside a person
LEAST_STRIP = 16  # pixels
MARGIN = 0.1  # of a figure's height, around it, when it is looked at alone

Picture = UInt8[np.ndarray, "h w 3"]
Figure = Bool[np.ndarray, "h w"]


@dataclass(frozen=True, eq=False)
class People:
    """The people in the reference picture, the largest first, and which of them is meant.

    figures: what stands apart on a plain ground, the largest first; whether people or not.
    """

    people: tuple[Pose, ...] = ()
    index: int = 0
    method: str = ""
    tried: tuple[str, ...] = ()
    figures: tuple[Figure, ...] = ()

    @property
    def pose(self) -> Pose | None:
        """The one who is meant."""
        return self.people[self.index] if self.people else None

    @property
    def sureness(self) -> float:
        """How surely the one who is meant is seen, from 0 to 1; 0 of nobody."""
        return 0.0 if self.pose is None else core_confidence(self.pose)

    @property
    def doubt(self) -> str | None:
        """What speaks against the pose, where something does; one that was given is believed."""
        if self.pose is None or not self.method or self.sureness >= DOUBTFUL:
            return None
        return f"the pose that {self.method} found is doubtful (confidence {self.sureness:.2f})"

    @property
    def are_several(self) -> bool:
        """Whether there is more than one to choose from."""
        return len(self.people) > 1 or len(self.figures) > 1

    @property
    def notices(self) -> tuple[str, ...]:
        """What to tell where there are several: how many, who is used, how to choose another."""
        count = len(self.people)
        if count > 1:
            which = "the largest" if self.index == 0 else "as chosen"
            told = f"{count} people in the picture; person {self.index + 1} is used, {which}"
            return (f"{told} (choose by --ref-person, or crop the picture)",)
        if len(self.figures) > 1:
            columns = np.flatnonzero(self.figures[self.chosen_figure].any(axis=0))
            side = "left" if columns.mean() < self.figures[0].shape[1] / 2 else "right"
            told = f"{len(self.figures)} figures in the picture; the one on the {side} is used"
            return (f"{told} (choose by --ref-mask or --ref-pose, or crop the picture)",)
        return ()

    @property
    def chosen_figure(self) -> int:
        """The index of the figure that the pose lies on; the largest without a pose."""
        if self.pose is None:
            return 0
        return int(np.argmax([share_on(self.pose, figure) for figure in self.figures]))


def core_confidence(pose: Pose) -> float:
    """Return the mean confidence of nose, neck, shoulders and hips.

    Hips that are not found do not count, for they may be below the picture; the others count as 0.
    """
    core = pose.body[list(CORE_JOINTS)]
    shown = confident(core) | np.isin(CORE_JOINTS, UPPER_CORE)
    return float(np.where(confident(core), core[:, 2], 0.0)[shown].mean())


def people_in_picture(
    job: CharacterJob,
    seen: LoadedImage,
    mask: Float32[np.ndarray, "h w"],
    *,
    given: Pose | None = None,
    person: PersonChoice | None = None,
) -> People:
    """Look with one detector after another until one is sure of someone on the mask.

    Where none is sure, the first that found someone is believed. given: the character's pose, where
    it is known; then nobody is looked for. person: who is meant, a place in pixels of `seen`.
    Raises: PoseError R12 when there are several, none is chosen, and the job is strict; P3 when
    the chosen one is not there; MediaError R5 when a mask that was given is white around a person.
    """
    figures = () if job.reference_mask else separate_figures(seen)
    if given is not None:
        return People((given,), figures=figures)
    tried = (job.reference_detector,) if job.reference_detector else REFERENCE_DETECTORS
    asked = job.reference_mask is None or person is not None
    believed = People(tried=tried, figures=figures)
    for name in tried:
        poses = _find(load_detector(name), seen.rgb, figures)
        whole = [pose for pose in poses if confident(pose.body).sum() >= MINIMUM_JOINTS]
        on_mask = [pose for pose in whole if is_on(pose, mask)]
        if not on_mask:
            _check_side(job, whole, mask)
            continue
        people = tuple(sorted(whole if asked else on_mask, key=height_of, reverse=True))
        found = People(people, 0, name, tried, figures)
        if found.doubt is None or not believed.people:
            believed = found
        if found.doubt is None:
            break
    return _chosen(job, believed, person)


def _check_side(job: CharacterJob, people: list[Pose], mask: Float32[np.ndarray, "h w"]) -> None:
    """Raise MediaError R5 where a mask that was given is white around people and black on them."""
    if job.reference_mask is None:
        return
    border = np.concatenate([mask[0], mask[-1], mask[:, 0], mask[:, -1]]) > 0.5
    if border.mean() > MOSTLY and any(is_on(pose, 1 - mask) for pose in people):
        problem = "is black where the person is and white around"
        remedy = "paint the character white, the rest black"
        raise MediaError("R5", job.reference_mask, problem, remedy)


def _chosen(job: CharacterJob, found: People, person: PersonChoice | None) -> People:
    """Return people with the one who is meant.

    Raises: PoseError R12, P3 as `people_in_picture`.
    """
    count = len(found.people)
    if count > 1 and job.strict and person is None:
        remedy = "choose with --ref-person"
        raise PoseError("R12", job.reference, f"shows {count} people", remedy)
    if not count:
        return found
    index = choose_pose(found.people, person or "largest", subject="--ref-person")
    return replace(found, index=index)


def without_others(seen: LoadedImage, found: People) -> LoadedImage:
    """Return the picture with everyone painted out who is not meant."""
    if len(found.figures) > 1:
        kept = found.figures[found.chosen_figure]
        return _only(seen, kept, found.figures)
    image = seen.rgb
    for index, pose in enumerate(found.people):
        if index != found.index:
            image = paint_out(image, pose)
    if seen.alpha is None:
        return replace(seen, rgb=image)
    painted = (image != seen.rgb).any(axis=2)
    return replace(seen, rgb=image, alpha=np.where(painted, np.uint8(0), seen.alpha))


def is_on(pose: Pose, mask: Float32[np.ndarray, "h w"]) -> bool:
    """Tell whether enough of a person's joints lie on the mask for it to be the character."""
    return share_on(pose, mask > 0.5) >= MINIMUM_INSIDE


def share_on(pose: Pose, figure: Figure) -> float:
    """Return the share of a person's known joints that lie on a figure."""
    height, width = figure.shape
    known = pose.body[confident(pose.body), :2].astype(int)
    columns, rows = known[:, 0].clip(0, width - 1), known[:, 1].clip(0, height - 1)
    return float(figure[rows, columns].mean())


def _find(detector: PoseDetector, image: Picture, figures: tuple[Figure, ...]) -> list[Pose]:
    """Return everyone; where figures stand apart, each is looked at alone."""
    finds_one = getattr(detector, "finds_one", False)
    found = find_everyone(detector, image) if finds_one else detector.detect(image)
    if len(found) < 2 and len(figures) > 1:
        alone = [_look_at(detector, image, figure, figures) for figure in figures]
        return [pose for pose in alone if pose is not None]
    if len(found) != 1:
        return found
    return _apart(detector, image, found[0]) or found + _beside(detector, image, found[0])


def _apart(detector: PoseDetector, image: Picture, pose: Pose) -> list[Pose]:
    """Return who is left and right of a pose's middle, where each is seen more surely than it.

    Of two people, a detector that looks for one may take some joints of each: it is surer of
    either alone. One person is seen less surely when cut in half.
    """
    left, _, right, _ = box_of(pose)
    middle, width = round((left + right) / 2), image.shape[1]
    halves = [_in_columns(detector, image, *edges) for edges in ((0, middle), (middle, width))]
    two = [found[0] for found in halves if len(found) == 1]
    height = max(map(height_of, two), default=0.0)
    if len(two) == 2 and all(
        _is_sure(one, height) and _sureness(one) > _sureness(pose) for one in two
    ):
        return two
    return []


def _beside(detector: PoseDetector, image: Picture, pose: Pose) -> list[Pose]:
    """Return who is surely seen left and right of a person, where there is room for another."""
    left, _, right, _ = box_of(pose)
    height = height_of(pose)
    edges = (0, max(0, round(left - GAP * height))), (round(right + GAP * height), image.shape[1])
    further = []
    for begin, end in edges:
        if end - begin >= LEAST_HEIGHT * height:
            found = _in_columns(detector, image, begin, end)
            further += [one for one in found if _is_sure(one, height)]
    return further


def _in_columns(detector: PoseDetector, image: Picture, begin: int, end: int) -> list[Pose]:
    """Return who is seen in an upright strip of a picture; nobody in a very narrow one."""
    if end - begin < LEAST_STRIP:
        return []
    found = detector.detect(np.ascontiguousarray(image[:, begin:end]))
    return [_shifted(one, begin, 0, image) for one in found]


def _sureness(pose: Pose) -> float:
    """Return the mean confidence; joints that are not known count as none."""
    return float(pose.body[:, 2].mean())


def _is_sure(pose: Pose, height: float) -> bool:
    known = confident(pose.body)
    sure = pose.body[known, 2].mean() >= SURE and known.sum() >= SURE_JOINTS
    return bool(sure and height_of(pose) >= LEAST_HEIGHT * height)


def _shifted(pose: Pose, left: int, top: int, image: Picture) -> Pose:
    """Return the body of a pose that was found in a part of a picture."""
    body = pose.body + np.array([left, top, 0])
    return Pose(body=body, size=(image.shape[1], image.shape[0]))


def _look_at(
    detector: PoseDetector, image: Picture, figure: Figure, figures: tuple[Figure, ...]
) -> Pose | None:
    """Return the pose that lies best on one figure, or None."""
    rows, columns = np.nonzero(figure)
    margin = round(MARGIN * (np.ptp(rows) + 1))
    top, left = max(0, int(rows.min()) - margin), max(0, int(columns.min()) - margin)
    part = np.s_[top : rows.max() + margin + 1, left : columns.max() + margin + 1]
    alone = _only(LoadedImage(image), figure, figures).rgb[part]
    seen = detector.detect(np.ascontiguousarray(alone))
    found = [_shifted(pose, left, top, image) for pose in seen]
    return max(found, key=lambda pose: share_on(pose, figure), default=None)


def _only(seen: LoadedImage, kept: Figure, figures: tuple[Figure, ...]) -> LoadedImage:
    """Return the picture with one figure left, the ground beside the others laid over them."""
    others = np.any([figure for figure in figures if figure is not kept], axis=0)
    edge = 2 * max(2, round(EDGE * min(kept.shape))) + 1
    hidden = ndimage.maximum_filter(others.astype(np.uint8), size=edge).astype(bool) & ~kept
    rows, columns = ndimage.distance_transform_edt(
        hidden | kept, return_distances=False, return_indices=True
    )
    rgb = np.where(hidden[..., None], seen.rgb[rows, columns], seen.rgb)
    alpha = None if seen.alpha is None else np.where(hidden, np.uint8(0), seen.alpha)
    return replace(seen, rgb=rgb, alpha=alpha)
