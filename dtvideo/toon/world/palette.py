"""The named colours of the drawn world."""

import numpy as np

from dtvideo.toon.world.canvas import Colour, mixed

COLOURS: dict[str, Colour] = {
    "red": (214, 62, 62),
    "orange": (240, 142, 56),
    "yellow": (246, 206, 76),
    "green": (86, 170, 92),
    "teal": (54, 168, 166),
    "blue": (68, 116, 206),
    "purple": (140, 92, 188),
    "pink": (240, 144, 178),
    "brown": (140, 96, 66),
    "black": (56, 54, 66),
    "white": (244, 242, 238),
    "grey": (148, 152, 162),
}
HAIR_COLOURS: dict[str, Colour] = {
    "black": (50, 46, 58),
    "brown": (116, 74, 48),
    "blond": (244, 208, 116),
    "red": (200, 84, 48),
    "white": (234, 234, 238),
    "grey": (158, 158, 168),
    "blue": (88, 134, 216),
    "pink": (242, 138, 180),
    "green": (100, 180, 124),
    "purple": (150, 106, 200),
}
FUR_COLOURS: dict[str, Colour] = {
    "orange": (240, 156, 76),
    "brown": (158, 110, 76),
    "white": (244, 240, 234),
    "grey": (156, 160, 170),
    "yellow": (246, 210, 112),
    "pink": (246, 176, 190),
    "black": (66, 64, 76),
    "blue": (120, 160, 220),
    "green": (130, 188, 110),
}
SKIN_COLOURS: dict[str, tuple[Colour, ...]] = {
    "light": ((255, 226, 200), (250, 212, 180)),
    "tan": ((236, 190, 148), (212, 160, 116)),
    "dark": ((164, 112, 78), (122, 82, 58)),
}
INK: Colour = (44, 34, 44)
WHITE: Colour = (255, 255, 255)


def varied(colour: Colour, rng: np.random.Generator) -> Colour:
    """Return a shade of the same named colour: a little lighter, darker or warmer."""
    towards: Colour = (255, 255, 255) if rng.random() < 0.5 else (24, 20, 36)
    red, green, blue = mixed(colour, towards, float(rng.uniform(0, 0.16)))
    shift = rng.integers(-9, 10, 3)
    bounded = np.clip(np.array([red, green, blue]) + shift, 0, 255)
    return int(bounded[0]), int(bounded[1]), int(bounded[2])
