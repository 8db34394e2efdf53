"""Skeletons as data: joint names, limbs, colours and left/right pairs.

The files in `poses/skeletons` are the truth; this module only reads them.
"""

import json
from dataclasses import dataclass
from importlib.resources import files

Colour = tuple[int, int, int]


@dataclass(frozen=True)
class Skeleton:
    """The joints of one key-point layout and how they hang together.

    limbs hold two joint indices each, in drawing order; colours are RGB in 0..255;
    pairs hold (right joint, left joint), the body's own right and left.
    """

    name: str
    joints: tuple[str, ...]
    limbs: tuple[tuple[int, int], ...]
    joint_colours: tuple[Colour, ...]
    limb_colours: tuple[Colour, ...]
    pairs: tuple[tuple[int, int], ...]

    def __len__(self) -> int:
        return len(self.joints)

    def index(self, joint: str) -> int:
        """Return the index of a joint by its name. Raises: ValueError when there is none."""
        return self.joints.index(joint)

    @property
    def mirrored(self) -> tuple[int, ...]:
        """Joint order after left and right are exchanged: `joints[list(mirrored)]`."""
        order = list(range(len(self)))
        for right, left in self.pairs:
            order[right], order[left] = left, right
        return tuple(order)


def load_skeleton(name: str) -> Skeleton:
    """Read one of the layouts that the package carries: body18, coco17, hand21, face70."""
    text = files("poses").joinpath("skeletons", f"{name}.json").read_text(encoding="utf-8")
    data = json.loads(text)
    return Skeleton(
        name=data["name"],
        joints=tuple(data["joints"]),
        limbs=tuple((start, end) for start, end in data["limbs"]),
        joint_colours=tuple((r, g, b) for r, g, b in data["joint_colours"]),
        limb_colours=tuple((r, g, b) for r, g, b in data["limb_colours"]),
        pairs=tuple((right, left) for right, left in data["pairs"]),
    )


BODY18 = load_skeleton("body18")
COCO17 = load_skeleton("coco17")
HAND21 = load_skeleton("hand21")
FACE70 = load_skeleton("face70")
CORE_JOINTS = (0, 1, 2, 5, 8, 11)
"""Nose, neck, shoulders and hips of the body of 18: what a figure can hardly do without."""
