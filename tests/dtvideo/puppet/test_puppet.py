import cv2
import numpy as np
import pytest

from dtvideo.metrics import foreground_psnr, psnr
from dtvideo.puppet import Puppet, coarse_frame, puppet
from dtvideo.puppet.cut import fill_ground
from dtvideo.toon.world import sample_scene, scene_drawings
from poses.types import Pose, missing_joints

GROUND = (200, 220, 240)
ARM = (220, 60, 40)
SIZE = 96


def body() -> np.ndarray:
    """A figure in a 96 x 96 picture with its arms held straight out."""
    points = [
        (48, 20), (48, 30), (38, 32), (26, 32), (14, 32), (58, 32), (70, 32), (82, 32), (42, 56),
        (42, 70), (42, 84), (54, 56), (54, 70), (54, 84), (45, 18), (51, 18), (41, 19), (55, 19),
    ]  # fmt: skip
    return np.column_stack([np.array(points, dtype=float), np.ones(18)])


def pose(joints: np.ndarray | None = None) -> Pose:
    """Joints lie in the middle of pixels, which is .5 in a pose."""
    joints = body() if joints is None else joints
    return Pose(body=joints + np.array((0.5, 0.5, 0.0)), size=(SIZE, SIZE))


def picture() -> tuple[np.ndarray, np.ndarray]:
    """Blocks for head, torso, legs and, in another colour, the picture's left arm."""
    image = np.full((SIZE, SIZE, 3), GROUND, np.uint8)
    mask = np.zeros((SIZE, SIZE))
    blocks = [
        ((38, 12, 20, 17), (240, 200, 170)),
        ((37, 29, 23, 28), (60, 90, 200)),
        ((39, 57, 7, 30), (70, 70, 80)),
        ((51, 57, 7, 30), (70, 70, 80)),
        ((10, 29, 27, 7), ARM),
        ((60, 29, 27, 7), (60, 200, 90)),
    ]
    for (left, top, width, height), colour in blocks:
        image[top : top + height, left : left + width] = colour
        mask[top : top + height, left : left + width] = 1
    return image, mask


def arm_raised() -> Pose:
    """The picture's left arm turned by 90 degrees about its shoulder, to point up."""
    joints = body()
    joints[3, :2], joints[4, :2] = (38, 20), (38, 8)
    return pose(joints)


def colour_at(image: np.ndarray, x: int, y: int) -> tuple[int, ...]:
    return tuple(int(value) for value in image[y, x, :3])


def test_an_arm_turned_by_a_right_angle_lies_where_it_should() -> None:
    image, mask = picture()
    moved = coarse_frame(image, mask, pose(), arm_raised())
    for x, y in ((38, 10), (36, 14), (40, 14)):
        assert colour_at(moved, x, y) == pytest.approx(ARM, abs=12)
    for x, y in ((14, 32), (24, 32)):
        assert colour_at(moved, x, y) == pytest.approx(GROUND, abs=6)


def test_the_alpha_covers_the_moved_arm_and_not_its_old_place() -> None:
    image, mask = picture()
    moved = puppet(image, mask, pose(), arm_raised())
    assert moved[12, 38, 3] > 240
    assert moved[32, 14, 3] == 0


def test_a_large_head_leaves_a_thin_arm_its_hand() -> None:
    """In its own widths the hand is farther from its bone than from such a head, or the torso."""
    joints = body()
    joints[:, :2] = [
        (48, 30), (48, 54), (41, 57), (37, 67), (33, 76), (55, 57), (59, 67), (63, 76), (44, 74),
        (44, 83), (44, 92), (52, 74), (52, 83), (52, 92), (42, 26), (54, 26), (24, 28), (72, 28),
    ]  # fmt: skip
    mask = np.zeros((SIZE, SIZE), np.uint8)
    cv2.circle(mask, (48, 28), 25, 1, -1)
    for start, end in ((2, 3), (3, 4), (5, 6), (6, 7), (8, 10), (11, 13)):
        ends = (tuple(int(value) for value in joints[at, :2]) for at in (start, end))
        cv2.line(mask, *ends, 1, 4)
    cv2.rectangle(mask, (42, 54), (54, 75), 1, -1)
    for x, y in ((30, 83), (66, 83)):
        cv2.circle(mask, (x, y), 6, 1, -1)
    image = np.where(mask[..., None] > 0, np.uint8(90), np.array(GROUND, np.uint8))
    raised = joints.copy()
    raised[[3, 4], :2], raised[[6, 7], :2] = ((31, 57), (21, 57)), ((65, 57), (75, 57))
    alpha = puppet(image, mask.astype(float), pose(joints), pose(raised))[..., 3]
    assert alpha[77:90, 24:37].max() == 0
    assert alpha[77:90, 60:73].max() == 0
    assert alpha[57, 15] == alpha[57, 81] == 255


def test_a_body_twice_as_far_away_is_half_as_large() -> None:
    image, mask = picture()
    joints = body()
    joints[:, :2] = 24 + joints[:, :2] / 2
    alpha = puppet(image, mask, pose(), pose(joints))[..., 3] / 255
    assert alpha.sum() == pytest.approx(mask.sum() / 4, rel=0.08)


def test_an_arm_turned_by_a_right_angle_is_its_picture_turned_to_the_pixel() -> None:
    """Half a pixel between the coordinates of poses and of pictures would show twice."""
    image, mask = picture()
    alpha = puppet(image, mask, pose(), arm_raised())[..., 3]
    arm = mask[26:39, 10:18]  # about the row of its bone, which becomes column 38
    np.testing.assert_allclose(alpha[4:12, 32:45] / 255, arm.T, atol=0.02)


def test_the_reference_pose_gives_the_reference_back() -> None:
    image, mask = picture()
    assert psnr(coarse_frame(image, mask, pose(), pose()), image) > 45
    for identity in (1_000_000, 1_000_007, 1_000_020):
        drawing = scene_drawings(sample_scene(identity, split="held-out"), 1)[0]
        found = coarse_frame(drawing.image, drawing.mask, drawing.pose, drawing.pose)
        assert foreground_psnr(found, drawing.image, mask=drawing.mask) > 33


def test_coarse_frames_beat_copying_on_drawn_characters() -> None:
    gains = []
    for identity in range(1_000_000, 1_000_006):
        first, *others = scene_drawings(sample_scene(identity, split="held-out"), 4)
        prepared = Puppet.prepare(first.image, first.mask, first.pose)
        gains += [
            psnr(prepared.frame(other.pose), other.image) - psnr(first.image, other.image)
            for other in others
        ]
    assert np.mean(gains) > 2


def test_pure_functions_and_the_prepared_puppet_agree() -> None:
    image, mask = picture()
    prepared = Puppet.prepare(image, mask, pose())
    target = arm_raised()
    np.testing.assert_array_equal(prepared.frame(target), coarse_frame(image, mask, pose(), target))
    np.testing.assert_array_equal(prepared.pose(target), puppet(image, mask, pose(), target))


def test_a_forearm_without_target_follows_its_upper_arm() -> None:
    image, mask = picture()
    joints = arm_raised().body.copy()
    joints[4] = missing_joints(1)[0]
    moved = coarse_frame(image, mask, pose(), pose(joints))
    assert colour_at(moved, 38, 10) == pytest.approx(ARM, abs=12)


def test_without_any_joint_the_reference_stays() -> None:
    image, mask = picture()
    nothing = pose(missing_joints(18))
    assert psnr(coarse_frame(image, mask, pose(), nothing), image) > 45
    assert psnr(coarse_frame(image, mask, nothing, pose()), image) > 45


def test_poses_of_another_canvas_are_scaled_to_the_picture() -> None:
    image, mask = picture()
    joints = arm_raised().body * (4, 4, 1)
    large = Pose(body=joints, size=(4 * SIZE, 4 * SIZE))
    np.testing.assert_array_equal(
        coarse_frame(image, mask, pose(), large), coarse_frame(image, mask, pose(), arm_raised())
    )


def test_the_ground_behind_the_character_is_filled() -> None:
    image, mask = picture()
    ground = Puppet.prepare(image, mask, pose()).ground
    np.testing.assert_array_equal(ground, np.full_like(ground, GROUND))


def test_rows_are_filled_in_a_straight_line_between_their_ends() -> None:
    """A ramp goes on as it was; beyond the last pixel seen its colour stays."""
    ramp = np.broadcast_to(np.arange(0, 192, 2, dtype=np.uint8)[:, None], (SIZE, SIZE, 3))
    ramp = np.ascontiguousarray(ramp.transpose(1, 0, 2))
    mask = np.zeros((SIZE, SIZE))
    mask[40:50, 30:60] = 1
    np.testing.assert_allclose(fill_ground(ramp, mask).astype(int), ramp, atol=4)
    mask[40:50, 60:] = 1
    filled = fill_ground(ramp, mask)
    np.testing.assert_allclose(filled[45, 30:], np.broadcast_to(ramp[45, 28], (66, 3)), atol=3)


def test_a_cut_does_not_depend_on_the_room_around_the_character() -> None:
    """Only the box around it is looked at."""
    image, mask = picture()
    roomy = np.pad(image, ((20, 9), (31, 5), (0, 0)), mode="edge")
    room = Pose(body=np.add(pose().body, (31, 20, 0)), size=(SIZE + 36, SIZE + 29))
    small = Puppet.prepare(image, mask, pose())
    large = Puppet.prepare(roomy, np.pad(mask, ((20, 9), (31, 5))), room)
    assert small.parts.keys() == large.parts.keys()
    for name, part in small.parts.items():
        other = large.parts[name].own
        np.testing.assert_array_equal(part.own.pixels, other.pixels)
        assert other.origin == (part.own.origin[0] + 62, part.own.origin[1] + 40)


@pytest.mark.parametrize("feet", [False, True])
def test_a_portrait_goes_on_below_its_border_and_a_standing_figure_does_not(feet) -> None:
    """Cut off at the hips and moved up by ten pixels: what comes in from below is trunk."""
    waist, shift = 57, 10
    image, mask = (each[:waist] for each in picture())
    joints = body()
    if not feet:
        joints[[9, 10, 12, 13]] = (np.nan, np.nan, 0)
    own, moved = (
        Pose(body=joints + np.array((0.5, 0.5 - up, 0.0)), size=(SIZE, waist)) for up in (0, shift)
    )
    frame = coarse_frame(image, mask, own, moved)
    trunk = (60, 90, 200)
    assert colour_at(frame, 48, waist - shift - 3) == pytest.approx(trunk, abs=12)
    below = [colour_at(frame, 48, row) for row in range(waist - shift + 2, waist)]
    assert [colour == pytest.approx(trunk, abs=12) for colour in below] == [not feet] * len(below)


def test_an_empty_mask_leaves_the_ground_alone() -> None:
    image, mask = picture()
    np.testing.assert_array_equal(coarse_frame(image, 0 * mask, pose(), arm_raised()), image)


def test_hardly_a_part_has_scraps_that_hang_apart_from_it() -> None:
    """By distances alone the rim of a fist may be the hip's, and stays behind when the arm goes."""
    scraps = parts = 0
    for identity in range(1_000_000, 1_000_010):
        drawing = scene_drawings(sample_scene(identity, split="held-out"), 1)[0]
        cut = Puppet.prepare(drawing.image, drawing.mask, drawing.pose)
        for name, part in cut.parts.items():
            if not name.endswith(("hand", "foot")):  # those are cut off their limbs
                own = (part.own.pixels[..., 3] > 0).astype(np.uint8)
                areas = cv2.connectedComponentsWithStats(own, connectivity=4)[2][
                    1:, cv2.CC_STAT_AREA
                ]
                scraps += int((areas < 0.2 * areas.max()).sum())
                parts += 1
    assert scraps < 0.05 * parts
