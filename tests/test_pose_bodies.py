"""The rendered people that a detector is measured on are where their key points say."""

import importlib.util
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dtvideo.toon.world.figure import BODY_DIRECTIONS, stance_from, standing
from dtvideo.toon.world.motion import motion_by_name
from poses.skeleton import BODY18
from poses.types import PoseSequence, missing_joints

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
ARM = (1.0, 0.0, 0.0)
ARM_OUT = stance_from(left_upper_arm=ARM, left_forearm=ARM)
WHITE = np.full((480, 480, 3), 255, np.uint8)
LIMBS = {
    "right_upper_arm": (2, 3),
    "left_forearm": (6, 7),
    "right_thigh": (8, 9),
    "left_shin": (12, 13),
}


@pytest.fixture(scope="module")
def bodies():
    yield from _loaded("bodies")


@pytest.fixture(scope="module")
def benchmark(bodies):
    others = [_loaded(name) for name in ("pose_truth", "pose_seen")]
    for one in others:
        next(one)
    yield from _loaded("pose_bodies")
    for one in others:
        next(one, None)


def _loaded(name):
    spec = importlib.util.spec_from_file_location(name, BENCHMARKS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[name]


def test_a_board_is_drawn_where_its_corners_are_seen(bodies):
    board = bodies.Board(left=-0.4, right=0.25, top=1.6, colour=(0, 0, 0))
    lens = bodies.Lens()
    nobody = (bodies.body("man"), np.full_like(bodies.body("man").vertices, [50.0, 0.0, 0.0]))
    dark = 1 - bodies.render([nobody], WHITE, lens, [board])[..., 0] / 255
    corners, _ = bodies.seen(np.array([[-0.4, 1.6, 1.0], [0.25, 0.0, 1.0]]), lens)
    (left, top), (right, bottom) = corners
    middle = (np.arange(480) + 0.5) @ dark.sum(axis=0) / dark.sum()
    assert middle == pytest.approx((left + right) / 2, abs=0.1)
    assert dark.sum() == pytest.approx((right - left) * (bottom - top), rel=0.01)


def test_a_metre_is_as_long_as_the_lens_makes_it(bodies):
    lens = bodies.Lens(distance=5.0, height=1.0, field_of_view=2 * np.degrees(np.arctan(0.2)))
    places, depths = bodies.seen(
        np.array([[0.0, 1.0, 0.0], [1.0, 2.0, 0.0], [0.0, 1.0, 2.5]]), lens
    )
    assert places == pytest.approx(np.array([[240, 240], [480, 0], [240, 240]]))
    assert depths == pytest.approx([5.0, 5.0, 2.5])


@pytest.mark.parametrize("name", ["man", "woman", "child"])
def test_limbs_point_where_the_motion_says(bodies, name):
    stance = motion_by_name("dance-b").at(0.7)
    joints = np.empty((18, 3))
    vertices = bodies.posed(bodies.body(name), stance)
    joints[list(bodies.FOUND_JOINTS)] = bodies.rig().joints @ vertices
    for limb, (start, end) in LIMBS.items():
        wanted = stance.directions[BODY_DIRECTIONS.index(limb)]
        found = joints[end] - joints[start]
        assert found @ wanted / np.linalg.norm(found) > np.cos(np.radians(10)), limb


def test_each_joint_is_seen_within_its_own_limb(bodies):
    man, lens = bodies.body("man"), bodies.Lens()
    vertices = bodies.posed(man, ARM_OUT)
    pose, _ = bodies.truth(vertices, lens)
    for joint, parts in ((6, "left_upper_arm left_forearm"), (12, "left_thigh left_shin")):
        red = np.zeros_like(man.colours)
        red[np.isin(bodies.owners(), parts.split())] = (255, 0, 0)
        drawn = bodies.render([(replace(man, colours=red), vertices)], WHITE, lens)
        column, row = pose.body[joint, :2].astype(int)
        window = drawn[row - 1 : row + 2, column - 1 : column + 2]
        assert (window[..., 0] > 80).all()
        assert (window[..., 1] == 0).all()


def test_a_mirrored_motion_exchanges_the_sides_of_the_truth(bodies):
    motion, lens = motion_by_name("kick"), bodies.Lens()
    one, other = (
        bodies.truth(bodies.posed(bodies.body("woman"), moving.at(0.4)), lens)[0].body
        for moving in (motion, motion.mirrored())
    )
    mirrored = other[list(BODY18.mirrored), :2] * (-1, 1) + (lens.size[0], 0)
    assert mirrored == pytest.approx(one[:, :2], abs=1.5)


def test_joints_outside_the_picture_are_missing_and_the_torso_is_known(bodies):
    near = bodies.Lens(distance=2.0, height=1.5)
    pose, torso = bodies.truth(bodies.posed(bodies.body("man"), standing()), near)
    shown = np.isfinite(pose.body[:, 0])
    assert shown[[0, 1, 2, 5]].all()
    assert not shown[[9, 10, 12, 13]].any()
    whole, small = bodies.truth(bodies.posed(bodies.body("man"), standing()), bodies.Lens())
    length = np.linalg.norm(whole.body[1, :2] - whole.body[[8, 11], :2].mean(axis=0))
    assert small == pytest.approx(length, rel=0.02)
    assert torso > 2.8 * small


def test_what_is_a_tenth_of_a_torso_off_is_told_as_such(benchmark):
    body = np.ones((30, 18, 3)) * np.linspace(0, 100, 18)[None, :, None]
    body[..., 2] = 1
    true = PoseSequence(body=body, size=(200, 200))
    track = benchmark.Track(true, np.full(30, 50.0))
    found = true.with_body(body + np.array([3.0, 4.0, 0.0]))
    found.body[:15, 4] = missing_joints(1)
    figures = dict(zip(benchmark.FIGURES, benchmark.judge(found, found, track), strict=True))
    assert figures["rough"] == pytest.approx(0.1)
    assert figures["pixels"] == pytest.approx(5.0)
    assert figures["joints"] == pytest.approx(1 - 15 / (30 * 18))
    assert figures["added"] == 0
    assert figures["near"] == figures["joints"]


def test_a_find_that_changes_over_to_another_actor_is_one_switch(benchmark):
    from poses.people import Person

    one = np.ones((10, 18, 3)) * np.linspace(10, 100, 18)[None, :, None]
    one[..., 2] = 1
    tracks = [
        benchmark.Track(PoseSequence(body=one + shift, size=(300, 300)), np.full(10, 40.0))
        for shift in ((0.0, 0.0, 0.0), (150.0, 0.0, 0.0))
    ]
    poses = [tracks[k >= 6].sequence[k] for k in range(10)]
    person = Person(tuple(range(10)), tuple(poses))
    assert benchmark.count_switches(person, tracks) == 1
    blink = Person(tuple(range(10)), tuple(tracks[k == 5].sequence[k] for k in range(10)))
    assert benchmark.count_switches(blink, tracks) == 0
    assert benchmark.count_switches(person, tracks[:1]) == 0


def test_a_face_is_made_unreadable_and_nothing_else(benchmark):
    case = replace(benchmark.cases()[0], name="a face", cells=5)
    cast = benchmark.actors(case, benchmark.TAKES, 0)
    shown, tracks = benchmark.filmed(replace(case, cells=0), cast, seconds=0.04)
    hidden, _ = benchmark.filmed(case, cast, seconds=0.04)
    changed = (shown[0] != hidden[0]).any(axis=2)
    rows, columns = np.nonzero(changed)
    nose, neck = tracks[0].sequence.body[0, 0, :2], tracks[0].sequence.body[0, 1, :2]
    assert changed[int(nose[1]), int(nose[0])]
    assert rows.max() < neck[1]
    assert np.ptp(columns) < 3 * (neck[1] - nose[1])


def test_nods_of_the_truth_follow_themselves(benchmark):
    case = benchmark.cases()[0]
    _, (track,) = benchmark.filmed(case, benchmark.actors(case, benchmark.TAKES, 0), seconds=0.4)
    nods = benchmark.nods(track.sequence)
    assert np.isfinite(nods).all()
    assert benchmark.alike(nods, nods) == pytest.approx(1)
    assert benchmark.alike(nods, -nods) == pytest.approx(-1)
