"""Heads that whirl are steadied, heads that nod and turn are not."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from poses.heads import HEAD_POINTS, USUAL
from poses.nods import steady_heads
from poses.smooth import Repair
from poses.synthetic import walk

RADIUS = 20.0


def with_heads(turns, *, frames):
    """Return a walk whose head is turned by Euler angles (nod, turn, tilt) in degrees."""
    sequence = walk(frames)
    matrices = Rotation.from_euler("xyz", turns, degrees=True).as_matrix()
    body = sequence.body.copy()
    middles = body[:, HEAD_POINTS, :2].mean(axis=1)
    seen = np.einsum("tck,ik->tic", matrices[:, :2], RADIUS * USUAL[:5])
    body[:, HEAD_POINTS, :2] = middles[:, None] + seen
    body[:, HEAD_POINTS, 2] = 1
    return sequence.with_body(body)


def heads_apart(one, other):
    """Return how far apart, at most, joints of two clips lie about the middles of their heads."""
    places = [each.body[:, list(HEAD_POINTS), :2] for each in (one, other)]
    about = [each - each.mean(axis=1, keepdims=True) for each in places]
    return np.abs(about[0] - about[1]).max()


@pytest.mark.parametrize("axis", [0, 1, 2], ids=["nod", "turn", "tilt"])
@pytest.mark.parametrize("hertz", [1.0, 2.5])
def test_a_head_that_nods_turns_or_tilts_is_left_as_it_is(axis, hertz):
    turns = np.zeros((50, 3))
    turns[:, axis] = 25 * np.sin(2 * np.pi * hertz * np.arange(50) / 25)
    steady, mended = steady_heads(with_heads(turns, frames=50))
    assert mended == ()
    np.testing.assert_array_equal(steady.body, with_heads(turns, frames=50).body)


def test_a_head_that_whirls_for_two_frames_lies_as_between_its_neighbours():
    turns = np.zeros((40, 3))
    turns[:, 2] = 10 * np.sin(np.arange(40) / 6)
    calm = with_heads(turns, frames=40)
    whirling = turns.copy()
    whirling[18:20] += (30, 0, -70)
    shaken = with_heads(whirling, frames=40)
    steady, mended = steady_heads(shaken)
    assert mended == (Repair("body", "head", 18, 19, "interpolated"),)
    heads = list(HEAD_POINTS)
    assert heads_apart(steady, calm) < 0.05 * RADIUS
    middle = shaken.body[18:20, heads, :2].mean(axis=1)
    assert steady.body[18:20, heads, :2].mean(axis=1) == pytest.approx(middle)
    rest = np.delete(np.arange(18), heads)
    np.testing.assert_array_equal(steady.body[:, rest], shaken.body[:, rest])


def test_a_cut_to_another_look_is_no_whirl():
    turns = np.zeros((40, 3))
    turns[37:] = (0, 60, 40)
    assert steady_heads(with_heads(turns, frames=40), cuts=[37])[1] == ()
    assert steady_heads(with_heads(turns, frames=40))[1] != ()


def test_a_hidden_ear_stays_hidden_and_a_body_without_a_head_stays_as_it_is():
    sequence = with_heads(np.zeros((30, 3)), frames=30)
    body = sequence.body.copy()
    body[:, 16] = (np.nan, np.nan, 0)
    steady, mended = steady_heads(sequence.with_body(body))
    assert mended == ()
    assert np.isnan(steady.body[:, 16, 0]).all()
    body[:, HEAD_POINTS] = (np.nan, np.nan, 0)
    np.testing.assert_array_equal(steady_heads(sequence.with_body(body))[0].body, body)


def test_a_face_that_was_guessed_lies_as_between_those_that_were_seen():
    turns = np.zeros((40, 3))
    turns[:, 2] = 10 * np.sin(np.arange(40) / 6)
    calm = with_heads(turns, frames=40)
    made_up, guessed = turns.copy(), np.zeros(40, dtype=bool)
    guessed[12:20] = True
    made_up[guessed] += (20, 0, 0)
    made_up[20] += (0, 170, 90)
    steady, mended = steady_heads(with_heads(made_up, frames=40), guessed=guessed)
    assert mended == (Repair("body", "head", 12, 20, "interpolated"),)
    assert heads_apart(steady, calm) < 0.1 * RADIUS


def test_heads_that_were_guessed_throughout_stay_as_they_are():
    sequence = with_heads(np.zeros((30, 3)), frames=30)
    steady, _ = steady_heads(sequence, guessed=np.ones(30, dtype=bool))
    np.testing.assert_array_equal(steady.body, sequence.body)
