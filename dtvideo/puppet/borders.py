"""Where one part of a puppet ends and the next begins."""

import cv2
import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

UNSURE = 0.3  # difference of two parts' claims, in half widths, up to which the picture decides
SCRAP = 0.2  # of the area of a part's largest piece, below which another is not a part's own

Region = Bool[np.ndarray, "h w"]
Owners = Int[np.ndarray, "h w"]
"""The index of the part that each pixel belongs to."""


def along_edges(
    picture: UInt8[np.ndarray, "h w 3"], scores: Float[np.ndarray, "parts h w"], inside: Region
) -> Owners:
    """Give each pixel to the part of the least score, borders drawn to the edges of the picture.

    Where two parts' scores are close the parts grow towards each other, last over the steepest
    change of colour (a watershed): a shirt is cut at its hem, not across it.
    """
    nearest: Owners = scores.argmin(axis=0)
    sure = (scores < scores.min(axis=0) + UNSURE).sum(axis=0) == 1
    ground, first = 1, 2
    seeds = np.where(inside, np.where(sure, nearest + first, 0), ground).astype(np.int32)
    seeds = np.pad(seeds, 1, constant_values=ground)
    roomy = np.pad(picture, ((1, 1), (1, 1), (0, 0)), mode="edge")
    grown = cv2.watershed(roomy, seeds)[1:-1, 1:-1]
    return np.asarray(np.where(inside & (grown >= first), grown - first, nearest))


def in_one_piece(owner: Owners, inside: Region, count: int) -> Owners:
    """Give small pieces that hang apart from their part to what lies around most of them."""
    settled = owner.copy()
    for part in range(count):
        own = (inside & (owner == part)).astype(np.uint8)
        pieces, labels, stats, _ = cv2.connectedComponentsWithStats(own, connectivity=4)
        areas = stats[:, cv2.CC_STAT_AREA]
        for piece in range(1, pieces):
            if areas[piece] < SCRAP * areas[1:].max():
                scrap = labels == piece
                rim = cv2.dilate(scrap.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
                around = np.bincount(owner[rim & inside & (owner != part)], minlength=count)
                if around.any():
                    settled[scrap] = around.argmax()
    return settled


def closed(own: Region, *, reach: float) -> Region:
    """Return a region with the gaps in it that are up to twice `reach` wide, in pixels."""
    margin = max(1, round(reach))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * margin + 1, 2 * margin + 1))
    roomy = np.pad(own.astype(np.uint8), margin)
    filled = cv2.morphologyEx(roomy, cv2.MORPH_CLOSE, disc)
    return np.asarray(filled[margin:-margin, margin:-margin] > 0)
