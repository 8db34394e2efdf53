import cv2
import numpy as np
import pytest

from dtvideo.puppet.ball import Face
from dtvideo.puppet.cut import Patch
from dtvideo.puppet.head import HeadPose

SKIN, LINE, SPOT = (0.9, 0.7, 0.6), (0.1, 0.1, 0.1), (0.2, 0.3, 0.8)
HAIR, HAT = (0.5, 0.4, 0.1), (0.1, 0.8, 0.2)
CENTRE, RADIUS = np.array((24.0, 22.0)), 18.0
FRONT = np.eye(3)


def head() -> Patch:
    """A disc with a dark line around it and a spot in its middle, at (4, 2) of a picture."""
    pixels = np.zeros((41, 41, 4), np.float32)
    for radius, colour in ((18, LINE), (16, SKIN), (3, SPOT)):
        cv2.circle(pixels, (20, 20), radius, (*colour, 1.0), -1)
    return Patch(pixels, (4, 2))


def turned(*, yaw: float = 0.0, pitch: float = 0.0) -> np.ndarray:
    """Return the rotation of a head that looks to the viewer's right and up, in degrees."""
    (a, b), (c, d) = ((np.cos(np.radians(each)), np.sin(np.radians(each))) for each in (yaw, pitch))
    to_side = np.array([[a, 0, b], [0, 1, 0], [-b, 0, a]])
    upwards = np.array([[1, 0, 0], [0, c, d], [0, -d, c]])
    return to_side @ upwards


def shown(turn: np.ndarray) -> np.ndarray:
    before, after = (HeadPose(each, CENTRE, RADIUS) for each in (FRONT, turn))
    return Face.of(head()).turned(before, after).pixels


def test_a_head_that_does_not_turn_is_the_reference() -> None:
    np.testing.assert_allclose(shown(FRONT), head().pixels, atol=1e-3)


@pytest.mark.parametrize(
    ("turn", "way"),
    [(turned(yaw=25), (1, 0)), (turned(yaw=-25), (-1, 0)), (turned(pitch=25), (0, -1))],
)
def test_what_is_in_front_moves_as_on_a_ball(turn: np.ndarray, way: tuple[int, int]) -> None:
    blue = shown(turn)[..., 2] - shown(turn)[..., 0] > 0.3
    place = np.argwhere(blue).mean(axis=0)[::-1] - 20
    np.testing.assert_allclose(place, np.array(way) * np.sin(np.radians(25)) * 20, atol=1.5)


@pytest.mark.parametrize("turn", [turned(yaw=85), turned(pitch=80), turned(yaw=180)])
def test_a_head_that_turns_far_has_no_hole_and_no_dark_middle(turn: np.ndarray) -> None:
    """Its ball is larger than its outline, past which the reference shows nothing of it."""
    pixels = shown(turn)
    np.testing.assert_array_equal(pixels[..., 3], head().pixels[..., 3])
    assert pixels[12:29, 12:29, 0].min() > 0.15
    assert np.median(pixels[12:29, 12:29, 0]) > 0.5


def test_the_back_of_a_head_has_the_colour_of_its_temples_and_no_face() -> None:
    pixels = np.zeros((41, 41, 4), np.float32)
    for radius, colour in ((20, HAIR), (13, SKIN), (3, SPOT)):
        cv2.circle(pixels, (20, 20), radius, (*colour, 1.0), -1)
    cv2.ellipse(pixels, (20, 20), (20, 20), 0, 225, 315, (*HAT, 1.0), 6)
    before, after = (HeadPose(each, CENTRE, RADIUS) for each in (FRONT, turned(yaw=180)))
    back = Face.of(Patch(pixels, (4, 2))).turned(before, after).pixels
    np.testing.assert_allclose(
        back[14:27, 14:27, :3], np.broadcast_to(HAIR, (13, 13, 3)), atol=0.02
    )
    np.testing.assert_allclose(back[3, 20, :3], HAT, atol=0.02)


def test_a_side_that_comes_to_the_front_is_painted_like_the_temples() -> None:
    """An ear, narrow in the reference, would be stretched to several times its width."""
    pixels = np.zeros((41, 41, 4), np.float32)
    cv2.circle(pixels, (20, 20), 18, (*SKIN, 1.0), -1)
    for column in (3, 37):
        cv2.ellipse(pixels, (column, 22), (2, 3), 0, 0, 360, (*LINE, 1.0), -1)
    before, after = (HeadPose(each, CENTRE, RADIUS) for each in (FRONT, turned(yaw=75)))
    seen = Face.of(Patch(pixels, (4, 2))).turned(before, after).pixels
    assert seen[12:29, 10:26, 0].min() > 0.7


def test_colours_go_on_beyond_an_outline_without_its_line() -> None:
    face = Face.of(head())
    for place in ((0, 0), (20, 3)):
        np.testing.assert_allclose(face.bare[place], SKIN, atol=1e-3)
    np.testing.assert_allclose(face.drawn[20, 3], LINE, atol=1e-3)
