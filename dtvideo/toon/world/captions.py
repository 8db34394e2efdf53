"""What a drawn character is called: a sentence of a closed vocabulary."""

from dtvideo.toon.world.identity import ANIMALS, PEOPLE, Cloth, Identity


def caption(identity: Identity) -> str:
    """Return one sentence from a small closed vocabulary, in lower case."""
    outfit, face = identity.outfit, identity.face
    parts = [_who(identity)]
    if outfit.top.kind != "none":
        parts.append(_article(_pattern(outfit.top)))
    if outfit.bottom.kind != "none" and outfit.top.kind not in ("dress", "coat"):
        words = f"{outfit.bottom.name} {outfit.bottom.kind}"
        parts.append(_article(words) if outfit.bottom.kind == "skirt" else words)
    if outfit.shoes.kind != "none":
        parts.append(f"{outfit.shoes.name} {outfit.shoes.kind}")
    for cloth in (outfit.hat, outfit.back):
        if cloth.kind != "none":
            parts.append(_article(f"{cloth.name} {cloth.kind}"))
    if face.glasses != "none":
        parts.append(_article("mask") if face.glasses == "mask" else face.glasses)
    if face.beard != "none":
        parts.append(_article(face.beard))
    return ", ".join([*parts, f"{identity.style_name} style"])


def _who(identity: Identity) -> str:
    hair = identity.hair
    if identity.kind in PEOPLE:
        if hair.style == "none":
            return f"a bald {identity.kind} with {identity.skin_name} skin"
        if hair.style in ("ponytail", "bun", "afro", "mohawk"):
            return f"a {identity.kind} with {_article(f'{hair.name} {hair.style}')}"
        return f"a {identity.kind} with {hair.style} {hair.name} hair"
    surface = " fur" if identity.kind in ANIMALS else " skin"
    return f"a {identity.kind} with {identity.skin_name}{surface}"


def _pattern(cloth: Cloth) -> str:
    words = f"{cloth.name} {cloth.kind}"
    return words if cloth.pattern == "plain" else f"{cloth.pattern} {words}"


def _article(words: str) -> str:
    return f"an {words}" if words[0] in "aeiou" else f"a {words}"
