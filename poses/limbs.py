"""The body as a tree of segments that hang from the neck.

A nineteenth joint, the pelvis in the middle of the hips, joins the legs to the neck; a twentieth,
the skull between the ears, joins the head, for it moves least when the head nods or turns. Segments
are named alike on both sides: what is known of one arm is believed of the other.
"""

from types import MappingProxyType

import numpy as np
from jaxtyping import Float

from poses.types import confident

NOSE, NECK, PELVIS, SKULL = 0, 1, 18, 19
HIPS, ANKLES, EARS = (8, 11), (10, 13), (16, 17)

# Joint, the joint it hangs from, and the name of the segment between, from the neck outwards.
TREE = (
    (19, 1, "head"),
    (2, 1, "shoulder"), (3, 2, "upper arm"), (4, 3, "forearm"),
    (5, 1, "shoulder"), (6, 5, "upper arm"), (7, 6, "forearm"),
    (18, 1, "torso"),
    (8, 18, "hip"), (9, 8, "thigh"), (10, 9, "shin"),
    (11, 18, "hip"), (12, 11, "thigh"), (13, 12, "shin"),
)  # fmt: skip

# The width of the head is no segment between two joints: it is half the distance between the ears.
SEGMENTS = (*dict.fromkeys(segment for _, _, segment in TREE), "head width")
LONG_SEGMENTS = ("torso", "upper arm", "forearm", "thigh", "shin")
# The segments that are believed, in this order, where one cannot be measured.
NEIGHBOURS = MappingProxyType(
    {
        "head": ("head width",),
        "head width": ("head",),
        "upper arm": ("forearm",),
        "forearm": ("upper arm",),
        "thigh": ("shin",),
        "shin": ("thigh",),
    }
)

Tree = Float[np.ndarray, "*t 20 2"]


def tree_places(body: Float[np.ndarray, "*t 18 3"]) -> Tree:
    """Return the places of the 18 joints, pelvis and skull; NaN where they are not confident.

    With one hip or ear only, that is pelvis or skull; without ears the skull is the nose; a neck
    that is missing is put between the shoulders.
    """
    known = np.where(confident(body)[..., None], body[..., :2], np.nan)
    skull = _middle(known, EARS)
    skull = np.where(np.isnan(skull), known[..., NOSE, :], skull)
    places = np.stack([*np.moveaxis(known, -2, 0), _middle(known, HIPS), skull], axis=-2)
    between = (places[..., 2, :] + places[..., 5, :]) / 2
    neck = places[..., NECK, :]
    places[..., NECK, :] = np.where(np.isnan(neck), between, neck)
    return places


def _middle(
    known: Float[np.ndarray, "*t 18 2"], pair: tuple[int, int]
) -> Float[np.ndarray, "*t 2"]:
    """Return the middle of two joints, or the one that is there."""
    right, left = known[..., pair[0], :], known[..., pair[1], :]
    right, left = np.where(np.isnan(right), left, right), np.where(np.isnan(left), right, left)
    middle: np.ndarray = (right + left) / 2
    return middle
