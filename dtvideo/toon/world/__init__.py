"""The drawn world: pictures of characters for which the truth is known."""

from dtvideo.toon.world.figure import BODY_DIRECTIONS, Camera, Stance

__all__ = ["BODY_DIRECTIONS", "Camera", "Stance"]
