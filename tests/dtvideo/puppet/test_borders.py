import cv2
import numpy as np

from dtvideo.puppet import Puppet
from dtvideo.puppet.borders import along_edges, closed, in_one_piece
from poses.types import Pose

SIDE = 128
GROUND, SKIN, CLOTH, WING = (200, 220, 240), (230, 190, 160), (60, 90, 200), (120, 60, 30)


def body() -> np.ndarray:
    """A figure that stands upright, its arms held down, a little away from it."""
    points = [
        (64, 26), (64, 40), (54, 43), (44, 56), (40, 70), (74, 43), (84, 56), (88, 70), (58, 76),
        (58, 94), (58, 112), (70, 76), (70, 94), (70, 112), (61, 24), (67, 24), (54, 26), (74, 26),
    ]  # fmt: skip
    return np.column_stack([np.array(points, dtype=float), np.ones(18)])


def arms_raised() -> np.ndarray:
    """The same, both arms straight up from the shoulders and out."""
    joints = body()
    for shoulder, elbow, wrist, way in ((2, 3, 4, -1), (5, 6, 7, 1)):
        joints[elbow, :2] = joints[shoulder, :2] + (way * 12, -12)
        joints[wrist, :2] = joints[shoulder, :2] + (way * 24, -22)
    return joints


def figure() -> np.ndarray:
    """Draw it with wings behind its arms that reach a torso's length beyond them."""
    image = np.full((SIDE, SIDE, 3), GROUND, np.uint8)
    for tip, root in ((4, 60), (124, 68)):
        cv2.fillPoly(image, [np.array([(root, 44), (tip, 40), (tip, 66), (root, 74)])], WING)
    points = body()[:, :2].astype(int).tolist()
    for start, end in ((8, 9), (9, 10), (11, 12), (12, 13)):
        cv2.line(image, points[start], points[end], CLOTH, 9)
    cv2.rectangle(image, (52, 39), (76, 78), CLOTH, -1)
    for start, end in ((2, 3), (3, 4), (5, 6), (6, 7)):
        cv2.line(image, points[start], points[end], SKIN, 7)
    cv2.circle(image, (64, 24), 13, SKIN, -1)
    return image


def pose(joints: np.ndarray) -> Pose:
    return Pose(body=joints + np.array((0.5, 0.5, 0.0)), size=(SIDE, SIDE))


def cut() -> Puppet:
    image = figure()
    mask = (image != GROUND).any(axis=2).astype(float)
    return Puppet.prepare(image, mask, pose(body()))


def is_near(picture: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    return np.asarray(np.abs(picture.astype(int) - colour).max(axis=2) < 24)


def test_wings_behind_the_arms_stay_when_the_arms_rise() -> None:
    """They reach farther from the arms than flesh does, so they are the trunk's."""
    before, after = is_near(figure(), WING), is_near(cut().frame(pose(arms_raised())), WING)
    far = np.abs(np.arange(SIDE) - 64) > 44  # a torso's length outside the arms
    assert before[:, far].sum() > 300
    assert (after & before)[:, far].sum() > 0.9 * before[:, far].sum()


def test_a_border_runs_along_the_nearest_edge_of_the_picture() -> None:
    """Two parts meet in column 20 by their scores; the colour changes in column 22."""
    inside = np.zeros((30, 40), bool)
    inside[2:28, 3:37] = True
    picture = np.full((30, 40, 3), CLOTH, np.uint8)
    picture[:, 22:] = SKIN
    picture[~inside] = GROUND
    columns = np.broadcast_to(np.arange(40) - 19.5, (30, 40))
    scores = 0.5 + np.stack([columns, -columns]) / 25  # 3.75 columns are 0.3 apart
    owner = along_edges(picture, scores, inside)
    assert not owner[4:26, 3:21].any()  # the border itself may lie on either side of the edge
    assert owner[4:26, 22:37].all()


def test_an_edge_out_of_reach_moves_no_border() -> None:
    picture = np.full((30, 40, 3), CLOTH, np.uint8)
    picture[:, 30:] = SKIN
    columns = np.broadcast_to(np.arange(40) - 19.5, (30, 40))
    owner = along_edges(picture, 0.5 + np.stack([columns, -columns]) / 25, np.ones((30, 40), bool))
    assert owner[:, 24:].all()
    assert not owner[:, :16].any()


def test_a_small_piece_that_hangs_apart_goes_with_what_lies_around_it() -> None:
    owner = np.zeros((20, 20), np.int64)
    owner[:, 12:] = 1
    owner[5:7, 4:6] = 1
    settled = in_one_piece(owner, np.ones((20, 20), bool), 2)
    assert not settled[:, :12].any()
    assert settled[:, 12:].all()


def test_only_gaps_that_are_narrow_enough_are_closed() -> None:
    region = np.zeros((40, 60), bool)
    region[5:35, 5:20] = region[5:35, 26:40] = region[5:35, 52:] = True  # gaps of 6 and of 12
    filled = closed(region, reach=4.0)
    assert filled[10:30, 5:40].all()
    assert not filled[:, 40:52].any()
    np.testing.assert_array_equal(filled[region], True)
