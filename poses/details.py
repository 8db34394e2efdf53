"""Hands and face: how much of them is kept, and hands that cannot belong to the body."""

from dataclasses import replace
from typing import Any, Literal

import numpy as np

from poses.types import Joints, JointTracks, PoseSequence, confident, missing_joints

FaceChoice = Literal["off", "weak", "full"]

# Right and left elbow and wrist of the body; the wrist of a hand is its first joint.
ARMS = {"right_hand": (3, 4), "left_hand": (6, 7)}
NEAR_WRIST = 0.5
LARGEST_HAND = 1.2
# The jaw, the brows and the nose of the 70 points: whose face it is more than what it says.
OUTLINE = slice(0, 36)


def keep_face(sequence: PoseSequence, choice: FaceChoice) -> PoseSequence:
    """Return the sequence without a face ("off"), with eyes and mouth ("weak") or all ("full").

    Jaw, brows and nose carry the driver's own looks into the picture; eyes and mouth carry
    what the face says.
    """
    if sequence.face is None or choice == "full":
        return sequence
    if choice == "off":
        return replace(sequence, face=None)
    face = sequence.face.copy()
    face[:, OUTLINE] = missing_joints(1)
    return replace(sequence, face=face)


def keep_hands(sequence: PoseSequence, *, wanted: bool) -> PoseSequence:
    """Return the sequence without hands, or with those that fit the body.

    A hand fits where forearm and wrist are confident, its own wrist lies within half a forearm
    of the body's, and it is no larger than 1.2 forearms; elsewhere it is missing.
    """
    if not wanted:
        return replace(sequence, left_hand=None, right_hand=None)
    hands = {name: getattr(sequence, name) for name in ARMS}
    fitting: dict[str, Any] = {
        name: _fitting(hand, sequence.body[:, list(ARMS[name])])
        for name, hand in hands.items()
        if hand is not None
    }
    return replace(sequence, **fitting)


def _fitting(hand: JointTracks, arm: JointTracks) -> JointTracks:
    known = confident(hand)
    places = np.where(known[..., None], hand[..., :2], np.nan)
    forearm = np.linalg.norm(arm[:, 1, :2] - arm[:, 0, :2], axis=-1)
    away = np.linalg.norm(hand[:, 0, :2] - arm[:, 1, :2], axis=-1)
    reach = np.linalg.norm(places - places[:, :1], axis=-1)
    largest = np.where(known, reach, 0.0).max(axis=1)
    fits = confident(arm).all(axis=1) & (away <= NEAR_WRIST * forearm)
    fits &= largest <= LARGEST_HAND * forearm
    missing: Joints = missing_joints(hand.shape[1])
    return np.where(fits[:, None, None], hand, missing)
