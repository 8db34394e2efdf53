"""Hair that falls behind a body hangs from its head; what only looks like it stays where it is."""

import cv2
import numpy as np
import pytest

from dtvideo.puppet import Puppet
from tests.upright import ANKLE, HIP, SIDE, body, pose

GROUND, SKIN, CLOTH, HAIR = (200, 220, 240), (230, 190, 160), (60, 90, 200), (120, 60, 30)
SIDES = ("right", "left")


def figure(*, hair: bool = True, fur: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Draw it with hair to its hips, with a cap of hair alone, or all in fur."""
    image = np.full((SIDE, SIDE, 3), GROUND, np.uint8)
    skin, cloth = (HAIR, HAIR) if fur else (SKIN, CLOTH)
    if hair:
        cv2.rectangle(image, (46, 26), (82, HIP), HAIR, -1)
    for x in (57, 71):
        cv2.rectangle(image, (x - 4, HIP), (x + 4, ANKLE + 2), cloth, -1)
    cv2.rectangle(image, (53, 40), (75, HIP), cloth, -1)
    cv2.rectangle(image, (24, 41), (104, 47), skin, -1)
    cv2.circle(image, (64, 26), 14, HAIR, -1)
    cv2.circle(image, (64, 29), 9, SKIN, -1)
    return image, (image != GROUND).any(axis=2).astype(float)


def cut(**worn: bool) -> Puppet:
    return Puppet.prepare(*figure(**worn), pose(body()))


def leaning() -> np.ndarray:
    """Return the same figure whose trunk, arms and head lean by 60 degrees about its hips."""
    joints = body()
    upper = [0, 1, 2, 3, 4, 5, 6, 7, 14, 15, 16, 17]
    turn = np.radians(60)
    matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    joints[upper, :2] = (joints[upper, :2] - (64, HIP)) @ matrix.T + (64, HIP)
    return joints


def is_hair(picture: np.ndarray) -> np.ndarray:
    return np.abs(picture[..., :3].astype(int) - HAIR).max(axis=-1) < 8


def test_hair_hangs_down_from_a_head_that_leans() -> None:
    puppet = cut()
    assert "hair" in puppet.parts
    rows, columns = np.nonzero(is_hair(puppet.frame(pose(leaning()))))
    head = leaning()[[16, 17], 0].mean()
    beneath = columns[rows > leaning()[[16, 17], 1].mean() + 20]
    assert len(beneath) > 200
    assert abs(np.median(beneath) - head) < 20  # a trunk that leans would take it 30 pixels off


def arms_down(*, sleeve: tuple[int, int, int] = SKIN) -> dict[str, np.ndarray]:
    """Return a figure with arms before its hair, cut into RGBA; sleeve: of its left upper arm."""
    joints = body()
    joints[3:5, :2] = (51, 56), (49, 70)
    joints[6:8, :2] = (77, 56), (79, 70)
    image = np.full((SIDE, SIDE, 3), GROUND, np.uint8)
    cv2.rectangle(image, (38, 26), (90, HIP), HAIR, -1)
    cv2.rectangle(image, (57, 40), (71, ANKLE + 2), CLOTH, -1)
    for bones, colour in (((2, 3, 4), SKIN), ((6, 7), SKIN), ((5, 6), sleeve)):
        line = joints[list(bones), :2].astype(np.int32)
        cv2.polylines(image, [line], isClosed=False, color=colour, thickness=5)
    cv2.circle(image, (64, 26), 14, HAIR, -1)
    cv2.circle(image, (64, 29), 9, SKIN, -1)
    mask = (image != GROUND).any(axis=2).astype(float)
    parts = Puppet.prepare(image, mask, pose(joints)).parts
    return {name: part.own.pixels for name, part in parts.items()}


def test_an_arm_that_hangs_before_hair_takes_none_of_it_along() -> None:
    """Hair is on both sides of the arm, so that no outline tells how thick the arm is."""
    parts = arms_down()
    arms = [parts[f"{side}_{bone}"] for side in SIDES for bone in ("upper_arm", "forearm")]
    taken = [is_hair(255 * arm)[arm[..., 3] > 0.5].mean() for arm in arms]
    assert np.mean(taken) < 0.1  # with the whole of what an arm could be it is 0.6


def test_a_sleeve_of_the_colour_of_hair_stays_with_its_arm() -> None:
    parts = arms_down(sleeve=HAIR)
    assert "hair" in parts
    plain, alike = (parts[f"{side}_upper_arm"][..., 3].sum() for side in SIDES)
    assert alike > 0.8 * plain


def test_the_reference_pose_gives_the_reference_back() -> None:
    image, mask = figure()
    frame = cut().frame(pose(body()))
    assert np.abs(frame.astype(int) - image)[mask > 0].mean() < 1


@pytest.mark.parametrize("worn", [{"hair": False}, {"fur": True}], ids=["cap", "fur"])
def test_a_cap_of_hair_and_fur_are_no_hair_that_falls(worn: dict[str, bool]) -> None:
    assert "hair" not in cut(**worn).parts


def test_a_head_alone_is_cut_without_a_word() -> None:
    """Neither torso nor arms are known, so that nothing of them can have the colour of hair."""
    joints = body()
    joints[1:14] = (np.nan, np.nan, 0.0)
    image, mask = figure()
    assert "head" in Puppet.prepare(image, mask, pose(joints)).parts


def test_hair_is_behind_the_body_and_over_one_that_is_seen_from_behind() -> None:
    puppet, turned = cut(), body()
    assert not is_hair(puppet.frame(pose(body()))[55:65, 60:68]).any()
    turned[:, 0] = 2 * 64 - turned[:, 0]
    assert is_hair(puppet.frame(pose(turned))[55:65, 60:68]).mean() > 0.5
