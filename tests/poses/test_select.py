"""One person is kept through a clip with several."""

from fractions import Fraction

import numpy as np
import pytest

from poses.detections import Detections
from poses.errors import PoseError
from poses.people import link_cost
from poses.select import choose_pose, select_person
from poses.synthetic import stand, walk


def moved(sequence, offsets):
    body = sequence.body.copy()
    body[:, :, 0] += np.asarray(offsets)[:, None]
    return sequence.with_body(body)


def clip(*people, absent=()):
    """Everyone in every frame, in an order that changes; the first is absent where said."""
    frames = []
    for frame in range(len(people[0])):
        here = [
            one[frame] for number, one in enumerate(people) if not (number == 0 and frame in absent)
        ]
        frames.append(tuple(here[::-1] if frame % 2 else here))
    return Detections(people=tuple(frames), size=(512, 512), rate=Fraction(25))


def test_one_person_alone_is_kept_whole():
    dancer = walk(30)
    selection = select_person(clip(dancer))
    np.testing.assert_array_equal(selection.sequence.body, dancer.body)
    assert (selection.lost, selection.joined, selection.people) == ((), (), 1)
    assert selection.describe() == "one person"


def test_the_larger_of_two_is_kept_though_the_order_changes():
    dancer = moved(walk(30), np.full(30, -100))
    other = moved(walk(30, height=0.5), np.full(30, 120))
    selection = select_person(clip(dancer, other))
    np.testing.assert_array_equal(selection.sequence.body, dancer.body)
    assert selection.switches == 0
    assert selection.describe() == "kept person 1 of 2"


def test_two_who_cross_are_not_exchanged():
    dancer = moved(walk(60, sway=0.0), np.linspace(-150, 150, 60))
    other = moved(walk(60, sway=0.0, height=0.6), np.linspace(150, -150, 60))
    selection = select_person(clip(dancer, other))
    np.testing.assert_array_equal(selection.sequence.body, dancer.body)


def test_a_short_absence_is_reported_and_not_filled_with_the_other():
    dancer = moved(walk(60), np.full(60, -120))
    other = moved(walk(60, height=0.5), np.full(60, 150))
    selection = select_person(clip(dancer, other, absent=range(20, 30)))
    assert selection.lost == tuple(range(20, 30))
    assert selection.switches == 0
    assert np.isnan(selection.sequence.body[25, :, :2]).all()
    assert "not found in frames 20-29" in selection.describe()


def test_someone_found_again_elsewhere_after_a_cut_carries_on_and_is_reported():
    dancer = walk(40, sway=0.0)
    offsets = np.where(np.arange(40) < 20, -180, 180)
    selection = select_person(clip(moved(dancer, offsets)))
    assert selection.lost == ()
    assert selection.joined == (20,)
    assert "perhaps another from frames 20" in selection.describe()


def test_someone_of_another_size_does_not_carry_on():
    near, far = walk(20), moved(walk(20, height=0.3), np.full(20, 200))
    frames = [(pose,) for pose in near] + [(pose,) for pose in far]
    selection = select_person(Detections(people=tuple(frames), size=(512, 512)))
    assert selection.lost == tuple(range(20, 40))


def test_the_cost_of_the_same_pose_is_nothing_and_of_a_far_one_more_than_the_limit():
    pose = stand()
    assert link_cost(pose, pose) == 0
    far = moved(walk(1), [400])[0]
    assert link_cost(pose, far) > 1


def test_nobody_at_all_is_refused_with_the_count():
    with pytest.raises(PoseError, match="3 frames") as caught:
        select_person(Detections(people=((), (), ()), size=(8, 8)))
    assert caught.value.code == "P1"


@pytest.mark.parametrize(
    ("person", "kept"),
    [("largest", 1), (1, 1), (2, 0), (3, 2), ("left", 0), ("right", 2), ((260.0, 300.0), 1)],
)
def test_the_person_that_is_asked_for_is_kept(person, kept):
    heights, middles = (0.5, 0.8, 0.4), (-150, 0, 150)
    trio = [
        moved(walk(20, height=height, sway=0.0), np.full(20, middle))
        for height, middle in zip(heights, middles, strict=True)
    ]
    selection = select_person(clip(*trio), person)
    np.testing.assert_array_equal(selection.sequence.body, trio[kept].body)
    assert selection.people == 3
    assert selection.describe().startswith(f"kept person {selection.number} of 3")


def test_a_person_who_does_not_exist_is_refused_with_the_number_of_people():
    with pytest.raises(PoseError, match="4 does not exist: 1 person is found") as caught:
        select_person(clip(walk(5)), 4)
    assert caught.value.code == "P3"


def test_p3_a_place_outside_the_frame_is_refused_and_its_edge_is_not():
    select_person(clip(walk(5)), (512.0, 0.0))
    with pytest.raises(PoseError, match=r"513,0 is outside the picture of 512x512") as caught:
        select_person(clip(walk(5)), (513.0, 0.0))
    assert caught.value.code == "P3"


def test_the_person_of_one_picture_is_chosen_alike():
    small = moved(walk(1, height=0.4), [-150])[0]
    large = moved(walk(1), [100])[0]
    assert choose_pose([large, small], "left") == 1
    assert choose_pose([large, small], 1) == 0
