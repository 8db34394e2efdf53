"""Who a drawn character is: its build, colours, parts and manner of drawing, from one number."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from dtvideo.toon.world.canvas import Colour, Style
from dtvideo.toon.world.figure import Proportions

Choice = TypeVar("Choice")

COLOURS: dict[str, Colour] = {
    "red": (214, 58, 58),
    "orange": (240, 140, 50),
    "yellow": (245, 205, 70),
    "green": (82, 168, 88),
    "teal": (52, 168, 168),
    "blue": (66, 112, 204),
    "purple": (138, 88, 186),
    "pink": (240, 140, 176),
    "brown": (136, 92, 62),
    "black": (52, 50, 60),
    "white": (244, 242, 238),
    "grey": (146, 150, 160),
}
HAIR_COLOURS: dict[str, Colour] = {
    "black": (46, 42, 52),
    "brown": (110, 70, 44),
    "blond": (242, 206, 112),
    "red": (196, 78, 44),
    "white": (232, 232, 236),
    "blue": (84, 130, 214),
    "pink": (240, 134, 178),
    "green": (96, 178, 120),
    "purple": (146, 102, 196),
}
SKINS: tuple[Colour, ...] = (
    (255, 224, 196),
    (246, 205, 170),
    (232, 184, 142),
    (204, 150, 106),
    (160, 110, 76),
    (118, 78, 54),
)
PEOPLE = ("girl", "boy", "woman", "man")
ANIMALS = ("cat", "dog", "bear", "rabbit", "fox", "mouse")
KINDS = (*PEOPLE, *ANIMALS, "robot", "monster")
PATTERNS = ("plain", "striped", "dotted", "checked", "banded")


@dataclass(frozen=True)
class Cloth:
    """One garment: what it is, its colour by name and value, its pattern and that one's colour."""

    kind: str
    name: str
    colour: Colour
    pattern: str = "plain"
    second: Colour = (255, 255, 255)


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
    head_power: float
    eyes: str
    eye_size: float
    iris: Colour
    mouth: str
    blush: bool
    hair: str
    hair_name: str
    hair_colour: Colour
    hat: str
    hat_name: str
    hat_colour: Colour
    top: Cloth
    bottom: Cloth
    shoes: Cloth
    sleeve: str
    gloves: bool
    belt: bool
    emblem: str
    letter: str
    cape: str
    cape_colour: Colour
    tail: str


def identity_from_seed(seed: int) -> Identity:
    """Return the character of this number; the same one on every machine."""
    rng = np.random.default_rng((seed, 0x1D))
    kind = _pick(rng, KINDS, (6, 6, 4, 4, 2, 2, 2, 2, 2, 1, 4, 2))
    person = kind in PEOPLE
    skin_name, skin = _skin(rng, kind)
    hair_name, hair_colour = _named(rng, HAIR_COLOURS)
    hat_name, hat_colour = _named(rng, COLOURS)
    style_name, style = _style(rng)
    letter = "ABCEHKLMNOPRSTXYZ0123456789"[rng.integers(27)]
    return Identity(
        seed=seed,
        kind=kind,
        build=_build(rng, kind),
        style=style,
        style_name=style_name,
        skin=skin,
        skin_name=skin_name,
        head_power=float(_pick(rng, (2.0, 2.6, 6.0), (6, 3, 1) if kind != "robot" else (1, 1, 6))),
        eyes=_pick(rng, ("oval", "dot", "big", "sleepy"), (4, 3, 4, 1)),
        eye_size=float(rng.uniform(0.8, 1.25)),
        iris=_named(rng, COLOURS)[1],
        mouth=_pick(rng, ("smile", "line", "open", "grin", "none"), (4, 2, 2, 2, 1)),
        blush=bool(rng.random() < 0.3),
        hair=_hair(rng, kind),
        hair_name=hair_name,
        hair_colour=_jitter(rng, hair_colour),
        hat=_pick(rng, ("none", "cap", "beanie", "top hat", "helmet"), (12, 2, 2, 1, 1)),
        hat_name=hat_name,
        hat_colour=_jitter(rng, hat_colour),
        top=_cloth(
            rng, ("shirt", "jacket", "dress") if kind not in ("boy", "man") else ("shirt", "jacket")
        ),
        bottom=_cloth(
            rng,
            ("trousers", "shorts", "skirt")
            if kind in ("girl", "woman")
            else ("trousers", "shorts"),
        ),
        shoes=_cloth(rng, ("shoes", "boots")),
        sleeve=_pick(rng, ("long", "short", "none"), (4, 4, 1)),
        gloves=bool(rng.random() < 0.15),
        belt=bool(rng.random() < 0.3),
        emblem=_pick(rng, ("none", "letter", "star", "circle", "heart"), (5, 2, 1, 1, 1)),
        letter=letter,
        cape=_pick(rng, ("none", "cape", "bag"), (8, 1, 1)) if person else "none",
        cape_colour=_named(rng, COLOURS)[1],
        tail=kind if kind in ANIMALS else "none",
    )


def attributes(identity: Identity) -> dict[str, str]:
    """Return what a viewer could check: one word or two for each part of the character."""
    return {
        "kind": identity.kind,
        "skin": identity.skin_name,
        "hair": identity.hair,
        "hair colour": identity.hair_name,
        "top": identity.top.kind,
        "top colour": identity.top.name,
        "top pattern": identity.top.pattern,
        "bottom": identity.bottom.kind,
        "bottom colour": identity.bottom.name,
        "shoes": identity.shoes.kind,
        "shoes colour": identity.shoes.name,
        "hat": identity.hat,
        "hat colour": identity.hat_name,
        "cape": identity.cape,
        "style": identity.style_name,
    }


def caption(identity: Identity) -> str:
    """Return one sentence from a small closed vocabulary, in lower case."""
    parts = [_who(identity), _worn(identity.top)]
    if identity.top.kind != "dress":
        parts.append(f"{identity.bottom.name} {identity.bottom.kind}")
    parts.append(f"{identity.shoes.name} {identity.shoes.kind}")
    if identity.hat != "none":
        parts.append(f"a {identity.hat_name} {identity.hat}")
    if identity.cape != "none":
        parts.append(f"a {identity.cape}")
    return ", ".join([*parts, f"{identity.style_name} style"])


def _who(identity: Identity) -> str:
    if identity.hair == "none":
        return (
            f"a {identity.skin_name} {identity.kind}"
            if identity.kind not in PEOPLE
            else (f"a bald {identity.kind}")
        )
    return f"a {identity.kind} with {identity.hair} {identity.hair_name} hair"


def _worn(cloth: Cloth) -> str:
    pattern = "" if cloth.pattern == "plain" else f"{cloth.pattern} "
    return f"a {pattern}{cloth.name} {cloth.kind}"


def _pick(rng: np.random.Generator, options: Sequence[Choice], weights: Sequence[float]) -> Choice:
    shares = np.array(weights, dtype=float)
    return options[int(rng.choice(len(options), p=shares / shares.sum()))]


def _named(rng: np.random.Generator, table: dict[str, Colour]) -> tuple[str, Colour]:
    name = list(table)[int(rng.integers(len(table)))]
    return name, table[name]


def _jitter(rng: np.random.Generator, colour: Colour, *, reach: int = 14) -> Colour:
    red, green, blue = (
        int(np.clip(channel + rng.integers(-reach, reach + 1), 0, 255)) for channel in colour
    )
    return red, green, blue


def _skin(rng: np.random.Generator, kind: str) -> tuple[str, Colour]:
    if kind in PEOPLE:
        index = int(rng.integers(len(SKINS)))
        return ("light", "light", "tan", "tan", "dark", "dark")[index], SKINS[index]
    table = (
        COLOURS
        if kind in ("monster", "robot")
        else {
            name: COLOURS[name] for name in ("orange", "brown", "white", "grey", "yellow", "pink")
        }
    )
    name, colour = _named(rng, table)
    return name, _jitter(rng, colour)


def _cloth(rng: np.random.Generator, kinds: Sequence[str]) -> Cloth:
    name, colour = _named(rng, COLOURS)
    other, second = _named(rng, COLOURS)
    if other == name:
        second = (255, 255, 255) if name != "white" else COLOURS["blue"]
    return Cloth(
        kind=kinds[int(rng.integers(len(kinds)))],
        name=name,
        colour=_jitter(rng, colour),
        pattern=_pick(rng, PATTERNS, (6, 2, 1, 1, 1)),
        second=second,
    )


def _hair(rng: np.random.Generator, kind: str) -> str:
    if kind not in PEOPLE:
        return "none"
    if kind in ("girl", "woman"):
        return _pick(rng, ("long", "short", "tailed", "bobbed", "curly"), (4, 1, 3, 3, 1))
    return _pick(rng, ("short", "spiky", "curly", "long", "none"), (4, 3, 2, 1, 1))


def _style(rng: np.random.Generator) -> tuple[str, Style]:
    name = _pick(rng, ("flat", "outlined", "two-tone", "soft", "textured"), (3, 4, 4, 2, 1))
    outline = float(rng.uniform(0.004, 0.010)) if name != "flat" and rng.random() < 0.85 else 0.0
    shading = {"two-tone": "two-tone", "soft": "soft", "textured": "soft"}.get(name, "flat")
    ink = (40, 30, 40) if rng.random() < 0.4 else None
    light = (-0.6, 0.8) if rng.random() < 0.5 else (0.6, 0.8)
    return name, Style(
        outline=outline,
        outline_colour=ink,
        shading=shading,
        light=light,
        depth=float(rng.uniform(0.15, 0.32)),
        texture=0.06 if name == "textured" else 0.0,
    )


def _build(rng: np.random.Generator, kind: str) -> Proportions:
    heads = float(_pick(rng, (2.2, 2.8, 3.5, 4.5, 6.0, 7.5), (4, 5, 5, 3, 2, 1)))
    heads *= float(rng.uniform(0.92, 1.08))
    head = 1 / heads
    rest = 1 - head
    neck = rest * float(rng.uniform(0.02, 0.06))
    torso = rest * float(rng.uniform(0.40, 0.50))
    ankle = rest * 0.07
    leg = rest - neck - torso - ankle
    bulk = float(rng.uniform(0.8, 1.3)) * (0.75 + 0.9 * head)
    arm = (torso + leg) * float(rng.uniform(0.40, 0.48))
    male = kind in ("man", "boy", "bear", "robot")
    shoulder = torso * float(rng.uniform(0.36, 0.46)) * (1.15 if male else 1.0) * bulk**0.5
    width = head * float(rng.uniform(0.40, 0.54)) * (1.0 + 0.35 * (head - 0.125))
    return Proportions(
        head_height=head,
        head_width=width,
        head_depth=width * float(rng.uniform(0.88, 1.0)),
        neck=neck,
        torso=torso,
        shoulder=shoulder,
        hip=torso * float(rng.uniform(0.20, 0.28)) * bulk**0.5,
        waist=shoulder * float(rng.uniform(0.70, 1.0)),
        chest_depth=shoulder * float(rng.uniform(0.55, 0.75)),
        upper_arm=arm * 0.5,
        forearm=arm * 0.5,
        thigh=leg * 0.5,
        shin=leg * 0.5,
        ankle=ankle,
        foot=rest * float(rng.uniform(0.13, 0.19)),
        hand=rest * float(rng.uniform(0.045, 0.075)),
        arm_width=rest * float(rng.uniform(0.042, 0.058)) * bulk,
        leg_width=rest * float(rng.uniform(0.055, 0.075)) * bulk,
    )
