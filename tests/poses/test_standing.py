"""The skeleton that is fitted to a box."""

import numpy as np
import pytest

from poses.errors import PoseError
from poses.skeleton import BODY18
from poses.standing import fit_skeleton
from poses.types import confident


@pytest.mark.parametrize("width", [40, 80, 150, 300, 600])
def test_the_skeleton_stays_in_its_box(width):
    body = fit_skeleton((100, 50, 100 + width, 450), (800, 500)).body
    assert confident(body).all()
    assert body[:, 0].min() >= 100
    assert body[:, 0].max() <= 100 + width
    assert body[:, 1].min() >= 50
    assert body[:, 1].max() <= 450


def test_it_fills_the_height_and_is_symmetric():
    body = fit_skeleton((100, 50, 260, 450), (400, 500)).body
    assert body[10, 1] > 420
    assert body[14, 1] < 95
    mirrored = body[list(BODY18.mirrored)]
    np.testing.assert_allclose(mirrored[:, 0], 360 - body[:, 0])
    np.testing.assert_allclose(mirrored[:, 1], body[:, 1])
    assert body[2, 0] < body[5, 0]


def test_arms_hang_in_a_narrow_box_and_reach_out_in_a_wide_one_at_one_length():
    narrow = fit_skeleton((0, 0, 130, 400), (400, 400)).body
    wide = fit_skeleton((0, 0, 330, 400), (400, 400)).body
    assert narrow[4, 1] > wide[4, 1] + 50
    lengths = [np.linalg.norm(body[4, :2] - body[2, :2]) for body in (narrow, wide)]
    assert lengths[0] == pytest.approx(lengths[1])


def test_an_empty_box_is_refused_with_its_sides():
    with pytest.raises(PoseError, match=r"\(5, 5, 5, 9\)"):
        fit_skeleton((5, 5, 5, 9), (64, 64))
