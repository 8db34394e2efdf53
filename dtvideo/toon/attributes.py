"""What can be checked of a drawn character: where each coloured part lies, and its colour's name.

The pixels of a part are found exactly: the character is drawn again with that part in another
colour, and what changes is the part.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8

from dtvideo.metrics import delta_e, mean_lab
from dtvideo.toon.world.canvas import Colour
from dtvideo.toon.world.draw import draw
from dtvideo.toon.world.figure import Camera, Stance
from dtvideo.toon.world.identity import PEOPLE, Identity
from dtvideo.toon.world.palette import COLOURS, HAIR_COLOURS

Image = UInt8[np.ndarray, "h w 3"]

GARMENTS = ("top", "bottom", "shoes", "hat", "back")
LEAST_PIXELS = 24
"""Of a part that is judged: fewer are as good as hidden."""
CHANGED = 64  # of 128: how much a pixel changes that mostly belongs to a recoloured part
UNDER_THE_TOP = ("dress", "coat")  # tops below which the caption does not tell the bottom


@dataclass(frozen=True, eq=False)
class ColouredPart:
    """One part of a character in one picture: its pixels, and the colour that its caption tells.

    word: None where the caption names no colour for it.
    """

    name: str
    mask: Bool[np.ndarray, "h w"]
    word: str | None

    def lab(self, image: Image) -> Float[np.ndarray, "3"]:
        """Return the mean CIE L*a*b* colour of a picture where this part belongs."""
        return mean_lab(image, self.mask.astype(np.float64))

    def colour_word(self, image: Image) -> str:
        """Return the named colour that a picture shows where this part belongs."""
        table = colour_table(self.name)
        names = list(table)
        known = np.stack([_lab(table[name]) for name in names])
        found = np.broadcast_to(self.lab(image), known.shape)
        return names[int(np.argmin(delta_e(np.ascontiguousarray(found), known)))]


def coloured_parts(
    identity: Identity, stance: Stance, camera: Camera, *, size: tuple[int, int]
) -> tuple[ColouredPart, ...]:
    """Return the parts of a drawn character that are large enough to be judged."""
    plain = draw(identity, stance, camera, size=size).image.astype(np.int16)
    parts = []
    for name in worn_parts(identity):
        other = recoloured(identity, name, _far_from(part_colour(identity, name)), "another")
        changed = draw(other, stance, camera, size=size).image.astype(np.int16)
        mask = np.abs(changed - plain).max(axis=2) > CHANGED
        if mask.sum() >= LEAST_PIXELS:
            parts.append(ColouredPart(name, mask, told_colours(identity).get(name)))
    return tuple(parts)


def worn_parts(identity: Identity) -> tuple[str, ...]:
    """Return the names of a character's coloured parts: skin, hair and what is worn."""
    hair = ("hair",) if identity.hair.style != "none" else ()
    worn = (name for name in GARMENTS if getattr(identity.outfit, name).kind != "none")
    return ("skin", *hair, *worn)


def told_colours(identity: Identity) -> dict[str, str]:
    """Return the colour words of a caption by part; skin is told in words of its own."""
    outfit = identity.outfit
    told = {name: getattr(outfit, name).name for name in worn_parts(identity) if name in GARMENTS}
    if outfit.top.kind in UNDER_THE_TOP:
        told.pop("bottom", None)
    if identity.hair.style != "none" and identity.kind in PEOPLE:
        told["hair"] = identity.hair.name
    return told


def part_colour(identity: Identity, part: str) -> Colour:
    """Return the colour of a part."""
    if part == "skin":
        return identity.skin
    if part == "hair":
        return identity.hair.colour
    colour: Colour = getattr(identity.outfit, part).colour
    return colour


def recoloured(identity: Identity, part: str, colour: Colour, word: str) -> Identity:
    """Return a character with one part in another colour, called by another word."""
    if part == "skin":
        return replace(identity, skin=colour, skin_name=word)
    if part == "hair":
        return replace(identity, hair=replace(identity.hair, colour=colour, name=word))
    cloth = replace(getattr(identity.outfit, part), colour=colour, name=word)
    return replace(identity, outfit=replace(identity.outfit, **{part: cloth}))


def colour_table(part: str) -> Mapping[str, Colour]:
    """Return the named colours that a part may have."""
    return HAIR_COLOURS if part == "hair" else COLOURS


def colour_distance(first: Colour, second: Colour) -> float:
    """Return the difference of two colours by CIEDE2000."""
    return float(delta_e(_lab(first), _lab(second)))


def _lab(colour: Colour) -> Float[np.ndarray, "3"]:
    pixel = np.array([[colour]], np.float32) / 255
    return np.asarray(cv2.cvtColor(pixel, cv2.COLOR_RGB2Lab)[0, 0], np.float64)


def _far_from(colour: Colour) -> Colour:
    red, green, blue = ((value + 128) % 256 for value in colour)
    return red, green, blue
