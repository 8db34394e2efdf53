"""The baseline that every reader asks for: one smooth warp of the whole picture."""

import cv2
import numpy as np
from jaxtyping import Float, UInt8
from scipy.interpolate import RBFInterpolator

from dtvideo.puppet.body import known, points_in
from poses.types import Pose

SMOOTHING = 1e-3
LATTICE_PIXELS = 4

Image = UInt8[np.ndarray, "h w 3"]


def thin_plate_warp(reference: Image, reference_pose: Pose, target_pose: Pose) -> Image:
    """Bend the whole reference so that its key points fall on the target's (thin-plate spline).

    The corners of the picture stay where they are. With fewer than two joints known in both
    poses the reference comes back unchanged.
    """
    height, width = reference.shape[:2]
    source, target = (
        points_in(reference_pose, (width, height)),
        points_in(target_pose, (width, height)),
    )
    both = known(source) & known(target)
    if both.sum() < 2:
        return reference.copy()
    corners = np.array([[0, 0], [width - 1, 0], [0, height - 1], [width - 1, height - 1.0]])
    goals = np.concatenate([target[both], corners])
    starts = np.concatenate([source[both], corners])
    lattice = _backward_map(goals, starts, (width, height))
    return np.asarray(
        cv2.remap(reference, lattice, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE),
        dtype=np.uint8,
    )


def _backward_map(
    goals: Float[np.ndarray, "n 2"], starts: Float[np.ndarray, "n 2"], size: tuple[int, int]
) -> Float[np.ndarray, "h w 2"]:
    """Return where each pixel comes from, solved on a lattice and read between its nodes."""
    width, height = size
    scale = float(max(size))
    columns = np.linspace(0, width - 1, max(2, width // LATTICE_PIXELS + 1))
    rows = np.linspace(0, height - 1, max(2, height // LATTICE_PIXELS + 1))
    nodes = np.stack(np.meshgrid(columns, rows), axis=-1).reshape(-1, 2)
    spline = RBFInterpolator(
        goals / scale, starts / scale, kernel="thin_plate_spline", smoothing=SMOOTHING
    )
    coarse = (spline(nodes / scale) * scale).reshape(len(rows), len(columns), 2)
    across = np.arange(width) * (len(columns) - 1) / (width - 1)
    down = np.arange(height) * (len(rows) - 1) / (height - 1)
    read = np.stack(np.meshgrid(across, down), axis=-1).astype(np.float32)
    return np.asarray(cv2.remap(coarse.astype(np.float32), read, None, cv2.INTER_LINEAR))
