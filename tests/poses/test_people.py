"""The people of a clip are told apart, also where they cross and hide each other."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from poses.detections import Detections
from poses.people import find_people, fullest_frame
from poses.synthetic import walk


def walker(frames, *, start, end, rate=Fraction(25), height=0.6, noise=0.0, key=0):
    """A walk from one column to another, with the noise of a detector."""
    sequence = walk(frames, sway=0.0, height=height, rate=rate, size=(640, 512))
    body = sequence.body.copy()
    body[..., 0] += np.linspace(start, end, frames)[:, None] - 320
    body[..., :2] += np.random.default_rng((5, key)).normal(0, noise, body[..., :2].shape)
    return sequence.with_body(body)


def detections(*people, hidden=None, cuts=()):
    """Everyone in every frame in changing order; hidden maps a person to frames without it."""
    frames = []
    for frame in range(len(people[0])):
        shown = [
            one[frame]
            for number, one in enumerate(people)
            if frame not in (hidden or {}).get(number, ())
        ]
        order = np.random.default_rng((9, frame)).permutation(len(shown))
        frames.append(tuple(shown[place] for place in order))
    return Detections(tuple(frames), size=people[0].size, rate=people[0].rate, cuts=tuple(cuts))


def switches(found, truth):
    """How often one found person changes from one true person to another."""
    identities = [
        min(
            range(len(truth)),
            key=lambda one: np.nanmean(np.abs(truth[one].body[frame, :, :2] - pose.body[:, :2])),
        )
        for frame, pose in zip(found.frames, found.poses, strict=True)
    ]
    return int(np.count_nonzero(np.diff(identities)))


@pytest.mark.parametrize("rate", [24, 25, 30, 60])
def test_p3_two_who_cross_and_hide_each_other_keep_their_identity(rate):
    frames = 4 * rate
    pair = [
        walker(frames, start=120, end=520, rate=Fraction(rate), noise=1.5, key=1),
        walker(frames, start=520, end=120, rate=Fraction(rate), noise=1.5, key=2),
    ]
    gap = range(frames // 2 - rate // 4, frames // 2 + rate // 4)
    people = find_people(detections(*pair, hidden={1: gap}))
    assert len(people) == 2
    assert [switches(person, pair) for person in people] == [0, 0]
    assert sorted(len(person.frames) for person in people) == [frames - len(gap), frames]


def test_p3_two_who_are_both_hidden_while_they_cross_are_expected_on_their_ways():
    pair = [
        walker(60, start=120, end=520, noise=1.5, key=1),
        walker(60, start=520, end=120, noise=1.5, key=2),
    ]
    gap = range(26, 34)
    people = find_people(detections(*pair, hidden={0: gap, 1: gap}))
    assert [switches(person, pair) for person in people] == [0, 0]
    assert [len(person.frames) for person in people] == [52, 52]


def test_three_who_cross_keep_their_identity():
    trio = [
        walker(120, start=100, end=540, noise=1.5, key=1),
        walker(120, start=540, end=100, noise=1.5, key=2),
        walker(120, start=320, end=340, height=0.55, noise=1.5, key=3),
    ]
    people = find_people(detections(*trio, hidden={2: range(55, 65)}))
    assert [switches(person, trio) for person in people] == [0, 0, 0]


def test_frames_in_which_two_could_be_exchanged_are_named():
    one = walker(20, start=200, end=200)
    beside = walker(20, start=203, end=203)
    apart = walker(20, start=450, end=450)
    assert find_people(detections(one, apart))[0].doubtful == ()
    assert len(find_people(detections(one, beside))[0].doubtful) == 19


def test_a_person_who_comes_back_after_long_is_joined_and_that_is_told():
    alone = walker(100, start=300, end=300)
    (person,) = find_people(detections(alone, hidden={0: range(30, 70)}))
    assert len(person.frames) == 60
    assert person.joined == (70,)


def test_nobody_is_followed_across_a_cut_and_a_close_up_is_joined():
    wide = walker(40, start=300, end=300, height=0.3)
    near = walker(40, start=300, end=300, height=0.9)
    body = np.concatenate([wide.body[:20], near.body[20:]])
    (person,) = find_people(detections(wide.with_body(body), cuts=[20]))
    assert person.frames == tuple(range(40))
    assert person.joined == (20,)


def test_people_are_numbered_by_how_much_of_the_clip_they_fill():
    large = walker(40, start=150, end=150, height=0.5)
    small_but_longer = walker(40, start=450, end=450, height=0.4)
    found = detections(large, small_but_longer, hidden={0: range(20)})
    people = find_people(found)
    assert [len(person.frames) for person in people] == [40, 20]
    assert fullest_frame(people) == 20


def test_a_flash_of_a_find_is_no_person():
    dancer = walker(100, start=150, end=150)
    ghost = walker(100, start=500, end=500, height=0.3)
    (person,) = find_people(detections(dancer, ghost, hidden={1: [*range(50), *range(52, 100)]}))
    assert len(person.frames) == 100


def test_people_of_a_clip_of_one_frame_are_all_found():
    one, other = walker(1, start=100, end=100), walker(1, start=400, end=400)
    assert len(find_people(detections(one, other))) == 2
    empty = replace(detections(one), people=((),))
    with pytest.raises(IndexError):
        find_people(empty)[0]


def test_a_false_find_of_a_moment_does_not_take_the_place_of_who_comes_back():
    person = walker(60, start=200, end=440)
    seen = detections(person, hidden={0: range(20, 34)})
    ghost = replace(person[34], body=person[34].body + np.array([4.0, 0.0, 0.0]))
    frames = list(seen.people)
    frames[18] = (*frames[18], ghost)
    people = find_people(replace(seen, people=tuple(frames)))
    assert people[0].frames == (*range(20), *range(34, 60))
    assert people[0].joined == ()


def test_one_find_where_two_are_expected_is_doubtful():
    pair = [walker(60, start=120, end=520), walker(60, start=520, end=124)]
    alone = find_people(detections(*pair, hidden={1: range(28, 33)}))
    assert {28, 29} <= {frame for person in alone for frame in person.doubtful}
    assert find_people(detections(pair[0]))[0].doubtful == ()
