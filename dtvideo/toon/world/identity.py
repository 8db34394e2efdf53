"""Who a drawn character is: its build, colours, parts and manner of drawing, from one number."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from dtvideo.toon.world.canvas import Colour, Style, brightness, mixed, scaled
from dtvideo.toon.world.figure import Proportions
from dtvideo.toon.world.palette import (
    COLOURS,
    FUR_COLOURS,
    HAIR_COLOURS,
    INK,
    SKIN_COLOURS,
    WHITE,
    varied,
)
from dtvideo.toon.world.patterns import EMBLEMS, LETTERS

PEOPLE = ("girl", "boy", "woman", "man")
ANIMALS = ("cat", "dog", "bear", "rabbit", "fox", "mouse", "pig", "frog")
KINDS = (*PEOPLE, *ANIMALS, "robot", "monster")

Choice = TypeVar("Choice")


@dataclass(frozen=True)
class Cloth:
    """One garment: what it is, its colour by name and value, its pattern and second colour."""

    kind: str
    name: str
    colour: Colour
    pattern: str
    second: Colour


@dataclass(frozen=True)
class Face:
    """A face. Places are on the head: angles from the middle, heights from -1 to 1."""

    eyes: str
    eye_size: float
    eye_gap: float
    eye_height: float
    gaze: float
    iris: Colour
    brows: str
    nose: str
    mouth: str
    beard: str
    glasses: str
    blush: bool
    freckles: bool


@dataclass(frozen=True)
class Hair:
    """Hair: its style, its fringe, how far it comes round to the face, and its colour."""

    style: str
    fringe: str
    reach: float
    shine: bool
    name: str
    colour: Colour


@dataclass(frozen=True)
class Outfit:
    """What is worn."""

    top: Cloth
    bottom: Cloth
    shoes: Cloth
    sleeve: str
    neckline: str
    detail: str
    belt: bool
    gloves: bool
    emblem: str
    emblem_colour: Colour
    hat: Cloth
    back: Cloth
    scarf: bool


@dataclass(frozen=True)
class Identity:
    """A character: a pure function of its seed."""

    seed: int
    kind: str
    build: Proportions
    style: Style
    style_name: str
    skin: Colour
    skin_name: str
    light: Colour
    head_power: float
    head_taper: float
    hand: str
    face: Face
    hair: Hair
    outfit: Outfit


def identity_from_seed(seed: int) -> Identity:
    """Return the character of this number; the same one on every machine."""
    rng = np.random.default_rng((seed, 0x1D))
    kind = pick(rng, dict(zip(KINDS, (7, 6, 4, 4, 2, 2, 2, 2, 2, 1, 1, 1, 4, 2), strict=True)))
    style_name, style = _style(rng)
    skin_name, skin = _skin(rng, kind)
    return Identity(
        seed=seed,
        kind=kind,
        build=_build(rng, kind),
        style=style,
        style_name=style_name,
        skin=skin,
        skin_name=skin_name,
        light=mixed(skin, (255, 250, 240), float(rng.uniform(0.45, 0.8))),
        head_power=_head_power(rng, kind),
        head_taper=float(rng.normal(0.06, 0.1)) if kind != "robot" else 0.0,
        hand=pick(rng, {"mitten": 4, "fingers": 3, "round": 3, "claw": 3 * (kind == "robot")}),
        face=_face(rng, kind),
        hair=_hair(rng, kind),
        outfit=_outfit(rng, kind),
    )


def pick(rng: np.random.Generator, shares: Mapping[Choice, float | int]) -> Choice:
    """Return one of the keys, each as likely as its share says."""
    place = rng.random() * sum(shares.values())
    for choice, share in shares.items():
        place -= share
        if place < 0:
            return choice
    return next(iter(shares))


def _chance(rng: np.random.Generator, share: float) -> bool:
    return bool(rng.random() < share)


def _one_of(rng: np.random.Generator, options: Sequence[Choice]) -> Choice:
    return options[int(rng.integers(len(options)))]


def _named(rng: np.random.Generator, table: dict[str, Colour]) -> tuple[str, Colour]:
    name = _one_of(rng, tuple(table))
    return name, varied(table[name], rng)


def _skin(rng: np.random.Generator, kind: str) -> tuple[str, Colour]:
    if kind in PEOPLE:
        name = pick(rng, {"light": 4, "tan": 3, "dark": 3})
        return name, varied(_one_of(rng, SKIN_COLOURS[name]), rng)
    if kind == "frog":
        return "green", varied(COLOURS["green"], rng)
    if kind == "pig":
        return "pink", varied(FUR_COLOURS["pink"], rng)
    return _named(rng, COLOURS if kind in ("robot", "monster") else FUR_COLOURS)


def _head_power(rng: np.random.Generator, kind: str) -> float:
    if kind == "robot":
        return pick(rng, {2.0: 1, 4.0: 2, 8.0: 4})
    return pick(rng, {2.0: 8, 2.5: 5, 3.5: 2, 8.0: 0.6})


def _face(rng: np.random.Generator, kind: str) -> Face:
    robot, monster = kind == "robot", kind == "monster"
    plain = {"oval": 4, "anime": 4, "dot": 3, "ring": 2, "angry": 1, "sleepy": 1, "happy": 0.6}
    special = {"lamp": 3 * robot, "visor": 3 * robot, "one": 2 * monster}
    man = kind == "man"
    dark = {"brown": (96, 62, 42), "blue": (66, 110, 190), "green": (64, 134, 88)}
    return Face(
        eyes=pick(rng, {**plain, **special}),
        eye_size=float(rng.uniform(0.75, 1.25)),
        eye_gap=float(rng.uniform(0.32, 0.5)),
        eye_height=float(rng.uniform(-0.16, 0.08)),
        gaze=float(rng.normal(0, 0.03)),
        iris=_named(rng, dark if _chance(rng, 0.6) else COLOURS)[1],
        brows=pick(rng, {"none": 3, "thin": 4, "thick": 2, "worried": 0.6, "stern": 1}),
        nose=pick(rng, {"none": 2, "dot": 2, "button": 2, "line": 2, "wedge": 1}),
        mouth=pick(
            rng,
            {"smile": 5, "line": 2, "open": 2, "grin": 2, "small": 1, "frown": 0.6, "fangs": 0.4},
        ),
        beard=pick(rng, {"none": 5, "beard": 2, "moustache": 1}) if man else "none",
        glasses=pick(rng, {"none": 16, "glasses": 1.5, "sunglasses": 0.8, "mask": 0.6}),
        blush=_chance(rng, 0.35),
        freckles=_chance(rng, 0.06),
    )


def _hair(rng: np.random.Generator, kind: str) -> Hair:
    name, colour = _named(rng, HAIR_COLOURS)
    style = "none"
    if kind in ("girl", "woman"):
        style = pick(
            rng,
            {
                "long": 4,
                "bobbed": 3,
                "ponytail": 2,
                "twin-tail": 2,
                "bun": 1,
                "short": 1,
                "curly": 1,
                "afro": 0.6,
            },
        )
    elif kind in ("boy", "man"):
        style = pick(
            rng,
            {
                "short": 4,
                "spiky": 3,
                "curly": 1.5,
                "long": 0.8,
                "afro": 0.6,
                "mohawk": 0.5,
                "none": 0.8,
            },
        )
    return Hair(
        style=style,
        fringe=pick(rng, {"straight": 2, "parted": 2, "swept": 3, "jagged": 3, "high": 1.5}),
        reach=float(rng.uniform(0.85, 1.25)),
        shine=_chance(rng, 0.4),
        name=name,
        colour=colour,
    )


def _outfit(rng: np.random.Generator, kind: str) -> Outfit:
    female, bare = kind in ("girl", "woman"), kind not in PEOPLE and _chance(rng, 0.45)
    top = _cloth(rng, {"shirt": 4, "jacket": 2, "dress": 3 * female, "coat": 0.7})
    if bare:
        top = Cloth("none", top.name, top.colour, "plain", top.second)
    bottom = _cloth(rng, {"trousers": 4, "shorts": 3, "skirt": 3 * female, "overalls": 0.8})
    if bare and _chance(rng, 0.75):
        bottom = Cloth("none", bottom.name, bottom.colour, "plain", bottom.second)
    barefoot = bottom.kind == "none" and _chance(rng, 0.8)
    shoes = _cloth(rng, {"none": 1} if barefoot else {"shoes": 5, "boots": 3, "sandals": 0.4})
    return Outfit(
        top=top,
        bottom=bottom,
        shoes=shoes,
        sleeve=pick(rng, {"long": 4, "short": 4, "none": 1.3}),
        neckline=pick(rng, {"none": 2, "round": 3, "v": 2, "collar": 2}),
        detail=pick(rng, {"none": 5, "buttons": 2, "zip": 1, "pocket": 1}),
        belt=_chance(rng, 0.25),
        gloves=_chance(rng, 0.12),
        emblem=pick(rng, {"none": 9, "letter": 5} | dict.fromkeys(EMBLEMS, 1.2))
        if not bare
        else "none",
        emblem_colour=WHITE if brightness(top.colour) < 150 else scaled(top.colour, 0.45),
        hat=_cloth(
            rng,
            {
                "none": 16,
                "cap": 2,
                "beanie": 1.5,
                "top hat": 0.8,
                "helmet": 0.8,
                "crown": 0.6,
                "headband": 1,
                "bow": 1.5 * female,
                "wizard hat": 0.6,
                "straw hat": 0.6,
            },
        ),
        back=_cloth(rng, {"none": 10, "cape": 1.5, "backpack": 1, "bag": 1}),
        scarf=_chance(rng, 0.1),
    )


def _cloth(rng: np.random.Generator, kinds: Mapping[str, float | int]) -> Cloth:
    name, colour = _named(rng, COLOURS)
    other, second = _named(rng, COLOURS)
    if other == name or abs(brightness(second) - brightness(colour)) < 35:
        second = mixed(colour, WHITE if brightness(colour) < 150 else INK, 0.55)
    return Cloth(
        kind=pick(rng, kinds),
        name=name,
        colour=colour,
        pattern=pick(
            rng,
            {"plain": 8, "striped": 2.2, "lined": 0.8, "dotted": 1.2, "checked": 0.9, "banded": 1},
        ),
        second=second,
    )


def _style(rng: np.random.Generator) -> tuple[str, Style]:
    name = pick(
        rng, {"flat": 3, "outlined": 4, "two-tone": 5, "soft": 3, "textured": 1.5, "pixel": 0.5}
    )
    inked = name == "outlined" or (name != "flat" and _chance(rng, 0.7))
    shading = {"two-tone": "two-tone", "soft": "soft", "textured": "soft", "pixel": "two-tone"}
    return name, Style(
        outline=float(rng.uniform(0.0035, 0.0095)) if inked else 0.0,
        outline_colour=INK if _chance(rng, 0.4) else None,
        shading=shading.get(name, "flat"),
        light=_one_of(rng, ((-0.6, 0.8), (0.6, 0.8), (-0.8, 0.5), (0.2, 0.95))),
        depth=float(rng.uniform(0.14, 0.3)),
        grain=float(rng.uniform(0.04, 0.09)) if name == "textured" else 0.0,
        pixel=float(_one_of(rng, (1 / 64, 1 / 42))) if name == "pixel" else 0.0,
    )


def _build(rng: np.random.Generator, kind: str) -> Proportions:
    """Return a body of 2 to 8 heads: the bigger the head, the rounder and shorter the rest."""
    grown = kind in ("man", "woman")
    heads = pick(rng, {2.1: 3 * (not grown), 2.6: 5, 3.2: 5, 4.2: 3, 5.5: 2, 7.0: 2 * grown})
    heads *= float(rng.uniform(0.9, 1.12))
    head = 1 / heads
    rest = 1 - head
    child = min(1.0, max(0.0, (head - 0.13) / 0.3))  # 0: an adult's, 1: a toy's
    neck = rest * float(rng.uniform(0.035, 0.07)) * (1 - 0.75 * child)
    ankle = rest * float(rng.uniform(0.055, 0.075))
    torso = rest * (float(rng.uniform(0.33, 0.40)) + 0.08 * child)
    leg = rest - neck - torso - ankle
    bulk = float(rng.uniform(0.82, 1.25)) * (1 + 0.5 * child)
    round_belly = bulk**0.3 * pick(rng, {1.0: 7, 1.35: 1.2})
    limbs = pick(rng, {0.62: 1, 1.0: 6, 1.25: 1})
    broad = 1.12 if kind in ("man", "boy", "bear", "robot") else 1.0
    shoulder = torso * float(rng.uniform(0.27, 0.35)) * broad * bulk**0.4
    arm = (torso + leg) * float(rng.uniform(0.40, 0.46)) * (1 + 0.06 * child)
    width = head * float(rng.uniform(0.40, 0.52)) * (0.9 + 0.25 * child)
    return Proportions(
        head_height=head,
        head_width=width,
        head_depth=width * float(rng.uniform(0.88, 1.0)),
        neck=neck,
        torso=torso,
        shoulder=shoulder,
        hip=torso * float(rng.uniform(0.17, 0.23)) * bulk**0.5,
        waist=shoulder * float(rng.uniform(0.72, 1.05)) * round_belly,
        chest_depth=shoulder * float(rng.uniform(0.62, 0.85)) * round_belly**0.7,
        upper_arm=arm * 0.52,
        forearm=arm * 0.48,
        thigh=leg * 0.5,
        shin=leg * 0.5,
        ankle=ankle,
        foot=rest * float(rng.uniform(0.10, 0.15)) * pick(rng, {0.8: 1, 1.0: 4, 1.45: 1.3}),
        hand=rest * float(rng.uniform(0.034, 0.05)) * bulk**0.6 * pick(rng, {1.0: 5, 1.5: 1.3}),
        arm_width=rest * float(rng.uniform(0.034, 0.046)) * bulk * limbs,
        leg_width=rest * float(rng.uniform(0.045, 0.060)) * bulk * limbs,
    )


def letter_of(identity: Identity) -> str:
    """Return the letter or digit that the character wears when its emblem is a letter."""
    return LETTERS[identity.seed * 7 % len(LETTERS)]
