"""Key points on disk: what is written is read back, and what is wrong is refused by name."""

import json
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from poses.errors import PoseError
from poses.io import (
    read_detections,
    read_pose,
    read_poses,
    write_clip,
    write_coco,
    write_openpose,
)
from poses.skeleton import COCO17
from poses.synthetic import walk
from poses.types import PoseSequence, missing_joints
from tests.pose_files import frame, person, save


@pytest.fixture
def dance():
    """Twelve frames with hands and face; frame 5 is empty and one wrist is missing."""
    body = walk(12).body
    body[3, 4] = (np.nan, np.nan, 0)
    body[5] = missing_joints(18)
    random = np.random.default_rng(1)
    parts = {
        name: np.concatenate(
            [random.uniform(1, 500, (12, joints, 2)), random.uniform(0.01, 1, (12, joints, 1))], -1
        )
        for name, joints in (("left_hand", 21), ("right_hand", 21), ("face", 70))
    }
    for part in parts.values():
        part[5] = missing_joints(part.shape[1])
    return PoseSequence(body=body, size=(512, 512), rate=Fraction(30000, 1001), **parts)


def assert_close(one, other, tolerance):
    for name in ("body", "left_hand", "right_hand", "face"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), atol=tolerance)


def test_a_clip_file_returns_the_same_poses_to_the_bit(dance, tmp_path):
    write_clip(dance, tmp_path / "dance.json")
    again = read_poses(tmp_path / "dance.json")
    assert_close(again, dance, 0)
    assert (again.size, again.rate) == (dance.size, dance.rate)


def test_an_openpose_folder_returns_the_same_poses_to_a_thousandth(dance, tmp_path):
    write_openpose(dance, tmp_path / "out", name="shot")
    again = read_poses(tmp_path / "out", rate=dance.rate)
    assert_close(again, dance, 0.0006)
    assert again.size == dance.size
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names[0] == "shot_000000000000_keypoints.json"
    assert len(names) == 12
    assert json.loads((tmp_path / "out" / names[5]).read_text())["people"] == []


def test_openpose_writes_zeros_for_a_missing_joint(dance, tmp_path):
    write_openpose(dance, tmp_path / "out")
    data = json.loads((tmp_path / "out" / "pose_000000000003_keypoints.json").read_text())
    assert data["people"][0]["pose_keypoints_2d"][12:15] == [0, 0, 0]
    assert (data["canvas_width"], data["canvas_height"]) == (512, 512)


def test_coco_keeps_the_seventeen_joints_and_finds_the_neck_again(dance, tmp_path):
    write_coco(dance, tmp_path / "coco.json")
    again = read_poses(tmp_path / "coco.json")
    others = [joint for joint in range(18) if joint != 1]
    np.testing.assert_allclose(again.body[:, others], dance.body[:, others], atol=0.0006)
    neck = (dance.body[0, 2, :2] + dance.body[0, 5, :2]) / 2
    np.testing.assert_allclose(again.body[0, 1, :2], neck, atol=0.0006)
    data = json.loads((tmp_path / "coco.json").read_text())
    assert data["categories"][0]["keypoints"] == list(COCO17.joints)
    assert len(data["annotations"]) == 11


def test_coco_whole_body_keeps_hands_and_face(dance, tmp_path):
    write_coco(dance, tmp_path / "whole.json", whole_body=True)
    again = read_poses(tmp_path / "whole.json")
    np.testing.assert_allclose(again.left_hand, dance.left_hand, atol=0.0006)
    np.testing.assert_allclose(again.face[:, :68], dance.face[:, :68], atol=0.0006)


def test_a_whole_body_annotation_with_lists_of_its_own_is_read(tmp_path):
    annotation = {
        "image_id": 1,
        "keypoints": person(17),
        "foot_kpts": [0] * 18,
        "face_kpts": person(68),
        "lefthand_kpts": person(21),
        "righthand_kpts": [0] * 63,
    }
    data = {"images": [{"id": 1, "width": 64, "height": 48}], "annotations": [annotation]}
    pose = read_pose(save(tmp_path / "a.json", data))
    assert pose.left_hand is not None
    assert pose.right_hand is None
    assert pose.face.shape == (70, 3)


def test_a_list_of_coco_results_needs_a_size_and_fills_ids_that_are_left_out(tmp_path):
    rows = [{"image_id": number, "keypoints": person(17), "score": 0.9} for number in (4, 6)]
    path = save(tmp_path / "results.json", rows)
    with pytest.raises(PoseError, match="no canvas size"):
        read_poses(path)
    sequence = read_poses(path, size=(64, 48))
    assert len(sequence) == 3
    assert np.isnan(sequence.body[1, :, 0]).all()


def test_body_25_loses_the_middle_of_the_hips_and_the_feet(tmp_path):
    pose = read_pose(save(tmp_path / "p.json", frame(person(25), canvas_width=99, canvas_height=9)))
    expected = [100 * (joint + 1) / 30 for joint in (0, 1, 2, 3, 4, 5, 6, 7, *range(9, 19))]
    np.testing.assert_allclose(pose.body[:, 0], expected)
    assert pose.size == (99, 9)


def test_normalised_values_become_pixels(tmp_path):
    data = frame(person(18, scale=1.0), canvas_width=300, canvas_height=200)
    pose = read_pose(save(tmp_path / "p.json", data))
    np.testing.assert_allclose(pose.body[0, :2], (10, 100))


def test_normalised_values_without_a_canvas_need_a_size(tmp_path):
    path = save(tmp_path / "p.json", frame(person(18, scale=1.0)))
    with pytest.raises(PoseError, match="normalised"):
        read_pose(path)
    np.testing.assert_allclose(read_pose(path, size=(300, 200)).body[0, :2], (10, 100))


def test_values_from_minus_one_are_refused(tmp_path):
    body = [value for _ in range(18) for value in (-0.8, 0.4, 1)]
    with pytest.raises(PoseError, match=r"-0\.8"):
        read_pose(save(tmp_path / "p.json", frame(body, canvas_width=64, canvas_height=64)))


def test_pixels_without_a_canvas_get_the_smallest_that_holds_them(tmp_path):
    assert read_pose(save(tmp_path / "p.json", frame(person()))).size == (61, 1)


def test_v15_frames_come_in_natural_order(tmp_path):
    for number in (9, 10, 8, 100, 99):
        save(
            tmp_path / f"f{number}.json",
            frame(person(scale=number), canvas_width=9, canvas_height=9),
        )
    for number in range(11, 99):
        save(
            tmp_path / f"f{number}.json",
            frame(person(scale=number), canvas_width=9, canvas_height=9),
        )
    first = read_poses(tmp_path).body[:, 0, 0] * 30
    np.testing.assert_allclose(first, np.arange(8, 101))


def test_v15_a_missing_frame_is_refused_by_number(tmp_path):
    for number in (0, 1, 2, 5):
        save(tmp_path / f"a_{number:03d}_keypoints.json", frame(person()))
    with pytest.raises(PoseError, match="lacks frames 3-4"):
        read_poses(tmp_path)
    save(tmp_path / f"a_{10**30}_keypoints.json", frame(person()))
    with pytest.raises(PoseError, match=f"lacks frames 3-4, 6-{10**30 - 1} "):
        read_poses(tmp_path)


def test_two_clips_in_one_folder_are_refused_by_name(tmp_path):
    for name in ("a_0", "b_0"):
        save(tmp_path / f"{name}.json", frame(person()))
    with pytest.raises(PoseError, match="several clips: a_, b_"):
        read_poses(tmp_path)


def test_one_file_with_a_list_of_openpose_frames_is_a_clip(tmp_path):
    frames = [frame(person(), canvas_width=64, canvas_height=64), {"people": []}]
    sequence = read_poses(save(tmp_path / "list.json", frames))
    assert len(sequence) == 2
    assert np.isnan(sequence.body[1, :, 0]).all()


def test_of_several_people_in_a_picture_the_largest_is_taken(tmp_path):
    both = {"people": [{"pose_keypoints_2d": person(scale=s)} for s in (50, 200)]}
    path = save(tmp_path / "two.json", both)
    assert read_pose(path).body[17, 0] == pytest.approx(120)
    assert read_detections(path).counts == (2,)


def test_several_people_in_a_clip_are_told_apart(tmp_path):
    near, far = walk(10), walk(10, height=0.4)
    for number in range(10):
        people = [
            {"pose_keypoints_2d": np.nan_to_num(pose.body).ravel().tolist()}
            for pose in ((near[number], far[number])[:: 1 if number % 2 else -1])
        ]
        data = {"people": people, "canvas_width": 512, "canvas_height": 512}
        save(tmp_path / f"{number}.json", data)
    np.testing.assert_allclose(read_poses(tmp_path).body, near.body)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("not json", "not valid JSON"),
        ("[" * 100_000, "not valid JSON"),
        ('{"people": [{"pose_keypoints_2d": [NaN, 1, 1]}]}', "holds NaN"),
        ('{"people": [{"pose_keypoints_2d": [Infinity, 1, 1]}]}', "holds Infinity"),
        ('{"people": [{"pose_keypoints_2d": [1e999, 1, 1]}]}', "holds inf"),
        ("[]", "holds 0 frames"),
        ({"shapes": []}, 'has no "people"'),
        ({"people": [{}] * 101}, "101 entries"),
        ({"people": 3}, '"people" is 3'),
        (frame(person(17)), "has 17 joints, not 18 or 25"),
        (frame([1.0] * 53), "53 numbers"),
        (frame(["1"] * 54), "holds '1'"),
        (frame([True] * 54), "holds True"),
        (frame([1e9] * 54), "holds 1000000000.0"),
        (frame(person(), canvas_width=10**9, canvas_height=5), "1000000000x5"),
        (frame(person(), canvas_width=10), "10xNone"),
        ([frame(person(), canvas_width=9, canvas_height=n) for n in (7, 8)], r"\(9, 7\), \(9, 8\)"),
        ({"format": "dtvideo-poses", "version": 2}, "version 2"),
        ({"format": "dtvideo-poses", "version": 1, "size": [5]}, r'"size" is \[5\]'),
    ],
)
def test_what_breaks_a_format_is_refused_with_file_and_value(tmp_path, data, words):
    with pytest.raises(PoseError, match=words) as caught:
        read_poses(save(tmp_path / "bad.json", data))
    assert caught.value.code == "P6"
    assert caught.value.exit_code == 3
    assert "bad.json" in str(caught.value)


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("frames", 13, "says 13 frames"),
        ("frames", [12], r"says \[12\] frames"),
        ("rate", "0/1", "rate '0/1'"),
        ("rate", "1/0", "rate '1/0'"),
        ("rate", 30, "rate 30"),
        ("rate", "1e999999999", "rate '1e999999999'"),
        ("body", [], '"body" has 0 frames'),
        ("body", [[None] * 17] * 12, "17 joints, not 18"),
        ("body", [[[1, 2]] * 18] * 12, "2 numbers"),
    ],
)
def test_what_breaks_a_clip_file_is_refused_with_the_value(dance, tmp_path, key, value, words):
    path = tmp_path / "clip.json"
    write_clip(dance, path)
    save(path, {**json.loads(path.read_text()), key: value})
    with pytest.raises(PoseError, match=words) as caught:
        read_poses(path)
    assert caught.value.code == "P6"


def test_a_file_too_large_is_refused_before_it_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr("poses.formats.safe_json.MAX_BYTES", 100)
    with pytest.raises(PoseError, match="bytes long"):
        read_poses(save(tmp_path / "big.json", " " * 101))


def test_nobody_in_any_frame_is_refused_in_every_format(dance, tmp_path):
    empty = replace(
        dance.with_body(missing_joints(12, 18)), left_hand=None, right_hand=None, face=None
    )
    write_clip(empty, tmp_path / "clip.json")
    write_openpose(empty, tmp_path / "folder")
    write_coco(empty, tmp_path / "coco.json")
    for name in ("clip.json", "folder", "coco.json"):
        with pytest.raises(PoseError) as caught:
            read_poses(tmp_path / name)
        assert caught.value.code == "P1"
        assert name in str(caught.value)


def test_a_path_that_is_not_there_is_named(tmp_path):
    with pytest.raises(PoseError, match=r"gone\.json: is not a file") as caught:
        read_poses(tmp_path / "gone.json")
    assert caught.value.code == "V1"


def test_a_folder_without_json_is_named(tmp_path):
    with pytest.raises(PoseError, match=r"no \.json files"):
        read_poses(tmp_path)


def test_a_folder_for_one_pose_is_refused(tmp_path):
    with pytest.raises(PoseError, match="is a folder"):
        read_pose(tmp_path)


def test_an_openpose_folder_with_files_is_never_written_into(dance, tmp_path):
    save(tmp_path / "mine.json", "{}")
    with pytest.raises(PoseError, match="not an empty folder") as caught:
        write_openpose(dance, tmp_path)
    assert caught.value.code == "F7"
    assert [path.name for path in tmp_path.iterdir()] == ["mine.json"]


def test_a_write_that_fails_leaves_the_old_file(dance, tmp_path, monkeypatch):
    path = save(tmp_path / "clip.json", "old")
    monkeypatch.setattr("poses.io.clip.clip_data", lambda sequence: {"bad": float("nan")})
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_clip(dance, path)
    assert path.read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_folder_that_is_not_there_is_refused_when_writing(dance, tmp_path):
    for write in (write_clip, write_openpose):
        with pytest.raises(PoseError, match="No such file") as caught:
            write(dance, tmp_path / "no" / "where")
        assert caught.value.code == "F3"


def test_a_joint_at_the_origin_is_missing_whatever_its_confidence(tmp_path):
    body = person()
    body[:3] = [0, 0, 0.9]
    pose = read_pose(save(tmp_path / "p.json", frame(body)))
    assert np.isnan(pose.body[0, :2]).all()
    assert pose.body[0, 2] == 0
